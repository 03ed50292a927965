"""Compiled results lie in memory as numpy's do."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import composit.numpy as cnp
import mosaic
from composit import nn
from composit.nn import chain_rule

Array = np.ndarray[Any, Any]
Expression = Callable[..., Any]

cube = np.arange(24_000.0, dtype=np.float32).reshape(20, 30, 40)
table = np.arange(600.0).reshape(20, 30)
wide = np.arange(600.0)[::-1].reshape(30, 20)
cases: dict[str, tuple[Expression, tuple[Array, ...]]] = {
    "reversed axes": (lambda x: x.T * 2, (cube,)),
    "rotated axes": (lambda x: x.transpose(2, 0, 1) + 1, (cube,)),
    "six axes": (lambda x: x.reshape(4, 5, 5, 6, 5, 8).transpose(5, 1, 3, 0, 4, 2) + 1, (cube,)),
    "two transposed operands": (lambda x, y: x.T + y.T, (table, table[::-1].copy())),
    "one operand in row-major order decides": (lambda x, y: x.T + y, (table, wide)),
    "a reversed axis": (lambda x: x.T[::-1] + 1, (table,)),
    "a chain": (lambda x: np.sqrt(x.T * x.T) + 1, (table,)),
}


@pytest.mark.parametrize("name", cases)
def test_a_result_has_numpys_values_and_strides(name: str) -> None:
    function, arrays = cases[name]
    tensors = [cnp.asarray(array) for array in arrays]
    model = mosaic.compile(function(*tensors), inputs=tensors)
    result, expected = model(*arrays), function(*arrays)
    np.testing.assert_array_equal(result, expected)
    sizes = np.argsort(np.abs(expected.strides))
    np.testing.assert_array_equal(np.argsort(result.strides), sizes)


@pytest.mark.parametrize("order", ["C", "F"])
def test_out_is_filled_in_any_order(order: str) -> None:
    tensor = cnp.asarray(table)
    model = mosaic.compile(tensor.T + 1, inputs=[tensor])
    out = np.empty((30, 20), order=order)
    assert model(table, out=out) is out
    np.testing.assert_array_equal(out, table.T + 1)


def test_a_result_that_is_read_again_keeps_row_major_order() -> None:
    tensor = cnp.asarray(table)
    doubled = tensor.T * 2
    first, second = mosaic.compile([doubled, doubled @ tensor], inputs=[tensor])(table)
    np.testing.assert_array_equal(first, table.T * 2)
    np.testing.assert_array_equal(second, (table.T * 2) @ table)


def test_ascontiguousarray_gives_row_major_order() -> None:
    tensor = cnp.asarray(table)
    result = mosaic.compile(cnp.ascontiguousarray(tensor.T), inputs=[tensor])(table)
    assert result.flags.c_contiguous
    np.testing.assert_array_equal(result, table.T)


def test_results_of_large_models_are_recycled_in_their_order() -> None:
    x = np.arange(1_200_000.0).reshape(1000, 1200)
    tensor = cnp.asarray(x)
    model = mosaic.compile(tensor.T + 1, inputs=[tensor])
    for _ in range(3):
        result = model(x)
        assert result.flags.f_contiguous
        np.testing.assert_array_equal(result, x.T + 1)


@pytest.mark.parametrize("shape", [(4, 6), (2, 3, 4), (24,), (4, 2, 3), (1, 4, 6), (4, 3, 2)])
def test_a_reshaped_result_keeps_numpys_order_of_elements(shape: tuple[int, ...]) -> None:
    array = np.arange(24.0, dtype=np.float32).reshape(2, 3, 4)
    tensor = cnp.asarray(array)
    model = mosaic.compile((tensor.T + 1).reshape(shape), inputs=[tensor])
    np.testing.assert_array_equal(model(array), (array.T + 1).reshape(shape))


IN_ORDER: dict[str, Callable[[Any], Any]] = {
    "delete": lambda x: cnp.delete(x, [1, 3], axis=0),
    "insert": lambda x: cnp.insert(x, [0, 2], 7.0, axis=1),
    "pad": lambda x: cnp.pad(x, ((1, 2), (2, 0)), mode="reflect"),
    "convolution": lambda x: nn.convolution(x[None], np.ones((2, 5, 3)), padding=2, padding_mode="circular"),
}


@pytest.mark.parametrize("name", IN_ORDER)
def test_positions_in_an_array_in_column_major_order_are_c(name: str) -> None:
    # For these numpy keeps the order, with an operation of its own.
    x = cnp.asarray(np.asfortranarray(np.random.default_rng(0).normal(size=(5, 6))))
    y = IN_ORDER[name](x)
    (gradient,) = chain_rule({y: y * y}, [x])
    model = mosaic.compile([y, gradient], inputs=[x])
    assert "numpy island" not in model.explain()
    for found, expected in zip(model(cnp.evaluate(x)), cnp.evaluate([y, gradient]), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-14)
