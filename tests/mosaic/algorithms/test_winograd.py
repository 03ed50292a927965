"""Winograd's convolutions: within their stated error of float64, the same bits for any number of threads, refused by name."""

import re
from itertools import product
from typing import Any

import numpy as np
import pytest

import composit as cnp
import mosaic
from composit.errors import UnsupportedAlgorithmError
from composit.nn import chain_rule
from composit.nn.operations import convolution
from composit.nn.operations.convolution import Convolution
from mosaic.algorithms import Case, algorithms_of
from mosaic.algorithms.convolution.winograd import ERRORS
from mosaic.targets import get_target
from mosaic.winograd.transforms import Transform, factored, known_outputs
from tests.mosaic.c_text import c_text
from tests.sampling import only

_Row = tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]
ROWS: dict[str, _Row] = {
    "whole tiles": ((1, 16, 14, 14), (32, 16, 3, 3), {}),
    "tiles beyond the image": ((2, 5, 9, 11), (7, 5, 3, 3), {"padding": 1}),
    "an image smaller than a tile": ((3, 4, 3, 3), (5, 4, 3, 3), {}),
    "several blocks of tiles and panels": ((2, 7, 50, 47), (70, 7, 3, 3), {"padding": 1}),
    "outputs shared by two tasks": ((1, 9, 12, 12), (300, 9, 3, 3), {"padding": 1}),
    "one output": ((1, 3, 8, 8), (1, 3, 3, 3), {"padding": 2}),
    "one channel": ((2, 1, 8, 8), (5, 1, 3, 3), {}),
    "groups": ((2, 12, 10, 13), (18, 4, 3, 3), {"groups": 3, "padding": 1}),
    "more channels than are summed at once": ((1, 1100, 6, 6), (20, 1100, 3, 3), {"padding": 1}),
    "one axis": ((2, 16, 29), (33, 16, 3), {"padding": 1}),
    "one axis, groups": ((1, 8, 5), (6, 4, 3), {"groups": 2}),
    "three taps down": ((1, 4, 13, 6), (9, 4, 3, 1), {}),
    "three taps across": ((1, 4, 6, 13), (9, 4, 1, 3), {}),
    "empty batch": ((0, 3, 6, 7), (4, 3, 3, 3), {}),
    "no channels": ((2, 0, 4, 4), (3, 0, 3, 3), {}),
}
_SAMPLE = ("tiles beyond the image", "several blocks of tiles and panels", "groups", "one axis", "empty batch")


def operands(x: tuple[int, ...], filters: tuple[int, ...], dtype: str, seed: int = 0) -> tuple[Any, Any]:
    generator = np.random.default_rng(seed)
    first, second = (generator.standard_normal(shape).astype(dtype) for shape in (x, filters))
    return cnp.asarray(first), cnp.asarray(second)


def share_of_error(found: np.ndarray, x: Any, filters: Any, options: dict[str, Any]) -> float:
    """The largest error as a share of the largest sum of |x| * |filters|, both in float64 or wider."""
    wide = np.float64 if found.dtype == np.float32 else np.longdouble
    parts = [cnp.evaluate(each).astype(wide) for each in (x, filters)]
    exact = cnp.evaluate(convolution(*parts, **options))
    sums = cnp.evaluate(convolution(*map(np.abs, parts), **options))
    assert found.shape == exact.shape
    return float(np.abs(found - exact).max(initial=0) / max(sums.max(initial=0), 1e-300))


@pytest.mark.parametrize(
    ("name", "outputs", "is_constant"),
    only(
        [(name, 4, turn % 2 == 0) for turn, name in enumerate(_SAMPLE)],
        product(ROWS, known_outputs, [True, False]),
    ),
)
def test_each_is_within_its_stated_error(name: str, outputs: int, is_constant: bool) -> None:
    shapes_x, shapes_filters, options = ROWS[name]
    for dtype in ("float32", "float64"):
        x, filters = operands(shapes_x, shapes_filters, dtype)
        inputs = [x] if is_constant else [x, filters]
        wanted = {f"conv{len(shapes_x) - 2}d": f"winograd f({outputs},3)"}
        model = mosaic.compile(convolution(x, filters, **options), inputs=inputs, algorithms=wanted)
        found = model(*map(cnp.evaluate, inputs))
        assert found.dtype == dtype
        assert share_of_error(found, x, filters, options) <= ERRORS[outputs][found.dtype.itemsize]


