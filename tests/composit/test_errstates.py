"""numpy's errstate: what is said where an operation is written decides what its evaluation does."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import composit as cnp
from composit.errstates import DEFAULT_ERRSTATE, acts_at_call, current_errstate


@pytest.fixture
def zeros() -> Any:
    return cnp.asarray([0.0, 1.0])


def test_raise_raises_at_the_call(zeros: Any) -> None:
    with np.errstate(divide="raise"), pytest.raises(FloatingPointError, match="divide by zero encountered in divide"):
        1 / zeros


def test_call_calls_at_the_call(zeros: Any) -> None:
    seen: list[str] = []
    with np.errstate(divide="call", call=lambda kind, flag: seen.append(kind)):
        1 / zeros
    assert seen == ["divide by zero"]


def test_ignore_is_carried_to_the_evaluation(zeros: Any) -> None:
    with np.errstate(all="ignore"):
        y = 1 / zeros
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(cnp.evaluate(y), [np.inf, 1])


def test_warn_is_carried_to_an_evaluation_that_ignores(zeros: Any) -> None:
    y = 1 / zeros
    with np.errstate(all="ignore"), pytest.warns(RuntimeWarning, match="divide by zero"):
        cnp.evaluate(y)


def test_raise_around_the_evaluation_does_not_concern_what_was_written_before(zeros: Any) -> None:
    with np.errstate(all="ignore"):
        y = 1 / zeros
    with np.errstate(all="raise"):
        np.testing.assert_array_equal(cnp.evaluate(y), [np.inf, 1])


def test_each_operation_has_the_state_of_its_own_call(zeros: Any) -> None:
    with np.errstate(divide="ignore"):
        silent = 1 / zeros
    loud = cnp.log(zeros * silent)
    with pytest.warns(RuntimeWarning) as caught:
        cnp.evaluate(loud)
    assert [str(warning.message).split("\n")[0] for warning in caught] == ["invalid value encountered in multiply"]


def test_seterr_holds_from_where_it_is_called(zeros: Any) -> None:
    before = cnp.seterr(divide="raise")
    try:
        with pytest.raises(FloatingPointError, match="divide by zero"):
            1 / zeros
        assert cnp.geterr()["divide"] == "raise"
    finally:
        cnp.seterr(**before)
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        cnp.evaluate(1 / zeros)


def test_an_evaluation_leaves_the_state_as_it_was(zeros: Any) -> None:
    with np.errstate(all="ignore"):
        y = 1 / zeros
    with np.errstate(over="print"):
        state = current_errstate()
        cnp.evaluate(y)
        assert current_errstate() is state
        assert acts_at_call(state)
    assert not acts_at_call(DEFAULT_ERRSTATE)


def test_numbers_and_inputs_have_no_state_of_their_own() -> None:
    x = cnp.asarray([1.0])
    with np.errstate(all="ignore"):
        y = (x + 2) / 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isinf(cnp.evaluate(y, backend="mosaic")).all()
