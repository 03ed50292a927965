"""Wrong calls: composit raises at the call, with numpy's class, and says what was given and what to do instead."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import composit as cnp
from composit.errors import CompositError
from composit.handle import TensorHandle

X = np.arange(12.0).reshape(3, 4)
ARRAYS = {"x": X, "i": np.arange(12).reshape(3, 4), "b": X > 3, "v": np.arange(4.0)}
CALLS = (Path(__file__).parent / "wrong_calls.txt").read_text().splitlines()
# The value is wrong, not its type: it is looked at when it is computed.
AT_EVALUATION = ('xp.full((2,), "a", dtype="float64")',)
SHORTEST_MESSAGE = 60


def _error_of(call: str, xp: Any, values: dict[str, Any]) -> Exception | None:
    try:
        result = eval(call, {"xp": xp, "np": np}, dict(values))
        if call in AT_EVALUATION and isinstance(result, TensorHandle):
            cnp.evaluate(result)
    except Exception as error:  # noqa: BLE001  # the class is what is compared
        return error
    return None


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("call", CALLS)
def test_a_wrong_call_raises_numpys_class(call: str):
    expected = _error_of(call, np, {name: array.copy() for name, array in ARRAYS.items()})
    error = _error_of(call, cnp, {name: cnp.asarray(array) for name, array in ARRAYS.items()})
    assert expected is not None
    public = next(base for base in type(expected).__mro__ if not base.__module__.startswith("numpy._core"))
    assert isinstance(error, public), f"{error!r} instead of {expected!r}"
    if isinstance(error, CompositError):
        # What was asked and given, what was expected, what to do: no such message is short.
        assert len(str(error)) > SHORTEST_MESSAGE
        assert any(mark in str(error) for mark in (":", ";"))


def test_no_wrong_call_changes_the_operand():
    tensors = {name: cnp.asarray(array) for name, array in ARRAYS.items()}
    nodes = {name: tensor.node for name, tensor in tensors.items()}
    for call in CALLS:
        _error_of(call, cnp, tensors)
    assert all(tensor.node is nodes[name] for name, tensor in tensors.items())
