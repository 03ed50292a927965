"""`CallOfUser`: a statement that calls a C function which a user wrote."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mosaic.ir.kinds import Kind
from mosaic.ir.views import View


@dataclass(frozen=True, slots=True, eq=False)
class CallOfUser(Kind):
    """``function(operands..., result, &sizes, part, num_parts)`` for each part. All arrays are dense, in C order.

    source:    the C text that defines the function
    structure: the C text that defines the struct of sizes, and its name
    sizes:     the values of the struct's fields, all of int64
    flops:     multiplications and additions
    """

    result: View
    operands: tuple[View, ...]
    function: str
    source: str
    structure: tuple[str, str]
    sizes: tuple[int, ...]
    num_parts: int
    flops: int
    origins: tuple[int, ...]

    @property
    def num_flops(self) -> int:
        """As the operation counts them."""
        return self.flops

    def reads(self) -> Iterator[View]:
        """Yield the views it loads from."""
        yield from self.operands

    def writes(self) -> Iterator[View]:
        """Yield the view it fills."""
        yield self.result

    def __str__(self) -> str:
        return f"{self.result} = {self.function}({', '.join(map(str, self.operands))})"
