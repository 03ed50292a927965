"""`precision=`: float32 as it is, or rounded operands where the user asks for them."""

from __future__ import annotations

from composit.errors import ParameterError
from mosaic.targets import Target, for_bfloat16

PRECISIONS = ("float32", "bfloat16")


def checked_precision(precision: str) -> str:
    """Return a precision that there is.

    Raises:  ParameterError: there is no such
    """
    if precision not in PRECISIONS:
        raise ParameterError(
            f"precision: {precision!r:.40} was given; expected 'float32', or 'bfloat16' for products whose operands are rounded to it"
        )
    return precision


def target_for(precision: str, target: Target) -> Target:
    """Return the target with the instructions that a precision needs.

    Raises:  ParameterError: there is no such precision, or the processor has no instructions for it
    """
    return for_bfloat16(target) if checked_precision(precision) == "bfloat16" else target


def precision_of(target: Target) -> str:
    """Return the precision of algorithms that are taken first: a target has instructions for it only where it was asked for."""
    return "bfloat16" if target.bfloat16 else ""
