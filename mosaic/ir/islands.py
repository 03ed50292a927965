"""Islands: the statements that numpy runs between compiled regions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mosaic.ir.expressions import Uniform
from mosaic.ir.kinds import Kind
from mosaic.ir.views import Buffer, View


@dataclass(frozen=True, slots=True, eq=False)
class Island(Kind):
    """A node that numpy evaluates between compiled regions.

    updates_operand: the result is the first operand, changed
    """

    results: tuple[View, ...]
    operands: tuple[View | Uniform, ...]
    origins: tuple[int, ...]
    reason: str
    updates_operand: bool = False

    @property
    def is_compiled(self) -> bool:
        """No: numpy computes it."""
        return False

    def reads(self) -> Iterator[View]:
        """Yield the views that numpy looks at."""
        yield from (operand for operand in self.operands if isinstance(operand, View))

    def bases(self) -> Iterator[View]:
        """Yield the array that a write changes."""
        yield from (one for one in self.operands[: self.updates_operand] if isinstance(one, View))

    def writes(self) -> Iterator[View]:
        """Yield the views it fills."""
        yield from self.results

    def touched_buffers(self) -> Iterator[Buffer]:
        """Yield the buffers that it reads or fills."""
        yield from (view.buffer for view in (*self.reads(), *self.results))

    def filled_buffers(self) -> Iterator[Buffer]:
        """Yield the buffers that it makes."""
        yield from (view.buffer for view in self.results)

    def __str__(self) -> str:
        return f"{', '.join(map(str, self.results))} = numpy({', '.join(map(str, self.operands))})  # {self.reason}"
