"""Gradients of filters by every algorithm: values over random shapes, C of their own, no columns, bits for any number of threads."""

import re
from typing import Any

import numpy as np
import pytest

import composit as cnp
import mosaic
from composit.apply import apply
from composit.errors import UnsupportedAlgorithmError
from composit.nn.operations.convolution import FilterGradient
from mosaic.algorithms import Case
from mosaic.algorithms.registry import those_that_can
from mosaic.matmul.filter_blocking import FilterSpec, choose_filter_blocks
from mosaic.targets import get_target
from tests.mosaic.c_text import c_text
from tests.sampling import only

_ERROR = {4: 3e-6, 8: 4e-15}
"""As a share of the largest sum of |x| * |g|, which has up to a few thousand terms."""

_NUM_BATCHES = 12


def _operand(generator: np.random.Generator, shape: tuple[int, ...], dtype: str) -> tuple[Any, Any, np.ndarray]:
    """A leaf, and a tensor with channels first that reads it: as it is, or with channels stored last."""
    if generator.random() < 0.5:
        leaf = cnp.asarray(generator.standard_normal((shape[0], *shape[2:], shape[1])).astype(dtype))
        return leaf, cnp.moveaxis(leaf, -1, 1), np.moveaxis(cnp.evaluate(leaf), -1, 1)
    leaf = cnp.asarray(generator.standard_normal(shape).astype(dtype))
    return leaf, leaf, cnp.evaluate(leaf)