@pytest.mark.parametrize("outputs", only((4,), known_outputs))
@pytest.mark.parametrize("name", only(("tiles beyond the image", "groups", "one axis"), ROWS))
def test_the_derivative_in_x_is_within_its_stated_error(name: str, outputs: int) -> None:
    shapes_x, shapes_filters, options = ROWS[name]
    x, filters = operands(shapes_x, shapes_filters, "float64")
    y = convolution(x, filters, **options)
    cotangent = cnp.asarray(np.random.default_rng(4).standard_normal(y.shape))
    (gradient,) = chain_rule({y: cotangent}, [x])
    wanted = {f"conv_transpose{len(shapes_x) - 2}d": f"winograd f({outputs},3)"}
    for inputs in ([cotangent], [cotangent, filters]):
        found = mosaic.compile(gradient, inputs=inputs, algorithms=wanted)(*map(cnp.evaluate, inputs))
        sizes = [cnp.asarray(np.abs(cnp.evaluate(each))) for each in (x, filters, cotangent)]
        size = convolution(sizes[0], sizes[1], **options)
        largest = cnp.evaluate(chain_rule({size: sizes[2]}, [sizes[0]])[0]).max(initial=0)
        error = np.abs(found - cnp.evaluate(gradient)).max(initial=0)
        assert error <= largest * (ERRORS[outputs][8] + 4e-15)  # the sums that numpy computes err too


def test_what_follows_is_computed_where_tiles_are_stored() -> None:
    x, filters = operands((1, 8, 18, 18), (24, 8, 3, 3), "float32")
    second = operands((1,), (16, 24, 3, 3), "float32", 1)[1]
    bias = cnp.asarray(np.arange(24, dtype="float32").reshape(24, 1, 1))
    hidden = cnp.maximum(convolution(x, filters, padding=1) + bias, 0)
    output = convolution(hidden, second, padding=1)
    stages = mosaic.stages(output, inputs=[x], algorithms={"conv2d": "winograd"})
    (fused,) = [str(stage) for stage in stages if stage.name == "fuse_rows"]
    assert len(re.findall(r"= winograd 4 x 4 of", fused)) == 2
    assert "then maximum(add(" in fused
    model = mosaic.compile(output, inputs=[x], algorithms={"conv2d": "winograd"})
    np.testing.assert_allclose(model(cnp.evaluate(x)), cnp.evaluate(output), rtol=1e-4, atol=2e-2)


def test_the_bits_are_the_same_for_any_number_of_threads() -> None:
    x, filters = operands((2, 20, 40, 40), (70, 20, 3, 3), "float32")
    y = convolution(x, filters, padding=1)
    results = [
        mosaic.compile(y, inputs=[x], num_threads=count, algorithms={"conv2d": "winograd"})(cnp.evaluate(x))
        for count in (1, 2, 3)
    ]
    assert len({result.tobytes() for result in results}) == 1


def test_filters_are_transformed_once_where_they_are_constant() -> None:
    x, filters = operands((1, 8, 12, 12), (16, 8, 3, 3), "float32")
    y = convolution(x, filters)
    constant = c_text(y, inputs=[x], algorithms={"conv2d": "winograd"})
    given = c_text(y, inputs=[x, filters], algorithms={"conv2d": "winograd"})
    assert "winograd_filters" not in constant
    assert "winograd_filters" in given


def test_evaluate_keeps_the_transformed_filters_of_an_array() -> None:
    x, filters = operands((1, 8, 12, 12), (16, 8, 3, 3), "float32")
    y = convolution(x, filters)
    for _ in range(3):
        found = cnp.evaluate(y, backend="mosaic", algorithms={"conv2d": "winograd"})
        assert share_of_error(found, x, filters, {}) <= ERRORS[4][4]


def test_two_convolutions_share_transformed_filters() -> None:
    x, filters = operands((1, 8, 12, 12), (8, 8, 3, 3), "float32")
    y = convolution(convolution(x, filters, padding=1), filters, padding=1)
    stages = mosaic.stages(y, inputs=[x], algorithms={"conv2d": "winograd"})
    (stored,) = [str(stage) for stage in stages if stage.name == "store_filters"]
    assert len(set(re.findall(r"constant_\d+\[1, 36", stored))) == 1


