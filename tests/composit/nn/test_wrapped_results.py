"""Wrapped functions that do not keep their word: other shapes or dtypes than learned, writes, arrays of their own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import composit as cnp
from composit.errors import DtypeError, ShapeError

every_backend = pytest.mark.parametrize("backend", ["numpy", "mosaic", "torch"])


def _skip_without_torch(backend: str) -> None:
    if backend == "torch":
        pytest.importorskip("torch")


@every_backend
def test_a_shape_that_depends_on_values_is_an_error(backend: str):
    _skip_without_torch(backend)

    @cnp.wrap_as_operation()
    def unique(x: Any) -> Any:
        return np.unique(x)

    y = unique(cnp.asarray([1.0, 2.0, 3.0]))
    with pytest.raises(ShapeError, match="unique"):
        cnp.evaluate(y * 2, backend=backend)


@every_backend
def test_a_dtype_that_depends_on_values_is_an_error(backend: str):
    _skip_without_torch(backend)

    @cnp.wrap_as_operation()
    def half(x: Any) -> Any:
        return x / 2 if np.sum(x) < 4 else (x / 2).astype(np.float32)

    assert half(cnp.asarray([1.0, 2.0])).dtype == np.float64
    with pytest.raises(DtypeError, match="half"):
        cnp.evaluate(half(cnp.asarray([5.0, 2.0])) * 2, backend=backend)


def test_a_rule_that_is_wrong_is_an_error():
    @cnp.wrap_as_operation(result_types=lambda x: x)
    def total(x: Any) -> Any:
        return np.sum(x)

    with pytest.raises(ShapeError, match="total"):
        cnp.evaluate(total(cnp.asarray([1.0, 2.0])))


@every_backend
def test_a_function_that_writes_to_its_operand_is_stopped(backend: str):
    _skip_without_torch(backend)

    @cnp.wrap_as_operation(result_types=lambda x: x)
    def increment(x: Any) -> Any:
        x += 1
        return x

    x = cnp.asarray([1.0, 2.0])
    doubled = x * 2
    with pytest.raises(ValueError, match="read-only"):
        cnp.evaluate(increment(doubled) + doubled, backend=backend)
    np.testing.assert_array_equal(cnp.evaluate(x), [1, 2])


@every_backend
def test_an_array_that_a_function_keeps_is_not_the_callers(backend: str):
    _skip_without_torch(backend)
    kept = np.zeros(2)

    @cnp.wrap_as_operation(result_types=lambda x: x)
    def constant(x: Any) -> Any:
        return kept

    result = cnp.evaluate(constant(cnp.asarray([1.0, 2.0])), backend=backend)
    result[0] = 99
    np.testing.assert_array_equal(kept, [0, 0])


def test_an_operand_that_comes_back_is_no_view_of_the_input():
    @cnp.wrap_as_operation()
    def same(x: Any) -> Any:
        return x

    x = cnp.asarray([1.0, 2.0])
    result = cnp.evaluate(same(x))
    result[0] = 99
    np.testing.assert_array_equal(cnp.evaluate(x), [1, 2])
