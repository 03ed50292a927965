"""Lets a kernel that runs over rows also reduce these rows to one: the gradients of weights and biases that all rows share.

Before:  for rows [4096] of 768: y[4096, 768] = ... x ...
         for one row of 768: b[768] = add over 4096 of x[768, 4096 by 1, 768]
After:   for rows [4096] of 768: y[4096, 768] = ... x ...; p[64, 768] = add over rows of a part of x[4096, 768]
         for one row of 768: b[768] = add over 64 of p[768, 64 by 1, 768]

Each task keeps a row of its own, and the parts are added in order, so the bits do not depend on the number of threads. What
both read goes through memory once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import singledispatch
from itertools import takewhile

from mosaic.ir.fences import Fence
from mosaic.ir.kinds import Kind
from mosaic.ir.loops import Turns
from mosaic.ir.statements import Group, IrProgram, read_views, written_views
from mosaic.ir.views import Buffer
from mosaic.lowering.registry import Memory
from mosaic.passes.column_reductions import Columns, Joined, columns_of, joined, left
from mosaic.passes.fuse_rows import farthest_move, most_candidates, with_locals
from mosaic.passes.uses import updated_buffers


def join_column_reductions(program: IrProgram, memory: Memory) -> IrProgram:
    """Return the program with reductions across rows in kernels that read or compute the same rows.

    Pre:  statements are groups, islands and fences
    """
    return _Joining(program, memory, [[each] for each in program.statements]).joined()


@dataclass(slots=True)
class _Joining:
    """The statements that stand at the place of each statement, and the places where buffers are touched.

    changed: the groups that this pass has made
    """

    program: IrProgram
    memory: Memory
    places: list[list[Kind]]
    readers: dict[Buffer, set[int]] = field(default_factory=dict)
    writers: dict[Buffer, set[int]] = field(default_factory=dict)
    changed: set[Kind] = field(default_factory=set)

    def joined(self) -> IrProgram:
        """Return the program after each reduction has joined the kernel with which it shares most."""
        found = [(each, columns) for each in self.program.statements for columns in columns_of(each)]
        if not found:
            return self.program
        for place, statement in enumerate(self.program.statements):
            self._note(place, statement)
        place_of = {statement: place for place, statement in enumerate(self.program.statements)}
        current: dict[Kind, Kind] = {}
        for first, columns in found:
            owner = current.get(first, first)
            own = next(place for place in (place_of[first], *range(len(self.places))) if owner in self.places[place])
            current[first] = self._join_one(owner, own, columns)
        return self._with_locals()

    def _with_locals(self) -> IrProgram:
        statements = [each for place in self.places for each in place]
        known = with_locals(statements, frozenset(self.program.delivered))
        pairs = zip(statements, known, strict=True)
        own = (new if old in self.changed and not _turns(old) else old for old, new in pairs)
        return replace(self.program, statements=tuple(own))

    def _note(self, place: int, statement: Kind) -> None:
        for found, views in ((self.readers, read_views(statement)), (self.writers, written_views(statement))):
            for buffer in dict.fromkeys(view.buffer for view in views):
                found.setdefault(buffer, set()).add(place)

    def _join_one(self, owner: Kind, own: int, columns: Columns) -> Kind:
        """Let a reduction join a kernel, and return what is left of the group that it was in."""
        for place in self._candidates(own, columns):
            for host in takewhile(lambda each: each is not owner, list(self.places[place])):
                target = self._target(host, place, owner, own, columns)
                found = None if target is None else joined(host, columns, self.memory)
                if target is not None and found is not None:
                    return self._replaced(host, place, found, owner, own, target)
        return owner

    def _replaced(self, host: Kind, place: int, joined: Joined, owner: Kind, own: int, target: int) -> Kind:
        """Put a kernel with a reduction to its place, and return what is left of the reduction's group, behind the kernel."""
        if place > own:
            self._move([owner], own, target, len(self.places[target]))
        elif place != target:
            self._move(list(self.places[place]), place, target, 0)
        rest = left(owner, joined)
        self._exchange(target, host, joined.host)
        self._exchange(max(target, own), owner, rest)
        if joined.after is None:
            self.writers[joined.before.result.buffer] = {target}
        return owner if rest is None else rest

    def _exchange(self, place: int, old: Kind, new: Kind | None) -> None:
        found = self.places[place]
        index = found.index(old)
        found[index : index + 1] = [] if new is None else [new]
        if new is not None:
            self.changed.add(new)
            self._note(place, new)

    def _target(self, host: Kind, place: int, owner: Kind, own: int, columns: Columns) -> int | None:
        """Return where a kernel can run with a reduction: where it is, in place of the reduction, or nowhere (None)."""
        if any(len(self.writers[view.buffer]) > 1 for view in written_views(columns.stage)):
            return None
        if place > own:
            can_follow = self._can_move([owner], own, place, place + 1)
            return place if can_follow and self._is_known(host, place, columns) else None
        if self._is_known(host, place, columns):
            return place
        return own if place < own and self._can_move(self.places[place], place, own, own) else None

    def _candidates(self, own: int, columns: Columns) -> list[int]:
        """Return the places of statements that touch what it reads, those that touch most first, then the nearest."""
        counts: dict[int, int] = {}
        for buffer in columns.shared:
            for place in self.readers.get(buffer, set()) | self.writers.get(buffer, set()):
                counts[place] = counts.get(place, 0) + 1
        return sorted(counts, key=lambda place: (-counts[place], abs(place - own), place))[:most_candidates]

    def _is_known(self, host: Kind, place: int, columns: Columns) -> bool:
        """Whether what a reduction reads has been computed when a kernel runs, or is computed by it."""
        behind = self.places[place][self.places[place].index(host) + 1 :]
        late = {view.buffer for each in behind for view in written_views(each)}
        return columns.read.isdisjoint(late) and all(
            writer <= place for buffer in columns.read for writer in self.writers.get(buffer, ())
        )

    def _can_move(self, moved: Sequence[Kind], place: int, later: int, stop: int) -> bool:
        """Whether statements can run at a later place: nothing from there to before `stop` touches what they write."""
        if later - place > farthest_move:
            return False
        written = {view.buffer for each in moved for view in written_views(each)}
        touched = {at for found in (self.readers, self.writers) for buffer in written for at in found.get(buffer, ())}
        read = {view.buffer for each in moved for view in read_views(each)}
        between = [each for at in range(place + 1, later + 1) for each in self.places[at]]
        kept = frozenset(self.program.delivered)
        is_changed = any(not read.isdisjoint(updated_buffers(each, kept)) for each in between)
        return touched.isdisjoint(range(place + 1, stop)) and not is_changed and not any(map(_is_fence, between))

    def _move(self, moved: Sequence[Kind], place: int, later: int, index: int) -> None:
        """Let statements run at a later place, before the one with an index there."""
        self.places[place] = [each for each in self.places[place] if each not in moved]
        self.places[later][index:index] = moved
        for each in moved:
            self._note(later, each)
            for view in written_views(each):
                self.writers[view.buffer].discard(place)


@singledispatch
def _is_fence(statement: Kind) -> bool:
    """Whether statements stay on their side of this one."""
    return False


@_is_fence.register
def _(statement: Fence) -> bool:
    return True


@singledispatch
def _turns(statement: Kind) -> tuple[Turns, ...]:
    """Return the loops around a statement."""
    return ()


@_turns.register
def _(statement: Group) -> tuple[Turns, ...]:
    return statement.turns
