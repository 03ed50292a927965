"""Results with more axes than numpy's arrays can have are refused at the call, with numpy's errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import composit.numpy as cnp

MOST = np.ones((1,) * 64)

CALLS: dict[str, Callable[[Any, Any], Any]] = {
    "stack": lambda xp, x: xp.stack([x]),
    "array": lambda xp, x: xp.array([x]),
    "array of objects": lambda xp, x: xp.array([[x]], dtype=object),
    "new axis": lambda xp, x: x[None],
    "index of two axes": lambda xp, x: x[np.zeros((1, 1), int)],
    "take": lambda xp, x: xp.take(x, [[0]], 0),
    "expand_dims": lambda xp, x: xp.expand_dims(x, 0),
    "reshape": lambda xp, x: xp.reshape(x, (1,) * 65),
    "broadcast_to": lambda xp, x: xp.broadcast_to(x, (2,) + (1,) * 64),
    "tensordot": lambda xp, x: xp.tensordot(x, x, 0),
    "zeros": lambda xp, x: xp.zeros((1,) * 65),
    "full": lambda xp, x: xp.full((1,) * 65, 0.0),
    "kron": lambda xp, x: xp.kron(x, x),
    "meshgrid": lambda xp, x: xp.meshgrid(*[xp.ones(1)] * 65),
    "tile": lambda xp, x: xp.tile(x, (1,) * 65),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("is_strict", [False, True], ids=["lazily", "strictly"])
def test_more_axes_than_numpy_has_are_refused_at_the_call(call: Callable[[Any, Any], Any], is_strict: bool) -> None:
    try:
        expected = call(np, MOST)
    except (ValueError, IndexError) as error:
        with pytest.raises(type(error)):
            _called(call, is_strict)
        return
    assert _called(call, is_strict).shape == expected.shape


def _called(call: Callable[[Any, Any], Any], is_strict: bool) -> Any:
    if not is_strict:
        return call(cnp, cnp.asarray(MOST))
    with cnp.strict():
        return call(cnp, cnp.asarray(MOST))
