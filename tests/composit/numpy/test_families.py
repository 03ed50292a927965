"""Functions of numpy's namespace by family: the same calls give the same values, dtypes and shapes, and stay lazy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import composit as cnp
from composit.program import count_evaluations
from composit.types import LazyTensor
from tests.composit.numpy.comparison import Words, assert_same_error

X = np.array([[3.0, -1.0, 2.5, 0.0], [1.5, 7.0, -2.0, 2.5], [0.5, 0.25, 9.0, -4.0]])
N = np.where(X > 6, np.nan, X)
K = np.array([3, 1, 2, 3, 0, 1])
C = np.array([1 + 2j, 3 - 1j, 1 - 2j])
DATES = np.array(["2024-02-01", "2024-01-15"], dtype="M8[D]")

# What follows from types alone: nothing may be computed.
LAZY: list[Words] = [
    lambda xp: xp.sort(xp.asarray(X), axis=None, kind="heapsort"),
    lambda xp: xp.sort(xp.asarray(DATES)),
    lambda xp: xp.argsort(xp.asarray(C)),
    lambda xp: xp.partition(xp.asarray(X), -1, axis=0),
    lambda xp: xp.searchsorted(xp.asarray(K), [1.5, 2.5]),
    lambda xp: xp.digitize(2.0, xp.asarray([0.0, 1.0, 3.0])),
    lambda xp: xp.median(xp.asarray(X > 0)),
    lambda xp: xp.median(xp.asarray(C)),
    lambda xp: xp.quantile(xp.asarray(X.astype(np.float16)), 0.25, axis=0),
    lambda xp: xp.percentile(xp.asarray(K), np.float32(30)),
    lambda xp: xp.quantile(xp.asarray(X), [0.5], method="nearest", keepdims=True),
    lambda xp: xp.nanmedian(xp.asarray(N), axis=1, keepdims=True),
    lambda xp: xp.nansum(xp.asarray(N), where=xp.asarray(X > 0)),
    lambda xp: xp.nanmax(xp.asarray(K)),
    lambda xp: xp.nanvar(xp.asarray(C)),
    lambda xp: xp.nanstd(xp.asarray(K), ddof=1),
    lambda xp: xp.diff(xp.asarray(DATES)),
    lambda xp: xp.diff(xp.asarray(X), axis=0, append=1),
    lambda xp: xp.ediff1d(xp.asarray(K)),
    lambda xp: xp.gradient(xp.asarray(K), 2.0, edge_order=2),
    lambda xp: xp.gradient(xp.asarray(X.astype(np.float32)), 0.5, 2, axis=(1, 0)),
    lambda xp: xp.trapezoid(xp.asarray(K)),
    lambda xp: xp.unwrap(xp.asarray(X), discont=4.0),
    lambda xp: xp.interp([0.5, 9.0], xp.asarray([0.0, 1.0, 2.0]), xp.asarray(C)),
    lambda xp: xp.cumulative_sum(xp.asarray(K), dtype=np.float32, include_initial=True),
    lambda xp: xp.cov(xp.asarray(X), ddof=0),
    lambda xp: xp.cov(xp.asarray(X[0]), xp.asarray(X[1])),
    lambda xp: xp.cov(xp.asarray(X), dtype=np.float32),
    lambda xp: xp.corrcoef(xp.asarray(X), rowvar=False),
    lambda xp: xp.corrcoef(xp.asarray(X[0])),
    lambda xp: xp.convolve(xp.asarray(K), xp.asarray(K[:2] > 1), "same"),
    lambda xp: xp.correlate(xp.asarray(K), xp.asarray(X[0]), "full"),
    lambda xp: xp.isin(xp.asarray(X), [0.5, 7], invert=True),
    lambda xp: xp.select([xp.asarray(X > 1), xp.asarray(X < 0)], [xp.asarray(X), -1], 5),
    lambda xp: xp.choose(xp.asarray(K), [xp.asarray(K), xp.asarray(K) * 2.5], mode="clip"),
    lambda xp: xp.compress([False, True], xp.asarray(X), axis=1),
    lambda xp: xp.delete(xp.asarray(X), 1, axis=0),
    lambda xp: xp.delete(xp.asarray(X), [True, False, False], axis=0),
    lambda xp: xp.delete(xp.asfortranarray(xp.asarray(X)), slice(1, 3), axis=1),
    lambda xp: xp.insert(xp.asarray(K), 2, 7.9),
    lambda xp: xp.insert(xp.asarray(X), slice(0, 4, 2), xp.asarray([[1.0], [2.0], [3.0]]), axis=1),
    lambda xp: xp.insert(xp.asarray(X), -1, xp.asarray(X[0]), axis=0),
    lambda xp: xp.append(xp.asarray(X), xp.asarray(X), axis=1),
    lambda xp: xp.block([[xp.asarray(X), xp.ones((3, 1))], [xp.zeros((1, 4)), 7]]),
    lambda xp: xp.vander(xp.asarray(X[0].astype(np.float32)), 3),
    lambda xp: xp.packbits(xp.asarray(K), bitorder="little"),
    lambda xp: xp.i0(xp.asarray(K)),
    lambda xp: xp.linspace(xp.asarray(X[0]), 5, 3, axis=-1),
    lambda xp: xp.linspace(xp.asarray(K), xp.asarray(K) * 2, 4, endpoint=False, dtype=int),
    lambda xp: xp.nan_to_num(xp.asarray(N), nan=-1.0),
    lambda xp: xp.nan_to_num(xp.asarray(C * np.inf)),
    lambda xp: xp.sum(xp.asarray(X.astype(np.float32)), where=xp.asarray(X > 0), initial=0.1),
    lambda xp: xp.max(xp.zeros((0, 3)), axis=0, initial=-1.0),
    lambda xp: xp.average(xp.asarray(X), axis=(1, 0), weights=xp.asarray(X.T)),
    lambda xp: xp.einsum("ij->ji", xp.asarray(X)),
]

# What depends on values, and options that no rule covers: numpy computes at the call, tensors come back.
COMPUTED: list[Words] = [
    lambda xp: xp.unique(xp.asarray(K), return_counts=True),
    lambda xp: xp.unique_all(xp.asarray(K)),
    lambda xp: xp.intersect1d(xp.asarray(K), [1, 2]),
    lambda xp: xp.setxor1d(xp.asarray(K), [1, 9]),
    lambda xp: xp.nonzero(xp.asarray(X)),
    lambda xp: xp.where(xp.asarray(X) > 1),
    lambda xp: xp.argwhere(xp.asarray(K)),
    lambda xp: xp.extract(xp.asarray(K) > 1, xp.asarray(K)),
    lambda xp: xp.histogram(xp.asarray(X), bins=3),
    lambda xp: xp.bincount(xp.asarray(K), minlength=6),
    lambda xp: xp.trim_zeros(xp.asarray([0, 0, 1, 2, 0])),
    lambda xp: xp.tril_indices_from(xp.asarray(X), 1),
    lambda xp: xp.unravel_index(xp.asarray(K), (2, 2)),
    lambda xp: xp.hanning(5),
    lambda xp: xp.gradient(xp.asarray(X), [0.0, 1.0, 3.0], axis=0),
    lambda xp: xp.cov(xp.asarray(X), aweights=[1.0, 2.0, 1.0, 1.0]),
    lambda xp: xp.cov(xp.asarray(C)),
    lambda xp: xp.quantile(xp.asarray(X), 0.5, weights=xp.ones((3, 4)), method="inverted_cdf"),
    lambda xp: xp.apply_along_axis(sorted, 1, xp.asarray(X)),
    lambda xp: xp.piecewise(xp.asarray(X), [xp.asarray(X) < 0], [lambda part: -part, 1]),
    lambda xp: xp.vectorize(lambda a, b: a + b)(xp.asarray(K), 0.5),
    lambda xp: xp.fromfunction(lambda i, j: i * 10 + j, (2, 3)),
    lambda xp: xp.fromiter(iter([1, 2, 3]), dtype=float),
    lambda xp: xp.busday_offset(xp.asarray(DATES), 3, roll="forward"),
    lambda xp: xp.real_if_close(xp.asarray(C.real + 0j)),
    lambda xp: xp.geomspace(1.0, 100.0, 3),
    lambda xp: xp.logspace(xp.asarray([0.0, 1.0]), 2.0, 3),
]


def _check(words: Words, is_lazy: bool) -> None:
    expected = words(np)
    with count_evaluations() as count:
        result = words(cnp)
    assert count.runs == 0 or not is_lazy
    expected_parts = expected if isinstance(expected, tuple) else (expected,)
    parts = result if isinstance(result, tuple) else (result,)
    assert len(parts) == len(expected_parts)
    for part, tensor in zip(expected_parts, parts, strict=True):
        assert isinstance(tensor, LazyTensor)
        assert (tensor.shape, tensor.dtype) == (np.shape(part), part.dtype)
        value = cnp.evaluate(tensor)
        assert type(value) is type(part)
        np.testing.assert_array_equal(value, part)
        assert value.dtype == part.dtype


@pytest.mark.parametrize("words", LAZY, ids=map(str, range(len(LAZY))))
def test_what_follows_from_types_is_lazy_and_equal_to_the_last_bit(words: Words) -> None:
    _check(words, is_lazy=True)


@pytest.mark.parametrize("words", COMPUTED, ids=map(str, range(len(COMPUTED))))
def test_what_depends_on_values_is_computed_by_numpy(words: Words) -> None:
    _check(words, is_lazy=False)


@pytest.mark.parametrize(
    "words",
    [
        lambda xp: xp.sort(xp.asarray(X), axis=2),
        lambda xp: xp.sort(xp.asarray(X), kind="unknown"),
        lambda xp: xp.partition(xp.asarray(K), 9),
        lambda xp: xp.quantile(xp.asarray(X), 1.5),
        lambda xp: xp.quantile(xp.asarray(C), 0.5),
        lambda xp: xp.diff(xp.asarray(X), n=-1),
        lambda xp: xp.gradient(xp.asarray(X), 1, 2, 3),
        lambda xp: xp.trapezoid(xp.asarray(X), axis=3),
        lambda xp: xp.interp(1.0, xp.asarray([1.0, 2.0]), xp.asarray([1.0])),
        lambda xp: xp.cumulative_sum(xp.asarray(X)),
        lambda xp: xp.cov(xp.ones((2, 2, 2))),
        lambda xp: xp.convolve(xp.asarray(K), []),
        lambda xp: xp.delete(xp.asarray(K), 9),
        lambda xp: xp.insert(xp.asarray(X), 1, xp.ones(7), axis=0),
        lambda xp: xp.block([[1], []]),
        lambda xp: xp.block((1, 2)),
        lambda xp: xp.packbits(xp.asarray(X)),
        lambda xp: xp.vander(xp.asarray(X)),
        lambda xp: xp.select([xp.asarray(K)], [xp.asarray(K)]),
        lambda xp: xp.choose(xp.asarray(X), [xp.asarray(X)]),
        lambda xp: xp.nanargmax(xp.zeros((0,))),
        lambda xp: xp.sum(xp.asarray(X), where=xp.asarray(K)),
        lambda xp: xp.max(xp.asarray(X), where=xp.asarray(X > 0)),
        lambda xp: xp.diag_indices_from(xp.asarray(X)),
        lambda xp: xp.hstack(part for part in ()),
        lambda xp: xp.pad(xp.asarray(X), 1, mode="edge", reflect_type="odd"),
    ],
)
def test_errors_are_numpys(words: Words) -> None:
    assert_same_error(words)


def _shared(xp: Any) -> list[bool]:
    x = xp.arange(12.0)
    halves = x[:6], x[6:]
    return [
        xp.shares_memory(x, halves[0]),
        xp.shares_memory(*halves),
        xp.shares_memory(x[::2], x[1::2]),
        xp.may_share_memory(x[::2], x[1::2]),
        xp.may_share_memory(x, x.copy()),
        xp.shares_memory(x.reshape(3, 4).T, x[3:4]),
        xp.may_share_memory(x, np.ones(3)),
        xp.may_share_memory(X, X[1:]),
        xp.shares_memory(X, X.T[1:]),
        xp.isfortran(x.reshape(3, 4).T),
        xp.isscalar(x[0]),
        xp.isscalar(x),
        xp.iterable(x),
        xp.iterable(x.sum()),
        xp.array_equal(x, x + 0),
        xp.allclose(x, x + 1e-12),
        xp.common_type(x, xp.ones(3, dtype=complex)) is np.complex128,
    ]


def test_questions_have_numpys_answers() -> None:
    assert _shared(cnp) == _shared(np)


def test_masked_reductions_have_gradients_where_the_mask_leaves_nothing() -> None:
    x = cnp.asarray(np.zeros((0, 3)))
    largest = cnp.max(x, axis=0, initial=2.0)
    (gradient,) = cnp.chain_rule({largest: cnp.ones_like(largest)}, [x])
    assert cnp.evaluate(gradient).shape == (0, 3)


def test_copies_are_not_written_through() -> None:
    x = cnp.asarray(X)
    copies = [
        cnp.tile(x, 1),
        cnp.repeat(x, 1, axis=0),
        cnp.resize(x, (3, 4)),
        cnp.roll(x, 0),
        cnp.select([x > 9], [x], x),
    ]
    copies[0][...] = 1
    x[...] = 5
    assert cnp.evaluate(copies[0]).tolist() == np.ones((3, 4)).tolist()
    for copied in copies[1:]:
        np.testing.assert_array_equal(cnp.evaluate(copied), X)


def test_weights_that_sum_to_zero_are_an_error_of_the_evaluation() -> None:
    mean = cnp.average(cnp.asarray([1.0, 2.0]), weights=cnp.asarray([1.0, -1.0]))
    with pytest.raises(ZeroDivisionError, match="Weights sum to zero, can't be normalized"):
        cnp.evaluate(mean)


_WITHOUT_NAN = [name for name in dir(np) if name.startswith("nan") and name not in ("nan", "nan_to_num")]


@pytest.mark.parametrize("axis", [None, 0, -1])
@pytest.mark.parametrize("dtype", ["float64", "int64", "complex128"])
@pytest.mark.parametrize(
    "name",
    _WITHOUT_NAN,
)
def test_functions_without_nan_take_the_axes_of_a_scalar_that_numpy_takes(
    name: str, dtype: str, axis: int | None
) -> None:
    q = (0.5,) if name in ("nanpercentile", "nanquantile") else ()

    def words(xp: Any) -> Any:
        return getattr(xp, name)(xp.asarray(np.array(2, dtype)), *q, axis=axis)

    try:
        expected = words(np)
    except Exception:  # noqa: BLE001  # whatever numpy says of it, ours is the same
        assert_same_error(words)
    else:
        np.testing.assert_array_equal(cnp.evaluate(words(cnp)), expected, strict=True)
