"""Odd calls that numpy's functions take, though what a rule would build them from does not: rules decline them.

A call of a function is often a little more than the calls of which a rule is made: np.dot multiplies durations, np.matmul
does not. Such a rule has to say so, since any other error is a fault. Found by calls with random arguments.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import composit as cnp

DAYS = np.array([1, 2, 3], "m8[D]")
NUMBERS = np.array([3, 1, 2])
MATRIX = np.arange(6.0).reshape(2, 3)
# The most that numpy has; an ellipsis of einsum has no letters for them, and np.broadcast takes half as many.
MANY_AXES = np.arange(2.0).reshape(2, *[1] * 63)

CALLS: list[Callable[[Any], Any]] = [
    lambda xp: xp.dot(xp.asarray(DAYS), xp.asarray(NUMBERS)),
    lambda xp: xp.dot(xp.asarray(DAYS)[0], xp.asarray(NUMBERS.astype("u8"))),
    lambda xp: xp.inner(xp.asarray(NUMBERS), xp.asarray(DAYS)),
    lambda xp: xp.vdot(xp.asarray(DAYS), xp.asarray(NUMBERS)),
    lambda xp: xp.vdot(xp.asarray(DAYS), xp.asarray(NUMBERS > 1)),
    lambda xp: xp.tensordot(xp.asarray(NUMBERS), xp.asarray(DAYS), 1),
    lambda xp: xp.linalg.tensordot(xp.asarray(NUMBERS > 1), xp.asarray(np.diag(DAYS)), axes=[[0], [0]]),
    lambda xp: xp.tensordot(xp.asarray(MATRIX), xp.asarray(MATRIX), xp.array(0)),
    lambda xp: xp.linalg.multi_dot([xp.asarray(DAYS), xp.asarray(np.eye(3, dtype=int)), xp.asarray(NUMBERS)]),
    lambda xp: xp.repeat(xp.asarray(np.zeros(0)), []),
    lambda xp: xp.resize(xp.asarray(NUMBERS), b"\x02"),
    lambda xp: xp.full((), xp.asarray([[7]])),
    lambda xp: xp.full((2,), xp.asarray([[7]])),
    lambda xp: xp.zeros_like(xp.asarray(1j), dtype=complex, order="F", subok=False),
    lambda xp: xp.full_like(xp.asarray(5), xp.asarray([7]), order="K"),
    lambda xp: xp.lib.stride_tricks.sliding_window_view(xp.asarray(MATRIX), {2: None}, axis=(1,)),
    lambda xp: xp.lib.stride_tricks.sliding_window_view(xp.asarray(MATRIX), iter([1, 2])),
    lambda xp: xp.sum(xp.asarray([True]), initial=10**30, out=xp.asarray(np.zeros(()))),
    lambda xp: xp.nan_to_num(xp.asarray("text"), copy=False),
    lambda xp: xp.nanquantile(xp.asarray(np.zeros((0, 2))), 0.5, overwrite_input=np.zeros(2)),
    lambda xp: xp.nanmedian(xp.asarray(np.zeros((0, 2))), overwrite_input=np.zeros(2)),
    lambda xp: xp.var(xp.asarray(MATRIX), correction=np.array([1])),
    lambda xp: xp.std(xp.asarray(MATRIX), axis=0, ddof=xp.asarray([0, 1, 1])),
    lambda xp: xp.linalg.trace(xp.asarray(np.diag(DAYS)), dtype="m8[s]"),
    lambda xp: xp.trace(xp.asarray(np.diag(NUMBERS)), dtype="m8[D]"),
    lambda xp: xp.add.outer(xp.asarray(np.int8([1, 2])), 5),
    lambda xp: xp.add.outer(xp.asarray(np.int8([1, 2])), 300),
    lambda xp: xp.multiply.outer(2.0, xp.asarray(np.float32([1]))),
    lambda xp: xp.add.outer(xp.asarray(NUMBERS), 2**63),
    lambda xp: xp.add.outer(xp.asarray(NUMBERS), [2**64]),
    lambda xp: xp.einsum("...a,...a", xp.asarray(MANY_AXES), xp.asarray(MANY_AXES)),
    lambda xp: xp.einsum("...->...", xp.asarray(MANY_AXES)),
    lambda xp: xp.isclose(xp.asarray(MANY_AXES), xp.asarray(MANY_AXES)),
    lambda xp: xp.vecdot(xp.asarray(MANY_AXES), xp.asarray(MANY_AXES[0])),
    lambda xp: xp.matvec(xp.asarray(MANY_AXES), xp.asarray(MANY_AXES)),
    lambda xp: xp.matmul(xp.asarray(MANY_AXES), xp.asarray(MANY_AXES[0])),
]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("call", CALLS)
def test_a_call_beyond_a_rule_is_numpys(call: Callable[[Any], Any]) -> None:
    try:
        expected = call(np)
    except Exception as error:  # noqa: BLE001  # whatever numpy says
        with pytest.raises(type(error)):
            call(cnp)
    else:
        np.testing.assert_array_equal(cnp.evaluate(call(cnp)), expected, strict=True)
