"""A fault in a rule is seen: it is never taken for a call that the rule declines, which numpy would then compute.

Faults are put into the place where a sample's operation says what its result is, in the midst of the rule. The numbers
of calls that numpy decides are pinned, so that a rule that newly declines shows here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import numpy as np
import pytest

import composit as cnp
from composit.containers import flatten
from composit.errors import InternalError, NoRuleError, ShapeError
from composit.numpy.calls.declarations import rows
from composit.numpy.calls.fallback import REFUSALS, NumpyCall, count_fallbacks
from composit.numpy.elementwise.functions import Elementwise, ElementwiseFunction
from composit.operation import Operation
from docs.numpy_names import names
from docs.numpy_samples import CALLS, FORMS
from tests.operations.sample import Sample
from tests.operations.samples import SAMPLES

FAULTS = (TypeError, ValueError, IndexError, OverflowError, ZeroDivisionError, KeyError, AttributeError, RuntimeError)


class Injected:
    """Raises, instead of saying what the types of a result are, and counts how often it was asked."""

    def __init__(self, fault: type[Exception]) -> None:
        self.fault = fault
        self.num_calls = 0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.num_calls += 1
        raise self.fault("injected")


def _computed(sample: Sample) -> list[Any]:
    tensors = [cnp.asarray(x) if isinstance(x, np.ndarray) else x for x in sample.operands()]
    with np.errstate(all="ignore"):
        return flatten(sample.compute(cnp, *tensors))[0]


def _operation(sample: Sample) -> Operation:
    handle = _computed(sample)[0]
    operation: Operation = handle.node.operation
    return operation


@contextmanager
def _injected(operation: Operation, fault: type[Exception], patch: pytest.MonkeyPatch) -> Iterator[Injected]:
    injected = Injected(fault)
    with patch.context() as patched:
        if isinstance(operation, Elementwise):
            # Known types are looked up, and only others asked for.
            operation.function._typings.clear()
            patched.setattr(ElementwiseFunction, "typing_of", injected)
        patched.setattr(type(operation), "result_types", injected)
        yield injected


ONE_PER_FUNCTION = list({sample.name.split(" ")[0]: sample for sample in reversed(SAMPLES)}.values())


@pytest.mark.parametrize("sample", ONE_PER_FUNCTION, ids=lambda sample: sample.name)
def test_a_fault_in_a_rule_is_seen(sample: Sample, monkeypatch: pytest.MonkeyPatch) -> None:
    operation = _operation(sample)
    for fault in FAULTS:
        with _injected(operation, fault, monkeypatch) as injected:
            is_seen = False
            try:
                _computed(sample)
            except (InternalError, fault) as error:
                is_seen = "injected" in str(error)
            # Plans of basic indexing and of reductions are remembered with their types, so that nobody asks.
            assert is_seen or not injected.num_calls


def _working_call(path: str, function: Any) -> Any:
    """Return a call of which the function's rule makes a result, None where none of those that are tried is one."""
    for call in (CALLS[path],) if path in CALLS else FORMS:
        with count_fallbacks() as counted:
            try:
                call(function)
            except (*REFUSALS, AttributeError):
                continue
        if not counted:
            return call
    return None


def _cell_of_rule(function: Any) -> Any:
    inner = getattr(function, "_function", function)
    return inner.__closure__[inner.__code__.co_freevars.index("rule")]


# What reads an operand for numpy needs these itself: without them nothing is asked of numpy.
NEEDED = {"permute_dims", "reshape", "transpose"}


def _rules() -> Iterator[tuple[Any, Any]]:
    declared = rows()
    for name in names():
        ours = name.ours
        row = declared.get(ours) if callable(ours) and not isinstance(ours, type) else None
        call = None if row is None or row.rule is None or name.path in NEEDED else _working_call(name.path, ours)
        if call is not None:
            yield ours, call


def test_a_fault_anywhere_in_the_rule_of_any_public_function_is_seen() -> None:
    seen = 0
    for function, call in _rules():
        cell = _cell_of_rule(function)
        rule = cell.cell_contents
        for fault in FAULTS:
            cell.cell_contents = wraps(rule)(Injected(fault))
            try:
                # TypeError: can_cast takes two tensors, which numpy's refuses; the fault is in its note then.
                with pytest.raises((InternalError, fault, TypeError), match="injected"):
                    call(function)
            finally:
                cell.cell_contents = rule
            seen += 1
    assert seen > 220 * len(FAULTS)


def test_the_error_names_the_rule_and_what_it_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    x = cnp.ones((3, 2))
    monkeypatch.setattr(type(cnp.fft.fft(x).node.operation), "result_types", Injected(IndexError))
    with pytest.raises(InternalError, match=r"fft: composit's rule failed with IndexError: injected") as caught:
        cnp.fft.fft(x)
    assert isinstance(caught.value.__cause__, IndexError)


@pytest.mark.parametrize("declined", [NoRuleError, ShapeError])
def test_what_a_rule_declines_numpy_decides(declined: type[Exception], monkeypatch: pytest.MonkeyPatch) -> None:
    x = cnp.ones(3)
    monkeypatch.setattr(type(cnp.fft.fft(x).node.operation), "result_types", Injected(declined))
    with count_fallbacks() as counted:
        result = cnp.fft.fft(x)
    assert isinstance(result.node.operation, NumpyCall)
    assert counted == {"fft": 1}


def test_an_argument_that_a_rule_has_no_parameter_for_is_declined_and_no_fault() -> None:
    x = cnp.ones((3, 3))
    with count_fallbacks() as counted:
        result = cnp.matmul(x, x, axes=[(-2, -1), (-2, -1), (-2, -1)])
    assert counted == {"matmul": 1}
    np.testing.assert_array_equal(cnp.evaluate(result), np.full((3, 3), 3.0))


def test_an_error_of_a_call_that_numpy_refuses_is_numpys(monkeypatch: pytest.MonkeyPatch) -> None:
    x = cnp.ones(3)
    monkeypatch.setattr(type(cnp.fft.fft(x).node.operation), "result_types", Injected(KeyError))
    with pytest.raises(IndexError, match="out of range"):
        cnp.fft.fft(x, axis=4)


def test_no_sample_is_left_to_numpy() -> None:
    with count_fallbacks() as counted:
        for sample in SAMPLES:
            _computed(sample)
    assert counted == {}


def test_no_documented_call_is_left_to_numpy() -> None:
    by_path = {name.path: name.ours for name in names()}
    with count_fallbacks() as counted:
        for path, call in CALLS.items():
            call(by_path[path])
    # Values that repeat, one for each chosen element, are taken by what is chosen.
    assert counted == {"place": 1}
