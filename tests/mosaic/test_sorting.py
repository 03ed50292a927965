"""sort and stable argsort in C: numpy's order, NaNs last, equal elements in their order."""

from __future__ import annotations

import numpy as np
import pytest

import composit as cnp
import mosaic
from tests.mosaic.comparison import check, tensor
from tests.sampling import only

SHAPES = [(1,), (2,), (17,), (1000,), (3, 8), (5, 1), (2, 0, 3), (4, 3, 9)]


@pytest.mark.parametrize(
    "dtype", only(["float32", "int64", "bool"], ["float32", "float64", "int8", "int64", "uint64", "bool"])
)
def test_order_and_sorted_elements_are_numpys(dtype: str) -> None:
    every, given = [], [tensor(*shape, dtype=dtype) for shape in SHAPES]
    for x in given:
        for axis in range(x.ndim):
            every += [cnp.sort(x, axis=axis), cnp.argsort(x, axis=axis, stable=True)]
        every.append(cnp.argsort(x[..., ::-1], axis=0, kind="mergesort"))
    check(*every)
    assert "numpy island" not in mosaic.compile(every, inputs=given).explain()


def test_nans_come_last_and_zeros_and_infinities_where_they_belong() -> None:
    values = np.array([np.nan, 1, -np.inf, 0.0, np.nan, -0.0, np.inf, 1, -1])
    x, y = cnp.asarray(values), cnp.asarray(values.astype(np.float32))
    check(cnp.sort(x), cnp.argsort(x, stable=True), cnp.sort(y), cnp.argsort(y, stable=True))


def test_argsort_without_a_promise_for_equal_elements_is_numpys() -> None:
    x = tensor(40)
    assert "kind='stable' only" in mosaic.compile(cnp.argsort(x), inputs=[x]).explain()


def test_derivatives_of_sort() -> None:
    x = tensor(4, 6, dtype="float64")
    y = cnp.sort(x, axis=0) ** 2
    (gradient,) = cnp.nn.chain_rule({y: cnp.asarray(np.arange(24.0).reshape(4, 6))}, [x])
    check(y, gradient)
    assert "numpy island" not in mosaic.compile([y, gradient], inputs=[x]).explain()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_logarithms_of_sums_and_their_scans(dtype: str) -> None:
    ends = np.array([np.nan, 0.0, -0.0, np.inf, -np.inf, 1e-300, 700, -700, 1e30, -1e30, 3, 3 + 1e-7], dtype)
    x, y = cnp.asarray(ends[:, None]), cnp.asarray(ends)
    every = []
    with np.errstate(all="ignore"):
        for function in (cnp.logaddexp, cnp.logaddexp2):
            every += [function(x, y), function.accumulate(tensor(3, 40, dtype=dtype), axis=1)]
            every.append(function.accumulate(cnp.asarray(ends[3:]), axis=0))
    check(*every)
    assert "numpy island" not in mosaic.compile(every, inputs=[x]).explain()
