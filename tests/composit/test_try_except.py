"""`try` and `except` around what fails by value: the error comes inside the `try`, and nothing else is computed early."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np
import pytest

import composit
import composit.numpy as cnp
from composit.exception_handlers import is_caught
from composit.program import count_evaluations
from tests.composit.handler_cases import CASES


@pytest.mark.parametrize("name", CASES)
def test_an_except_around_the_call_is_found_and_nothing_else_is(name: str) -> None:
    function, expected = CASES[name]
    assert function(is_caught) == expected


# Each with operands that make it raise; all of them are computed, so that no call can know their values.
Call = Callable[[Any, Callable[[Any], Any]], Any]


def _write(np: Any, lazy: Callable[[Any], Any]) -> Any:
    x = np.zeros(3)
    x[lazy([7])] = 1.0
    return x


def _write_by_mask(np: Any, lazy: Callable[[Any], Any]) -> Any:
    x = np.zeros(4)
    x[lazy([1, 0, 1, 0]) > 0] = np.array([1.0, 2.0, 3.0])
    return x


def _write_texts(np: Any, lazy: Callable[[Any], Any]) -> Any:
    x = np.zeros(2)
    x[:] = np.array(["1", "x"])
    return x


def _reciprocal(values: Any) -> Any:
    if np.any(values == 0):
        raise ZeroDivisionError("a value is zero")
    return 1 / values


SINGULAR, NAN = [[1.0, 2.0], [2.0, 4.0]], [[np.nan, 1.0], [1.0, np.nan]]
RAISING: dict[str, Call] = {
    "inv": lambda np, lazy: np.linalg.inv(lazy(SINGULAR)),
    "solve": lambda np, lazy: np.linalg.solve(lazy(SINGULAR), lazy([1.0, 1.0])),
    "matrix_power": lambda np, lazy: np.linalg.matrix_power(lazy(SINGULAR), -2),
    "tensorinv": lambda np, lazy: np.linalg.tensorinv(lazy(SINGULAR), ind=1),
    "tensorsolve": lambda np, lazy: np.linalg.tensorsolve(lazy(SINGULAR), lazy([1.0, 1.0])),
    "cholesky": lambda np, lazy: np.linalg.cholesky(lazy([[1.0, 2.0], [2.0, 1.0]])),
    "eig": lambda np, lazy: np.linalg.eig(lazy(NAN))[0],
    "eigvals": lambda np, lazy: np.linalg.eigvals(lazy(NAN)),
    "svd": lambda np, lazy: np.linalg.svd(lazy(NAN))[1],
    "svdvals": lambda np, lazy: np.linalg.svdvals(lazy(NAN)),
    "pinv": lambda np, lazy: np.linalg.pinv(lazy(NAN)),
    "matrix_rank": lambda np, lazy: np.linalg.matrix_rank(lazy(NAN)),
    "norm": lambda np, lazy: np.linalg.norm(lazy(NAN), 2),
    "lstsq": lambda np, lazy: np.linalg.lstsq(lazy(NAN), lazy([1.0, 1.0]), rcond=None)[0],
    "an index": lambda np, lazy: np.arange(3.0)[lazy([0, 9])],
    "an index of one element": lambda np, lazy: np.arange(3.0)[lazy([0, 9])[1]],
    "an index into two axes": lambda np, lazy: np.ones((3, 3))[lazy([0, 9]), 1],
    "take": lambda np, lazy: np.take(np.arange(3.0), lazy([0, 9])),
    "take_along_axis": lambda np, lazy: np.take_along_axis(np.ones((2, 3)), lazy([[5], [0]]), axis=1),
    "choose": lambda np, lazy: np.choose(lazy([0, 5]), [np.arange(2), np.arange(2)]),
    "put": lambda np, lazy: np.put(np.zeros(3), lazy([8]), 1.0),
    "put_along_axis": lambda np, lazy: np.put_along_axis(np.ones((2, 3)), lazy([[5], [0]]), 2.0, axis=1),
    "add.at": lambda np, lazy: np.add.at(np.zeros(3), lazy([8]), 1.0),
    "a write": _write,
    "a write by a mask": _write_by_mask,
    "a write of texts": _write_texts,
    "ravel_multi_index": lambda np, lazy: np.ravel_multi_index((lazy([5]), lazy([0])), (2, 2)),
    "unravel_index": lambda np, lazy: np.unravel_index(lazy([9]), (2, 2))[0],
    "bincount": lambda np, lazy: np.bincount(lazy([-1, 2])),
    "digitize": lambda np, lazy: np.digitize(lazy([0.5]), lazy([0.0, 2.0, 1.0])),
    "searchsorted": lambda np, lazy: np.searchsorted(lazy([1.0, 2.0]), lazy([1.5]), sorter=lazy([0, 9])),
    "histogram": lambda np, lazy: np.histogram(lazy([np.nan, 1.0]))[0],
    "average": lambda np, lazy: np.average(lazy([1.0, 2.0]), weights=lazy([1.0, -1.0])),
    "quantile": lambda np, lazy: np.quantile(lazy([1.0, 2.0]), lazy([0.5, 1.5])),
    "percentile": lambda np, lazy: np.percentile(lazy([1.0, 2.0]), lazy([50.0, 150.0])),
    "nanquantile": lambda np, lazy: np.nanquantile(lazy([1.0, 2.0]), lazy([0.5, 1.5])),
    "nanargmax": lambda np, lazy: np.nanargmax(lazy([np.nan, np.nan])),
    "nanargmin": lambda np, lazy: np.nanargmin(lazy([np.nan, np.nan])),
    "an integer to a negative power": lambda np, lazy: lazy([2, 3]) ** lazy([1, -1]),
    "power": lambda np, lazy: np.power(lazy([2, 3]), lazy([1, -1])),
    "power in place": lambda np, lazy: lazy([2, 3]).__ipow__(lazy([1, -1])),
    "float_power of scalars": lambda np, lazy: lazy([2, 3])[0] ** lazy([1, -1])[1],
    "texts as numbers": lambda np, lazy: np.array(["1", "x"]).astype(float),
    "texts as dates": lambda np, lazy: np.array(["2020-01-01", "x"]).astype("M8[D]"),
    "repeat": lambda np, lazy: np.repeat(np.arange(2.0), lazy([1, -1])),
    "choice": lambda np, lazy: np.random.default_rng(0).choice(3, p=lazy([0.5, 0.6, 0.1])),
    "binomial": lambda np, lazy: np.random.default_rng(0).binomial(3, lazy([0.5, 1.5])),
    "poisson": lambda np, lazy: np.random.default_rng(0).poisson(lazy([-1.0])),
    "polyfit": lambda np, lazy: np.polyfit(lazy([np.nan, 1.0, 2.0]), lazy([1.0, 2.0, 3.0]), 1),
    "roots": lambda np, lazy: np.roots(lazy([1.0, np.nan, 2.0])),
    "an inverse of what is computed": lambda np, lazy: np.linalg.inv(lazy(SINGULAR) * 2.0),
}


def _computed(values: Any) -> Any:
    return cnp.asarray(np.array(values)) + np.array(values).dtype.type(0)


def _numpys_error(call: Call) -> type[Exception]:
    try:
        call(np, np.array)
    except Exception as error:  # noqa: BLE001  # whichever numpy raises
        return type(error)
    raise AssertionError("numpy does not raise")


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
@pytest.mark.parametrize("name", RAISING)
def test_the_error_comes_inside_the_try(name: str) -> None:
    expected = _numpys_error(RAISING[name])
    came = None
    try:
        RAISING[name](cnp, _computed)
    except Exception as error:  # noqa: BLE001  # compared with numpy's
        came = type(error)
    assert came is not None, "no error inside the try"
    assert issubclass(came, expected)


# What runs at the call in any case, because its result or what it draws depends on values.
AT_CALL = frozenset(
    "ravel_multi_index unravel_index bincount histogram repeat choice binomial poisson polyfit roots lstsq".split()
    + ["eig", "eigvals", "searchsorted", "texts as dates", "texts as numbers", "a write of texts"]
)


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
@pytest.mark.parametrize("name", sorted(set(RAISING) - AT_CALL))
def test_outside_of_a_try_the_call_computes_nothing(name: str) -> None:
    with count_evaluations() as count:
        RAISING[name](cnp, _computed)
    assert count.runs == 0


def test_cholesky_with_growing_jitter_finds_the_one_that_is_enough() -> None:
    def factor(np: Any, matrix: Any) -> tuple[Any, int]:
        jitter = 1e-10
        for attempt in itertools.count():
            try:
                return np.linalg.cholesky(matrix + jitter * np.eye(3)), attempt
            except np.linalg.LinAlgError:
                jitter *= 10
        raise AssertionError

    matrix = np.ones((3, 3)) - 1e-6 * np.eye(3)
    expected, attempts = factor(np, matrix)
    given, tried = factor(cnp, cnp.asarray(matrix))
    assert tried == attempts > 2
    np.testing.assert_array_equal(np.asarray(given), expected)


def test_a_helper_that_a_try_calls_raises_inside_it() -> None:
    def inverse(matrix: Any) -> Any:
        return cnp.linalg.inv(matrix)

    def solved(matrix: Any) -> str:
        try:
            inverse(matrix)
        except np.linalg.LinAlgError:
            return "singular"
        return "regular"

    assert solved(_computed(SINGULAR)) == "singular"
    assert solved(_computed([[1.0, 0.0], [0.0, 1.0]])) == "regular"


def test_inside_a_try_only_what_can_raise_is_computed() -> None:
    x = _computed([[2.0, 1.0], [1.0, 3.0]])
    with count_evaluations() as count:
        try:
            y = cnp.exp(x) @ x + cnp.sum(x[0]) * 2.0
            y[0] = 1.0
            after_cheap = count.runs
            z = cnp.linalg.inv(y)
            after_inverse = count.runs
            z = z + cnp.linalg.det(y)
        except np.linalg.LinAlgError:
            pytest.fail("it is regular")
    assert (after_cheap, after_inverse, count.runs) == (0, 1, 1)


def test_what_was_computed_inside_a_try_is_not_computed_again() -> None:
    calls = []

    @composit.wrap_as_operation(result_types=lambda x: x)
    def counted(values: np.ndarray) -> np.ndarray:
        calls.append(values)
        return _reciprocal(values)

    try:
        y = counted(_computed([1.0, 2.0]))
    except ZeroDivisionError:
        pytest.fail("no value is zero")
    assert len(calls) == 1
    assert np.asarray(y + 1.0).tolist() == [2.0, 1.5]
    assert len(calls) == 1


def test_a_function_of_the_users_raises_inside_the_try() -> None:
    operation = composit.wrap_as_operation(result_types=lambda x: x)(_reciprocal)
    lazily = operation(_computed([0.0]))
    with pytest.raises(ZeroDivisionError):
        np.asarray(lazily)
    came = False
    try:
        operation(_computed([0.0]))
    except ZeroDivisionError:
        came = True
    assert came


@contextmanager
def _managed() -> Iterator[None]:
    try:
        yield
    except KeyError:
        raise
    finally:
        str(1)


@pytest.mark.parametrize(
    "block",
    [nullcontext, _managed, lambda: composit.name_scope("part"), lambda: cnp.errstate(divide="ignore")],
    ids=["nullcontext", "contextmanager", "name_scope", "errstate"],
)
def test_blocks_and_finally_stay_lazy(block: Callable[[], Any]) -> None:
    with count_evaluations() as count:
        try:
            with block():
                x = cnp.linalg.inv(_computed(SINGULAR))
        finally:
            runs = count.runs
    assert runs == 0
    with pytest.raises(np.linalg.LinAlgError):
        np.asarray(x)


def test_a_failed_write_inside_a_try_leaves_the_tensor_as_it_was() -> None:
    x = cnp.arange(3.0)
    x[0] = 5.0
    try:
        x[_computed([1, 9])] = 7.0
    except IndexError:
        x[1] = 6.0
    assert np.asarray(x).tolist() == [5.0, 6.0, 2.0]


def test_an_index_that_the_call_knows_computes_nothing() -> None:
    with count_evaluations() as count:
        try:
            x = cnp.exp(cnp.arange(3.0))[[0, 2]] + cnp.take(cnp.arange(3.0), np.array([1, 1]))
            x[[0]] = 1.0
        except IndexError:
            pytest.fail("it is within bounds")
        assert count.runs == 0
    with pytest.raises(IndexError):
        cnp.arange(3.0)[[0, 9]]


def test_a_placeholder_stays_one_inside_a_try() -> None:
    from composit.apply import placeholder
    from composit.operation import tensor_type

    x = placeholder(tensor_type((2, 2), "float64"))
    try:
        y = cnp.linalg.inv(x)
    except np.linalg.LinAlgError:
        pytest.fail("nothing is known of it")
    np.testing.assert_array_equal(composit.evaluate(y, inputs={x: np.eye(2)}), np.eye(2))