def test_the_tile_follows_from_the_shape() -> None:
    def tile(length: int, channels: int) -> str:
        x, filters = cnp.ones((1, channels, length, length)), cnp.ones((channels, channels, 3, 3))
        y = convolution(x, filters, padding=1)
        stages = mosaic.stages(y, inputs=[x, filters], algorithms={"conv2d": "winograd"})
        (lowered,) = [str(stage) for stage in stages if stage.name == "lower_program"]
        return str(re.findall(r"winograd (\d x \d)", lowered)[0])

    # Transformed filters of many channels come from memory, which few tiles wait for.
    assert [tile(length, 256) for length in (7, 14, 28)] == ["2 x 2", "2 x 2", "4 x 4"]
    assert tile(14, 8) == "4 x 4"


def test_few_tiles_that_would_wait_for_filters_are_a_product_by_default() -> None:
    def default(length: int) -> str:
        x, filters = (cnp.ones(shape, dtype="float32") for shape in ((1, 512, length, length), (512, 512, 3, 3)))
        case = Case(Convolution((1, 1), (1, 1), 1), (x.node.types[0], filters.node.types[0]),
                    convolution(x, filters).node.types, (False, True), get_target("x86-64-v4"))  # fmt: skip
        able = {
            each.name: each for each in algorithms_of("conv2d").values() if each.name in ("winograd", "implicit gemm")
        }
        return min(able, key=lambda name: able[name].num_cycles(case))

    assert [default(length) for length in (9, 30)] == ["implicit gemm", "winograd"]


def test_the_c_of_the_tiles_differs() -> None:
    x, filters = operands((1, 8, 12, 12), (16, 8, 3, 3), "float32")
    names = ["implicit gemm", *(f"winograd f({outputs},3)" for outputs in known_outputs)]
    texts = {c_text(convolution(x, filters), inputs=[x], algorithms={"conv2d": name}) for name in names}
    assert len(texts) == len(names)


@pytest.mark.parametrize(
    ("shapes", "options", "words"),
    [
        (((1, 4, 9, 9), (8, 4, 3, 3)), {"strides": 2}, r"strides and dilation must be 1, not \(2, 2\)"),
        (((1, 4, 9, 9), (8, 4, 3, 3)), {"dilation": 2}, r"not \(1, 1\) and \(2, 2\)"),
        (((1, 4, 9, 9), (8, 4, 5, 5)), {}, "3 taps along one or two axes, not 5 x 5"),
        (((1, 4, 9, 9), (8, 4, 1, 1)), {}, "not 1 x 1"),
    ],
)
def test_what_it_cannot_take_is_refused_with_what_can(shapes: Any, options: dict[str, Any], words: str) -> None:
    x, filters = operands(*shapes, "float32")
    with pytest.raises(UnsupportedAlgorithmError, match=f"{words}.*those that can: .*'implicit gemm'"):
        mosaic.compile(convolution(x, filters, **options), inputs=[x], algorithms={"conv2d": "winograd"})


def test_integers_are_refused() -> None:
    x, filters = (cnp.asarray(np.ones(shape, dtype="int64")) for shape in ((1, 4, 9, 9), (8, 4, 3, 3)))
    with pytest.raises(UnsupportedAlgorithmError, match="tiles are of float32 or float64"):
        mosaic.compile(convolution(x, filters), inputs=[x], algorithms={"conv2d": "winograd"})


@pytest.mark.parametrize("outputs", known_outputs)
def test_the_matrices_compute_the_convolution(outputs: int) -> None:
    transform = Transform(outputs, 3)
    data, filters, inverse = (
        np.array([[float(each) for each in row] for row in matrix])
        for matrix in (transform.data, transform.filters, transform.inverse)
    )
    generator = np.random.default_rng(outputs)
    d, g = generator.standard_normal(transform.length), generator.standard_normal(3)
    np.testing.assert_allclose(inverse @ ((filters @ g) * (data @ d)), np.correlate(d, g, "valid"), atol=1e-13)


@pytest.mark.parametrize("outputs", known_outputs)
@pytest.mark.parametrize("which", ["data", "filters", "inverse"])
def test_shared_sums_leave_the_product_as_it_is(which: str, outputs: int) -> None:
    matrix = getattr(Transform(outputs, 3), which)
    values = [3**place for place in range(len(matrix[0]))]
    sums = factored(matrix)
    for terms in sums.shared:
        values.append(sum(factor * values[number] for factor, number in terms))
    expected = [sum(one * 3**place for place, one in enumerate(row)) for row in matrix]
    assert [sum(factor * values[number] for factor, number in terms) for terms in sums.rows] == expected
