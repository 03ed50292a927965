"""Arrays that one task of a kernel needs for itself: a few KiB on the stack, the rest in its thread's part of the arena.

A program may be called from a thread with a small stack, whatever the lengths of its rows. `thread` in a kernel is the
number of the thread that runs the task; no two tasks that run at the same time have the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mosaic import c
from mosaic.codegen.operands import element_type
from mosaic.ir_views import Buffer, BufferKind

most_stack_bytes = 16 * 1024
"""What the arrays of a kernel and of the functions that it calls may take of the stack."""

scratch_buffer = Buffer(BufferKind.LOCAL, -1, 1, np.dtype(np.uint8))
"""Stands for the parts of the arena that threads have to themselves, where operands are addressed."""

_alignment_bytes = 64
_byte_pointer = c.pointer(c.NamedType("unsigned char"))


@dataclass(slots=True)
class LocalArrays:
    """Places the local arrays of one kernel."""

    stack_bytes: int = 0
    scratch_bytes: int = 0

    def declare(self, name: str, dtype: np.dtype, num_elements: int) -> c.Statement:
        """Return the declaration of an array, aligned as vectors ask for."""
        place = self.place(dtype, num_elements)
        if place is None:
            array = c.ArrayType(element_type(dtype), num_elements)
            return c.Declare(array, name, attributes=(f"aligned({_alignment_bytes})",))
        return c.Declare(c.pointer(element_type(dtype)), name, place)

    def place(self, dtype: np.dtype, num_elements: int) -> c.Expression | None:
        """Return where in the thread's part of the arena an array lies, or None if it is to lie on the stack."""
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
