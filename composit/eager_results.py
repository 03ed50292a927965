"""Results that are computed at the call: inside `strict()`, for an errstate, or inside a `try`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from composit.errors import NoValueError
from composit.errstates import SILENT_ERRSTATE, acts_at_call
from composit.exception_handlers import is_caught
from composit.hooks import hooks


class _Eager:
    """Whether operations compute their results at the call.

    strict: how many `strict()` blocks are entered
    """

    __slots__ = ("strict",)

    def __init__(self) -> None:
        self.strict = 0


eager = _Eager()


def compute_at_call(handle: Any) -> None:
    """Compute a new result, if a `strict()` block or the errstate wants errors and warnings at the call."""
    if eager.strict or acts_at_call(handle.node.errstate):
        hooks.compute(handle)


def compute_if_caught(handle: Any) -> None:
    """Compute a result whose values may raise, if the call stands in a `try` that would catch the error."""
    if handle.node.errstate is SILENT_ERRSTATE or not is_caught():
        # Silent states belong to torch's programs, where torch has raised already.
        return
    try:
        hooks.compute(handle)
    except NoValueError:
        # The result depends on a placeholder, which has no value yet.
        return


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
    eager.strict += 1
    try:
        yield
    finally:
        eager.strict -= 1


@contextmanager
def lazily() -> Iterator[None]:
    """Build nodes without computing them, even inside `strict()`: for formulas of placeholders, which have no values."""
    before, eager.strict = eager.strict, 0
    try:
        yield
    finally:
        eager.strict = before
