"""Nodes and reads name the user's line, whichever way the call took through composit."""

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import composit as cp
from composit.guards import reads_of
from composit.source import Source, find_source, line_number, source_at

Way = Callable[[Any, Any], Any]


def _matrix() -> Any:
    return cp.asarray(np.arange(1.0, 10.0).reshape(3, 3))


def _integers() -> Any:
    return cp.asarray(np.array([1, 2, 0]))


# Of a matrix and three integers.
_RESULTS: dict[str, Way] = {
    "+": lambda x, i: x + x,
    "+ float": lambda x, i: x + 2.0,
    "float -": lambda x, i: 2.0 - x,
    "+ array": lambda x, i: x + np.ones((3, 3)),
    "numpy +": lambda x, i: np.float64(2.0) * x,
    "of scalars": lambda x, i: x.sum() * 0.5,
    "of two scalars": lambda x, i: x.sum() * x.max(),
    "of integers": lambda x, i: i + 3,
    "**": lambda x, i: i**i,
    "** in a call": lambda x, i: cp.power(i, i),
    "@": lambda x, i: x @ x,
    "<": lambda x, i: x < 2.0,
    "-x": lambda x, i: -x,
    "//": lambda x, i: x // 2,
    "known": lambda x, i: x[1, 1] * 0.5,
    "known two": lambda x, i: x[1, 1] * x[0, 0],
    "known exp": lambda x, i: cp.exp(x[1, 1]),
    "exp": lambda x, i: cp.exp(x),
    "np.exp": lambda x, i: np.exp(x),
    "exp out": lambda x, i: cp.exp(x, out=cp.zeros((3, 3))),
    "exp dtype": lambda x, i: cp.exp(x, dtype="f4"),
    "exp where": lambda x, i: cp.exp(x, where=x > 2.0, out=cp.zeros((3, 3))),
    "sum": lambda x, i: cp.sum(x, axis=0),
    "sum where": lambda x, i: cp.sum(x, where=x > 2.0),
    "prod": lambda x, i: cp.prod(x),
    "max": lambda x, i: cp.max(x),
    "all": lambda x, i: cp.all(x),
    "count_nonzero": lambda x, i: cp.count_nonzero(x),
    "np.sum": lambda x, i: np.sum(x),
    "x.sum": lambda x, i: x.sum(),
    "x.mean": lambda x, i: x.mean(axis=1),
    "argmax": lambda x, i: x.argmax(),
    "add.reduce": lambda x, i: cp.add.reduce(x),
    "add.outer": lambda x, i: cp.add.outer(x, x),
    "x.T": lambda x, i: x.T,
    "reshape": lambda x, i: x.reshape(9),
    "transpose": lambda x, i: np.transpose(x),
    "astype": lambda x, i: x.astype("f4"),
    "x[1]": lambda x, i: x[1],
    "x[1:]": lambda x, i: x[1:],
    "x[i]": lambda x, i: x[i],
    "x[1, 2]": lambda x, i: x[1, 2],
    "lazy x[1, 2]": lambda x, i: (x + x)[1, 2],
    "x[..., None]": lambda x, i: x[..., None],
    "x[x > 2]": lambda x, i: x[x > 2.0],
    "where": lambda x, i: cp.where(x > 2.0, x, 0.0),
    "concatenate": lambda x, i: np.concatenate([x, x]),
    "zeros": lambda x, i: cp.zeros(3),
    "asarray": lambda x, i: cp.asarray([1.0, 2.0]),
    "arange": lambda x, i: cp.arange(3),
    "list of tensors": lambda x, i: cp.asarray([x[0], x[1]]),
    "divmod": lambda x, i: divmod(x, 2.0)[1],
    "modf": lambda x, i: cp.modf(x)[0],
    "frexp": lambda x, i: np.frexp(x)[1],
    "split": lambda x, i: cp.split(x, 3)[2],
    "eigh": lambda x, i: cp.linalg.eigh(x)[0],
    "svd": lambda x, i: np.linalg.svd(x)[2],
    "unique": lambda x, i: cp.unique(x),
    "einsum": lambda x, i: cp.einsum("ij,jk", x, x),
    "sort": lambda x, i: np.sort(x),
}


@pytest.mark.parametrize("way", _RESULTS)
def test_a_result_names_the_function_that_called(way: str) -> None:
    function = _RESULTS[way]
    source = function(_matrix(), _integers()).node.source
    assert source is not None
    # The lambda itself: neither a function of ours, nor the test that called the lambda.
    assert source[0] is function.__code__


def _write_element(x: Any, i: Any) -> None:
    x[1, 1] = 2.0


def _write_known_element(x: Any, i: Any) -> None:
    x[1, 1] = x[0, 0]


