"""Moves reads of an array's old value before the write that replaces it, so that the write needs no copy.

Before:  b = numpy setitem(a, 0); s = sum(a[3])          a is still read: numpy must copy all of it
After:   s = sum(a[3]); b = numpy setitem(a, 0)          nothing reads a any more: numpy writes to a's own memory

Where a reader needs the written array too, the part of the old value that it reads is copied first:

Before:  b = numpy setitem(a, 0); d = a[3] - b[4]
After:   row = a[3]; b = numpy setitem(a, 0); d = row - b[4]

The order of a program is that of its operands, depth first: without this pass a loop that writes and sums in turn runs
all writes first, and each keeps a copy. Whether a write is done in place is decided when everything else is
(`mosaic/last_reads.py`); later passes leave reads where this one puts them (`moves_behind_update`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from mosaic.ir.expressions import Load, gathered_views
from mosaic.ir.kinds import with_views
from mosaic.ir.statements import Definition, IrProgram, Statement, read_views, written_views
from mosaic.ir.views import Buffer, View
from mosaic.lowering.registry import Memory, compiled_dtypes
from mosaic.passes.uses import readers, updates

# The most statements moved along with one reader, so that the pass stays linear.
_MOST_MOVED = 64


def read_before_updates(program: IrProgram, memory: Memory) -> IrProgram:
    """Return the program with old values read before writes replace them.

    Pre:  statements are definitions, matmuls, scatters and islands, and each buffer is filled before it is read
    Post: the same, and the same values
    """
    updated = updates(program)
    if not updated:
        return program
    return replace(program, statements=_Order(program, memory, updated).ordered())


@dataclass(slots=True)
class _Order:
    """The statements by position, and those already in the new order."""

    program: IrProgram
    memory: Memory
    updated: dict[Buffer, int]
    statements: list[Statement] = field(default_factory=list)
    writers: dict[Buffer, list[int]] = field(default_factory=dict)
    is_placed: list[bool] = field(default_factory=list)
    order: list[Statement] = field(default_factory=list)

    def ordered(self) -> tuple[Statement, ...]:
        self.statements = list(self.program.statements)
        self.is_placed = [False] * len(self.statements)
        for position, statement in enumerate(self.statements):
            for view in written_views(statement):
                self.writers.setdefault(view.buffer, []).append(position)
        users = readers(self.statements)
        taken_over = {position: buffer for buffer, position in self.updated.items()}
        for position in range(len(self.statements)):
            buffer = taken_over.get(position)
            if buffer is not None:
                self._read_first(buffer, [each for each in users[buffer] if each > position])
            self._place(position)
        return tuple(self.order)

    def _place(self, position: int) -> None:
        if not self.is_placed[position]:
            self.is_placed[position] = True
            self.order.append(self.statements[position])

    def _read_first(self, buffer: Buffer, late: Sequence[int]) -> None:
        """Place the readers of the buffer, or a copy of the elements still to be read."""
        left = []
        for position in late:
            if self.is_placed[position]:
                continue
            moved = self._behind(position)
            if moved is None:
                left.append(position)
            for each in moved or ():
                self._place(each)
        if left:
            self._copy_parts(buffer, left)

    def _behind(self, position: int) -> list[int] | None:
        """Return the statement after everything that it still needs, in order; None if a write is among these."""
        found = {position}
        stack = [position]
        while stack:
            for each in self._needed_by(stack.pop()):
                if self.is_placed[each] or each in found:
                    continue
                if any(self.statements[each].bases()) or len(found) == _MOST_MOVED:
                    return None
                found.add(each)
                stack.append(each)
        return sorted(found)

    def _needed_by(self, position: int) -> Iterator[int]:
        """Yield the statements that fill what a statement reads, and those before it that write to the buffers that it writes to."""
        statement = self.statements[position]
        for view in read_views(statement):
            yield from self.writers.get(view.buffer, ())
        for view in written_views(statement):
            # A part of a buffer is often written over zeros: moved before these, it would be lost.
            yield from (each for each in self.writers[view.buffer] if each < position)

    def _copy_parts(self, buffer: Buffer, positions: Sequence[int]) -> None:
        """Copy the elements of the buffer that the statements read, unless they are as many as the whole."""
        if buffer.dtype not in compiled_dtypes or any(self._is_gathered(buffer, each) for each in positions):
            return
        if any(base.buffer is buffer for each in positions for base in self.statements[each].bases()):
            return
        parts: dict[View, View] = {}
        for position in positions:
            for view in read_views(self.statements[position]):
                if view.buffer is buffer and view.size:
                    parts.setdefault(_without_repetition(view), view)
        if not sum(part.size for part in parts) < buffer.num_elements:
            return
        origins = self.statements[self.updated[buffer]].origins
        copies: dict[View, View] = {}
        for part in parts:
            copies[part] = copy = self.memory.temporary(part.shape, buffer.dtype)
            self.order.append(Definition(copy, Load(part), origins))

        def from_copy(view: View) -> View:
            if view.buffer is not buffer or not view.size:
                return view
            copy = copies[_without_repetition(view)]
            steps = zip(view.shape, view.strides, copy.strides, strict=True)
            strides = tuple(dense if stride and extent > 1 else 0 for extent, stride, dense in steps)
            return View(copy.buffer, 0, view.shape, strides)

        for position in positions:
            self.statements[position] = with_views(self.statements[position], from_copy)

    def _is_gathered(self, buffer: Buffer, position: int) -> bool:
        """Whether the statement reads elements chosen by data or by the turn of a loop."""
        statement = self.statements[position]
        gathered = (view for part in statement.expressions() for view in gathered_views(part))
        moving = (view for view in statement.reads() if view.is_moving)
        return any(view.buffer is buffer for view in (*gathered, *moving))


def _without_repetition(view: View) -> View:
    """Return the view with one element along axes on which it repeats itself."""
    shape = tuple(extent if stride else 1 for extent, stride in zip(view.shape, view.strides, strict=True))
    strides = tuple(stride if extent > 1 else 0 for extent, stride in zip(shape, view.strides, strict=True))
    return View(view.buffer, view.offset, shape, strides)