def _random_gradient(generator: np.random.Generator) -> tuple[FilterGradient, tuple[int, ...], tuple[int, ...], str]:
    """An operation, the shapes of both operands, and a dtype; every third has narrow groups."""
    rank = int(generator.integers(1, 3))
    kernel, strides = (generator.integers(1, 4, rank).tolist() for _ in range(2))
    dilation = generator.integers(1, 3, rank).tolist()
    lengths = [
        apart * (taps - 1) + 1 + int(generator.integers(0, 20)) for taps, apart in zip(kernel, dilation, strict=True)
    ]
    places = zip(lengths, kernel, strides, dilation, strict=True)
    positions = [(length - apart * (taps - 1) - 1) // step + 1 for length, taps, step, apart in places]
    if generator.random() < 1 / 3:
        groups, channels = int(generator.choice([2, 5, 16, 17, 40])), int(generator.choice([1, 2, 4]))
        outputs = channels
    else:
        groups = int(generator.choice([1, 1, 2, 3]))
        channels, outputs = (int(generator.choice([1, 3, 8, 17, 40, 70])) for _ in range(2))
    batch = int(generator.integers(1, 4))
    operation = FilterGradient(tuple(strides), tuple(dilation), groups, tuple(kernel))
    shapes = (batch, groups * channels, *lengths), (batch, groups * outputs, *positions)
    return operation, *shapes, str(generator.choice(["float32", "float64"]))


@pytest.mark.parametrize("batch", only((0,), range(_NUM_BATCHES)))
def test_every_algorithm_is_within_its_error_over_random_shapes(batch: int) -> None:
    generator = np.random.default_rng(batch)
    inputs: list[Any] = []
    wanted: dict[Any, str] = {}
    exact: list[tuple[np.ndarray, float]] = []
    for _ in range(4):
        operation, *shapes, dtype = _random_gradient(generator)
        pairs = [_operand(generator, shape, dtype) for shape in shapes]
        inputs += [leaf for leaf, _, _ in pairs]
        wide = [array.astype(np.float64 if dtype == "float32" else np.longdouble) for _, _, array in pairs]
        right, largest = operation.evaluate(*wide), float(operation.evaluate(*map(np.abs, wide)).max())
        node = apply(operation, *(each for _, each, _ in pairs)).node
        types = tuple(each.types[index] for each, index in node.operands)
        for name in those_that_can(f"conv{len(operation.kernel)}d_weight", _case(node.operation, types, node.types)):
            # Leaves of their own, so that no two are one node.
            own = [_again(leaf, each) for leaf, each, _ in pairs]
            inputs += [leaf for leaf, _ in own]
            result = apply(operation, *(each for _, each in own))
            wanted[result] = name
            exact.append((right, largest))
    used = inputs
    kept = [each for each in used if any(each.node is node for result in wanted for node in _ancestors(result))]
    model = mosaic.compile(list(wanted), inputs=kept, algorithms=wanted)
    assert {choice.algorithm.name for choice in model.algorithms} >= {"direct", "implicit gemm"}
    found = model(*map(cnp.evaluate, kept))
    for (result, name), value, (right, largest) in zip(wanted.items(), found, exact, strict=True):
        assert value.shape == right.shape
        assert value.dtype == result.dtype
        assert float(np.abs(value - right).max() / largest) <= _ERROR[value.dtype.itemsize], (
            name,
            result.node.operation,
        )


def _case(operation: Any, types: Any, results: Any) -> Case:
    return Case(operation, types, results, (False, False), get_target())


def _again(leaf: Any, seen: Any) -> tuple[Any, Any]:
    """The same values in a leaf of its own, and how it is seen."""
    fresh = cnp.asarray(cnp.evaluate(leaf).copy())
    return fresh, fresh if seen is leaf else cnp.moveaxis(fresh, -1, 1)


def _ancestors(result: Any) -> Any:
    return [operand for operand, _ in result.node.operands] + [
        inner for operand, _ in result.node.operands for inner, _ in operand.operands
    ]


def _gradient(
    channels: int, outputs: int, groups: int = 1, side: int = 12, dtype: str = "float32"
) -> tuple[Any, Any, Any]:
    generator = np.random.default_rng(3)
    x = cnp.asarray(generator.standard_normal((2, channels, side, side)).astype(dtype))
    g = cnp.asarray(generator.standard_normal((2, outputs, side - 2, side - 2)).astype(dtype))
    return apply(FilterGradient((1, 1), (1, 1), groups, (3, 3)), x, g), x, g


@pytest.mark.parametrize(("name", "groups"), [("direct", 1), ("direct", 4), ("depthwise", 48), ("implicit gemm", 1)])
def test_bits_do_not_depend_on_the_number_of_threads(name: str, groups: int) -> None:
    result, x, g = _gradient(48, 48, groups, 20)
    arrays = cnp.evaluate(x, g)
    models = [
        mosaic.compile(result, inputs=[x, g], num_threads=threads, algorithms={"conv2d_weight": name})
        for threads in (1, 2, 3)
    ]
    first, *others = [model(*arrays).tobytes() for model in models]
    assert all(other == first for other in others)


def test_the_default_stores_no_columns() -> None:
    result, x, g = _gradient(32, 32, side=30)
    model = mosaic.compile(result, inputs=[x, g])
    assert [choice.algorithm.name for choice in model.algorithms] == ["direct"]
    columns = 2 * 28 * 28 * 32 * 9 * 4
    assert model.buffers.lower_bound_bytes < columns / 4
    assert "multiply_positions" in c_text(result, inputs=[x, g])
    assert "sums over positions" in str(mosaic.stages(result, inputs=[x, g])[-3])


def test_narrow_groups_have_lanes_along_them() -> None:
    result, x, g = _gradient(64, 64, groups=16)
    model = mosaic.compile(result, inputs=[x, g])
    assert [choice.algorithm.name for choice in model.algorithms] == ["depthwise"]
    assert "__builtin_shufflevector" in c_text(result, inputs=[x, g])


def test_groups_that_are_not_narrow_are_refused_by_name() -> None:
    result, x, g = _gradient(32, 64, groups=2)
    with pytest.raises(UnsupportedAlgorithmError, match=r"as many outputs as channels.*there are 32 and 16"):
        mosaic.compile(result, inputs=[x, g], algorithms={"conv2d_weight": "depthwise"})


def test_blocks_hold_all_positions_and_fit_the_cache() -> None:
    target = get_target()
    for side, kernel, channels in ((7, 3, 512), (56, 1, 256), (224, 7, 3), (112, 3, 64), (300, 5, 17)):
        spec = FilterSpec(np.dtype(np.float32), 1, 64, channels, (kernel, kernel), (3, side, side), (2, 1), (1, 2))
        blocks = choose_filter_blocks(spec, target)
        assert blocks.images == 1 or blocks.lines == side
        assert blocks.lines == 1 or blocks.places == side
        assert blocks.num_output_blocks(spec) * blocks.tiles * blocks.mr >= 64
        assert blocks.num_channel_blocks(spec) * blocks.panels * blocks.nr >= channels
        assert np.prod(blocks.image_shape(spec)) * blocks.nr * 4 <= target.caches.l2


def test_the_same_algorithm_is_chosen_each_time() -> None:
    result, x, g = _gradient(24, 40)
    chosen = {
        tuple(choice.algorithm.name for choice in mosaic.compile(result, inputs=[x, g], algorithms="guess").algorithms)
        for _ in range(5)
    }
    assert len(chosen) == 1
    assert re.fullmatch(r"\w[\w ]+", chosen.pop()[0])
