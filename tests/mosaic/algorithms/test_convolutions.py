"""Every algorithm of convolutions, over random shapes, within its error of float64; and C of its own."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import composit as cnp
import mosaic
from composit.nn.operations import convolution
from mosaic.algorithms import Case
from mosaic.algorithms.convolution.winograd import ERRORS
from mosaic.targets import get_target
from tests.mosaic.c_text import c_text
from tests.sampling import only

_PLAIN = {4: 2e-6, 8: 4e-15}
"""The error of plain sums of these lengths, as a share of the largest sum of |x| * |filters|."""

_SHAPES_EACH = 5
_NUM_BATCHES = 60


@dataclass(frozen=True)
class Shape:
    """One convolution: shapes of both operands, and how they are combined."""

    x: tuple[int, ...]
    filters: tuple[int, ...]
    dtype: str
    options: dict[str, Any]


def random_shape(generator: np.random.Generator) -> Shape:
    """Strides, dilation, groups, padding and odd sizes; half of them with 3 taps and no strides, which winograd takes."""
    rank = int(generator.choice([1, 2, 2, 2, 2, 3]))
    groups = int(generator.choice([1, 1, 1, 2, 3]))
    is_simple = generator.random() < 0.5
    kernel = [3] * rank if is_simple else generator.integers(1, 5, rank).tolist()
    strides = [1] * rank if is_simple else generator.integers(1, 4, rank).tolist()
    dilation = [1] * rank if is_simple else generator.integers(1, 3, rank).tolist()
    padding = int(generator.integers(0, 3))
    most = 30 if rank < 3 else 9
    reach = [apart * (taps - 1) + 1 for taps, apart in zip(kernel, dilation, strict=True)]
    lengths = [int(generator.integers(max(1, least - 2 * padding), most)) for least in reach]
    channels, outputs = int(generator.integers(1, 21)), int(generator.choice([1, 2, 5, 8, 17, 32, 40, 70]))
    batch = int(generator.integers(1, 4))
    return Shape(
        (batch, groups * channels, *lengths),
        (groups * outputs, channels, *kernel),
        str(generator.choice(["float32", "float64"])),
        {"strides": tuple(strides), "dilation": tuple(dilation), "groups": groups, "padding": padding},
    )


def names_that_can(result: Any, operands: list[Any]) -> Iterator[str]:
    """The algorithms that take a convolution."""
    node = result.node
    types = [tuple((each.types[index] for each, index in node.operands)), node.types]
    case = Case(node.operation, *types, (False, True), get_target())
    for name, algorithm in mosaic.algorithms_of(f"conv{len(operands[0].shape) - 2}d").items():
        if not algorithm.why_not(case):
            yield name


def bound(name: str, dtype: np.dtype) -> float:
    """The error that an algorithm states."""
    if not name.startswith("winograd"):
        return _PLAIN[dtype.itemsize]
    found = re.findall(r"f\((\d),3\)", name)
    return ERRORS[int(found[0]) if found else 4][dtype.itemsize]


@pytest.mark.parametrize("batch", only((0,), range(_NUM_BATCHES)))
def test_every_algorithm_is_within_its_error_over_random_shapes(batch: int) -> None:
    generator = np.random.default_rng(batch)
    outputs: list[Any] = []
    wanted: dict[Any, str] = {}
    exact: list[tuple[Shape, np.ndarray, float]] = []
    inputs: list[Any] = []
    for _ in range(_SHAPES_EACH):
        shape = random_shape(generator)
        values, filters = (generator.standard_normal(each).astype(shape.dtype) for each in (shape.x, shape.filters))
        x = cnp.asarray(values)
        inputs.append(x)
        wide = [each.astype(np.float64 if shape.dtype == "float32" else np.longdouble) for each in (values, filters)]
        right = cnp.evaluate(convolution(*wide, **shape.options))
        largest = float(cnp.evaluate(convolution(*map(np.abs, wide), **shape.options)).max())
        for name in names_that_can(convolution(x, cnp.asarray(filters), **shape.options), [x]):
            result = convolution(
                x, cnp.asarray(filters), **shape.options
            )  # arrays of their own, so no two are one node
            outputs.append(result)
            wanted[result] = name
            exact.append((shape, right, largest))
    model = mosaic.compile(outputs, inputs=inputs, algorithms=wanted)
    assert {choice.algorithm.name for choice in model.algorithms} == set(wanted.values())
    found = model(*map(cnp.evaluate, inputs))
    for result, value, (shape, right, largest) in zip(outputs, found, exact, strict=True):
        assert value.shape == right.shape
        assert value.dtype == shape.dtype
        # Where all windows lie in the padding, all sums are 0.
        share = float(np.abs(value - right).max() / largest) if largest else float(np.abs(value).max())
        assert share <= bound(wanted[result], value.dtype), (wanted[result], shape, share)


def test_the_c_of_the_algorithms_differs() -> None:
    generator = np.random.default_rng(1)
    x, filters = (cnp.asarray(generator.standard_normal(shape)) for shape in ((2, 8, 12, 12), (16, 8, 3, 3)))
    result = convolution(x, filters, padding=1)
    names = [name for name in names_that_can(result, [x]) if name != "winograd"]  # which is one of the tiles by name
    assert {"direct", "gemm", "smm", "implicit gemm", "implicit precomp gemm", "winograd f(4,3)"} <= set(names)
    texts = {name: c_text(result, inputs=[x], algorithms={"conv2d": name}) for name in names}
    assert len(set(texts.values())) == len(names)
    assert "multiply_by_table" in texts["implicit precomp gemm"]
    assert "winograd_data_4x4" in texts["winograd f(4,3)"]


def test_gemm_stores_columns_and_the_table_does_not() -> None:
    generator = np.random.default_rng(1)
    x, filters = (
        cnp.asarray(generator.standard_normal(shape).astype("float32")) for shape in ((1, 16, 32, 32), (32, 16, 3, 3))
    )
    columns = 32 * 32 * 16 * 9 * 4

    def arena(name: str) -> int:
        result = convolution(x, filters, padding=1)
        return mosaic.compile(result, inputs=[x], algorithms={"conv2d": name}).buffers.lower_bound_bytes

    assert arena("gemm") > columns
    assert arena("implicit precomp gemm") < columns / 2


def test_smm_multiplies_once_for_each_tap() -> None:
    x, filters = cnp.ones((1, 8, 12, 12), dtype="float32"), cnp.ones((16, 8, 3, 2), dtype="float32")
    stages = mosaic.stages(convolution(x, filters), inputs=[x], algorithms={"conv2d": "smm"})
    (lowered,) = [str(stage) for stage in stages if stage.name == "lower_program"]
    assert lowered.count(" @ ") == 6


@pytest.mark.parametrize("name", ["gemm", "smm", "implicit precomp gemm", "direct", "implicit gemm"])
def test_what_follows_is_computed_where_sums_are_stored(name: str) -> None:
    generator = np.random.default_rng(2)
    x, filters = (
        cnp.asarray(generator.standard_normal(shape).astype("float32")) for shape in ((2, 8, 11, 11), (24, 8, 3, 3))
    )
    bias = cnp.asarray(np.arange(24, dtype="float32").reshape(24, 1, 1))
    hidden = cnp.maximum(convolution(x, filters, padding=1, strides=2) + bias, 0)
    output = convolution(hidden, cnp.asarray(generator.standard_normal((5, 24, 3, 3)).astype("float32")), padding=1)
    stages = mosaic.stages(output, inputs=[x], algorithms={"conv2d": name})
    (fused,) = [str(stage) for stage in stages if stage.name == "fuse_rows"]
    assert "then maximum(add(" in fused
    model = mosaic.compile(output, inputs=[x], algorithms={"conv2d": name})
    np.testing.assert_allclose(model(cnp.evaluate(x)), cnp.evaluate(output), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("name", ["gemm", "smm", "implicit precomp gemm", "direct", "implicit gemm"])
def test_filters_may_be_computed_and_batches_empty(name: str) -> None:
    generator = np.random.default_rng(3)
    x, filters = (cnp.asarray(generator.standard_normal(shape)) for shape in ((2, 4, 7, 7), (6, 4, 3, 3)))
    result = convolution(x, cnp.tanh(filters))
    model = mosaic.compile(result, inputs=[x, filters], algorithms={"conv2d": name})
    np.testing.assert_allclose(
        model(cnp.evaluate(x), cnp.evaluate(filters)), cnp.evaluate(result), rtol=1e-12, atol=1e-12
    )
    empty = convolution(x[:0], filters)
    assert mosaic.compile(empty, inputs=[x, filters], algorithms={"conv2d": name})(
        cnp.evaluate(x), cnp.evaluate(filters)
    ).shape == (0, 6, 5, 5)


def test_groups_of_few_outputs_are_depthwise_and_others_are_not() -> None:
    generator = np.random.default_rng(4)
    x, filters = (cnp.asarray(generator.standard_normal(shape)) for shape in ((1, 24, 9, 9), (24, 1, 3, 3)))
    names = set(names_that_can(convolution(x, filters, groups=24), [x]))
    assert "depthwise" in names
    assert not {"direct", "implicit gemm"} & names
    chosen = mosaic.compile(convolution(x, filters, groups=24), inputs=[x]).algorithms
    assert [each.algorithm.name for each in chosen] == ["depthwise"]
    wide = cnp.asarray(generator.standard_normal((8, 24, 3, 3)))
    assert "depthwise" not in set(names_that_can(convolution(x, wide), [x]))


def test_integers_are_summed_directly() -> None:
    x, filters = cnp.asarray(np.arange(50).reshape(1, 2, 5, 5)), cnp.asarray(np.arange(36).reshape(2, 2, 3, 3))
    result = convolution(x, filters)
    assert set(names_that_can(result, [x])) == {"direct"}
    np.testing.assert_array_equal(mosaic.compile(result, inputs=[x])(cnp.evaluate(x)), cnp.evaluate(result))
