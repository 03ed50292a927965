"""`Algorithm`, one way to compute an operation, and `Case`, one occurrence of the operation as an algorithm sees it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from composit.operation import Operation, TensorType
from mosaic.lowering.registry import Context, NoLowering, Value
from mosaic.targets import Target

Lowering = Callable[[Operation, Context], Sequence[Value]]


class FromOutside:
    """Base of lowerings whose classes are mosaic's, and what they do a user's."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Case:
    """One occurrence of an operation.

    is_constant: for each operand, whether its value is known when the program is compiled, as a weight's is
    is_entering: whether the first operand comes from outside the program, where numpy's order of axes holds
    is_leaving:  whether the result leaves the program
    """

    operation: Operation
    operand_types: tuple[TensorType, ...]
    types: tuple[TensorType, ...]
    is_constant: tuple[bool, ...]
    target: Target
    is_entering: bool = False
    is_leaving: bool = False

    def __str__(self) -> str:
        return f"{self.operation.name}({', '.join(map(str, self.operand_types))})"


def _compiled_elsewhere(*_: object) -> Any:
    raise NoLowering("this algorithm was chosen in another process, where the program was compiled")


def _not_here(case: Case) -> str:
    return "it was chosen in another process"


def takes_all(case: Case) -> str:
    """Return that there is no reason against any case."""
    return ""


@dataclass(frozen=True, slots=True)
class Algorithm:
    """One way to compute an operation.

    operation:  the operation as people write it, such as "conv2d" (see `mosaic.algorithms.families`)
    why_not:    returns why it cannot take a case, in words that name shapes; "" if it can
    num_cycles: returns an estimate of a core's cycles for a case it can take; the same on every machine for one target
    lower:      appends the statements of the intermediate form, as functions registered with `mosaic.lowering.registry.lower` do
    is_default: whether `guess` may take it; others are taken by name only
    precision:  what it rounds operands to: "" is as they are; others are taken where `precision=` asks for them, or by name
    error:      its largest error against float64, in words with a number, where that is worse than that of a plain sum
    """

    operation: str
    name: str
    summary: str
    lower: Lowering
    num_cycles: Callable[[Case], float]
    why_not: Callable[[Case], str] = takes_all
    is_default: bool = True
    error: str = ""
    precision: str = ""

    def __reduce__(self) -> tuple[Callable[..., Algorithm], tuple[object, ...]]:
        # Functions of users have no place in a file, and a compiled program needs none of these any more.
        parts = (self.operation, self.name, self.summary, _compiled_elsewhere, _compiled_elsewhere, _not_here)
        return Algorithm, (*parts, self.is_default, self.error, self.precision)