def _write_row(x: Any, i: Any) -> None:
    x[1] = x[2]


def _write_at_integers(x: Any, i: Any) -> None:
    x[i] = 3.0


def _write_where(x: Any, i: Any) -> None:
    x[x > 2.0] = 0.0


def _write_list(x: Any, i: Any) -> None:
    x[0] = [1.0, 2.0, 3.0]


def _write_through_a_view(x: Any, i: Any) -> None:
    x[1:][0] = 4.0


def _write_flat(x: Any, i: Any) -> None:
    x.flat[3] = 4.0


def _add_in_place(x: Any, i: Any) -> None:
    x += 1.0


def _fill(x: Any, i: Any) -> None:
    x.fill(1.0)


def _add_at(x: Any, i: Any) -> None:
    np.add.at(x, i, 1.0)


_WRITES = (
    _write_element,
    _write_known_element,
    _write_row,
    _write_at_integers,
    _write_where,
    _write_list,
    _write_through_a_view,
    _write_flat,
    _add_in_place,
    _fill,
    _add_at,
)


@pytest.mark.parametrize("is_known", [True, False], ids=["known", "lazy"])
@pytest.mark.parametrize("write", _WRITES)
def test_a_write_names_the_function_that_wrote(write: Way, is_known: bool) -> None:
    x = _matrix() if is_known else cp.exp(_matrix())
    write(x, _integers())
    source = x.node.source
    assert source is not None
    assert source[0] is write.__code__


def test_a_view_that_is_derived_again_names_the_line_that_looks_at_it() -> None:
    x = cp.exp(_matrix())
    view = x.T[1:]
    x[0, 0] = 5.0
    look = lambda: view.node  # noqa: E731  # its code is compared
    for step in (look(), *[operand for operand, _ in look().operands]):
        assert step.source[0] is look.__code__
    assert x.node.source[0] is not look.__code__


_READS: dict[str, Way] = {
    "bool": lambda x, i: bool(x[1, 1] > 2.0),
    "bool of a lazy scalar": lambda x, i: bool(x.sum() > 2.0),
    "float": lambda x, i: float(x[1, 1]),
    "float of a lazy scalar": lambda x, i: float(x.sum()),
    "int": lambda x, i: int(x[1, 1]),
    "complex": lambda x, i: complex(x[1, 1] * 2.0),
    "item": lambda x, i: x[1, 1].item(),
    "tolist": lambda x, i: x.tolist(),
    "np.asarray": lambda x, i: np.asarray(x),
    "index": lambda x, i: range(4)[i[0]],
    "condition": lambda x, i: 1 if x[0, 0] < x[1, 1] else 2,
}


@pytest.mark.parametrize("is_known", [True, False], ids=["known", "lazy"])
@pytest.mark.parametrize("way", _READS)
def test_a_read_names_the_function_that_read(way: str, is_known: bool) -> None:
    function = _READS[way]
    x, i = _matrix(), _integers()
    if is_known:
        # What was computed before is read in another way.
        np.asarray(x[0]), np.asarray(i)
    function(x, i)
    reads = [*reads_of(x.node), *reads_of(i.node)]
    here = test_a_read_names_the_function_that_read.__code__
    sources = [guard.source[0] for guard in reads if guard.source is not None]
    assert len(sources) == len(reads)
    assert {each for each in sources if each is not here} == {function.__code__}
    for guard in reads:
        if guard.place and guard.place[0][0] is function.__code__:
            assert guard.place[0] is guard.source
            assert guard.place[1][0] is here


def test_a_source_is_the_instruction_and_not_the_function() -> None:
    x = _matrix()
    # Lines that follow one another: each node names its own.
    y = x + 1.0
    z = cp.exp(
        y,
    )
    lines = [line_number(each.node.source) for each in (y, z)]
    first = test_a_source_is_the_instruction_and_not_the_function.__code__.co_firstlineno
    assert [line - first for line in lines] == [3, 4]


def test_the_frame_to_look_at_first_can_be_given() -> None:
    def inner() -> tuple[Source | None, Source | None]:
        return source_at(sys._getframe(0)), find_source()

    own, callers = inner()
    assert own is not None
    assert callers is not None
    assert own[0] is inner.__code__
    assert callers[0] is test_the_frame_to_look_at_first_can_be_given.__code__


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_a_warning_of_a_call_names_the_users_line() -> None:
    for warned, call in {
        "Mean of empty slice": lambda: cp.mean(cp.zeros(0)),
        "Degrees of freedom": lambda: cp.var(cp.zeros(0)),
        "Passing more than 2 positional": lambda: cp.maximum(_matrix(), _matrix(), cp.zeros((3, 3))),
    }.items():
        with pytest.warns(match=warned) as caught:
            call()
        assert {each.filename for each in caught} == {__file__}
