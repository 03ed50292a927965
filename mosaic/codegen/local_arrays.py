"""Local arrays of a kernel's task: a few KiB on the stack, larger ones in the thread's part of the arena.

Threads may have small stacks, and rows may be long. `thread` in a kernel is the number of the thread that runs the task;
tasks that run at the same time have different numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mosaic import c
from mosaic.codegen.operands import element_type
from mosaic.ir.views import Buffer, BufferKind

most_stack_bytes = 16 * 1024
"""The most stack that the local arrays of a kernel and of its functions may take."""

scratch_buffer = Buffer(BufferKind.LOCAL, -1, 1, np.dtype(np.uint8))
"""The buffer that stands for the threads' parts of the arena in tables of operands."""

_alignment_bytes = 64
_byte_pointer = c.pointer(c.NamedType("unsigned char"))


@dataclass(slots=True)
class LocalArrays:
    """Places the local arrays of one kernel."""

    stack_bytes: int = 0
    scratch_bytes: int = 0

    def declare(self, name: str, dtype: np.dtype, num_elements: int) -> c.Statement:
        """Return the declaration of an array, aligned for vectors."""
        place = self.place(dtype, num_elements)
        if place is None:
            array = c.ArrayType(element_type(dtype), num_elements)
            return c.Declare(array, name, attributes=(f"aligned({_alignment_bytes})",))
        return c.Declare(c.pointer(element_type(dtype)), name, place)

    def place(self, dtype: np.dtype, num_elements: int) -> c.Expression | None:
        """Return the offset of an array in the thread's part of the arena, or None for the stack."""
        num_bytes = -(-num_elements * dtype.itemsize // _alignment_bytes) * _alignment_bytes
        if self.stack_bytes + num_bytes <= most_stack_bytes:
            self.stack_bytes += num_bytes
            return None
        offset, self.scratch_bytes = self.scratch_bytes, self.scratch_bytes + num_bytes
        return c.Cast(c.pointer(element_type(dtype)), c.Name("scratch") + offset if offset else c.Name("scratch"))

    def declarations(self, position: int) -> tuple[c.Statement, ...]:
        """Return what finds the thread's part, whose start stands at a position of the kernel's table of operands."""
        if not self.scratch_bytes:
            return ()
        start = c.Cast(_byte_pointer, c.Name("operands")[position])
        return (c.Declare(_byte_pointer, "scratch", start + c.Name("thread") * self.scratch_bytes),)
