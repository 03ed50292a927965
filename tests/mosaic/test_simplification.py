"""What is known is computed once, what is said twice is said once, and no equation changes a value."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import composit as cnp
import mosaic
from tests.mosaic.c_text import c_text
from tests.mosaic.comparison import check, tensor

SPECIAL = np.array([0.0, -0.0, 1.5, -2.5, np.inf, -np.inf, np.nan])


EQUATIONS: list[Callable[[Any], Any]] = [
    lambda x: x * 1,
    lambda x: x / 1,
    lambda x: x / 8,
    lambda x: x / -0.25,
    lambda x: x / 3,
    lambda x: x + 0.0,
    lambda x: x + -0.0,
    lambda x: x - 0.0,
    lambda x: x - -0.0,
    lambda x: x * 0,
    lambda x: x**2,
    lambda x: x**3,
    lambda x: x**-1.0,
    lambda x: x**0,
    lambda x: cnp.where(True, x, 1.0),
    lambda x: cnp.logical_and(x > 0, True),
]


def test_an_equation_holds_for_special_values() -> None:
    with np.errstate(all="ignore"):  # a node carries the error state of the call that built it
        results = [
            function(cnp.asarray(SPECIAL.astype(dtype))) for function in EQUATIONS for dtype in ("float32", "float64")
        ]
    check(*results, *(cnp.signbit(y) for y in results if y.dtype.kind == "f"))


def kernel_names(output: Any, inputs: list[Any]) -> list[tuple[str, ...]]:
    """The operations of each kernel without fusion."""
    return [record.operations for record in mosaic.compile(output, inputs=inputs, fuse=False).kernels]


def test_a_product_with_one_is_no_kernel() -> None:
    x = tensor(30)
    assert kernel_names(cnp.exp(x * 1), [x]) == [("exp",)]


def test_equal_expressions_are_one_kernel() -> None:
    x, weight = tensor(30, 20), tensor(20, 20)
    first, second = cnp.exp(x @ weight), cnp.exp(x @ weight)
    names = kernel_names(first + second, [x])
    assert names.count(("exp",)) == names.count(("matmul",)) == 1


def test_a_conversion_to_the_same_dtype_and_back_and_forth_views_are_nothing() -> None:
    x = tensor(6, 5)
    assert kernel_names(cnp.exp(x.astype("float32").T.T.reshape(30).reshape(6, 5)), [x]) == [("exp",)]


def test_what_depends_on_constants_alone_is_computed_once() -> None:
    x, mask = tensor(6, 5), tensor(5)
    assert kernel_names(x + (1 - mask) * -1e4, [x]) == [("add",)]


def test_what_nothing_needs_is_not_computed() -> None:
    x = tensor(6, 4)
    first, _ = cnp.split(cnp.exp(x), 2, axis=1)
    assert kernel_names([first.sum()], [x]) == [("exp",), ("sum",)]


@pytest.mark.parametrize("dtype", ["int64", "uint8", "bool"])
def test_integers_are_not_read_to_see_that_they_are_finite(dtype: str) -> None:
    x = tensor(300, dtype=dtype)
    answers = [cnp.isnan(x), cnp.isinf(x), cnp.isfinite(x)]
    check(*answers)
    text = c_text(answers, [x])
    assert "load_" not in text
    assert "load_" in c_text(cnp.equal(x, x), [x])
