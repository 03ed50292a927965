"""Whether results are computed where they are written: inside `strict()`, or for an errstate.

May import errstates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from composit.errstates import acts_at_call


class _AtCall:
    """Whether operations compute their results where they are written: inside `strict()`, or for an errstate.

    strict:  how many `strict()` are entered
    compute: reads a tensor's value, set by `composit/guards.py`
    """

    __slots__ = ("compute", "strict")

    def __init__(self) -> None:
        self.strict = 0
        self.compute: Callable[[Any], object] = repr


at_call = _AtCall()


def compute_at_call(handle: Any) -> None:
    """Compute a result that was just written, if what surrounds the call wants errors and warnings there."""
    if at_call.strict or acts_at_call(handle._node.errstate):
        at_call.compute(handle)


@contextmanager
def strict() -> Iterator[None]:
    """Evaluate each operation where it is written: errors and warnings that depend on values come at the call, as numpy's.

    Example:
        >>> import composit.numpy as cnp
        >>> with strict():
        ...     try:
        ...         inverse = cnp.linalg.inv(cnp.zeros((2, 2)))
        ...     except cnp.linalg.LinAlgError as error:
        ...         print(error)
        Singular matrix
    """
    at_call.strict += 1
    try:
        yield
    finally:
        at_call.strict -= 1
