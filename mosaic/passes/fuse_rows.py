"""Fuses statements over the same rows into one kernel: a softmax, a layer norm.

Before:  m = max(x); e = exp(x - m); s = sum(e); y = e / s
After:   for each row: m = max(x); e = exp(x - m); s = sum(e); y = e / s
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, field, replace
from functools import singledispatch

from mosaic.ir.expressions import Load
from mosaic.ir.fences import Fence
from mosaic.ir.islands import Island
from mosaic.ir.kinds import Kind
from mosaic.ir.loops import Loop, Turns
from mosaic.ir.statements import (
    POSITION_REDUCERS,
    Definition,
    Group,
    IrProgram,
    RowStage,
    Scatter,
    Statement,
    read_views,
    written_views,
)
from mosaic.ir.views import Buffer, View
from mosaic.lowering.registry import Memory
from mosaic.passes.canonical_axes import as_group
from mosaic.passes.fuse_epilogues import fuse_epilogues
from mosaic.passes.inline_elementwise import inline_elementwise
from mosaic.passes.join_groups import join, merge
from mosaic.passes.loop_groups import can_be_kernel, loop_group
from mosaic.passes.remove_fences import remove_fences
from mosaic.passes.uses import updated_buffers

most_candidates = 16
"""The most groups a definition tries to join; trying all would take quadratic time."""

farthest_move = 64
"""The most groups that another is moved behind, for the same reason."""

most_records = 192
"""Records in the expressions of one group: beyond this, compilers take more than linear time for its function."""

records_of_reduction = 32
"""Added to the size of a reduction: its loops hold several copies of the expression, one per accumulator."""

records_of_search = 96
"""The same for a search, which tests eight vectors at once, then single vectors, then lanes."""


def fuse_rows(program: IrProgram, memory: Memory, fuse: bool) -> IrProgram:
    """Return the program with every definition, matmul and scatter in a group; with `fuse`, users join what they use.

    Pre:  statements are definitions, matmuls, scatters and islands
    Post: statements are groups, islands and fences
    """
    groups, delivered = list(map(alone, program.statements)), frozenset(program.delivered)
    if fuse:
        groups = _Fusion(delivered=delivered).fused(groups, program.statements)
    found = (each for group in with_locals(groups, delivered) for each in _turned_inside(group, memory, fuse))
    return replace(program, statements=tuple(found))


@singledispatch
def _turned_inside(statement: Kind, memory: Memory, fuse: bool) -> list[Kind]:
    """Return a statement as statements without loops around them: what is no loop, as it is."""
    return [statement]


@_turned_inside.register
def _(loop: Loop, memory: Memory, fuse: bool) -> list[Kind]:
    """Return a loop as groups with turns: start values, body, and copies of carried values to the next turn.

    Copies go through temporaries where a carried value is the old value of another (a, b = b, a).
    """
    own = loop.own_buffers()
    outputs = [view for view in loop.writes() if view.is_moving]
    outputs += [one.following for one in loop.carried if one.following.buffer in own]
    body = IrProgram(loop.body, (), (), tuple(outputs), {})
    if fuse:
        body = fuse_epilogues(inline_elementwise(body), memory)
    inner = remove_fences(fuse_rows(body, memory, fuse), memory)
    assert len(inner.groups) == len(inner.statements), "numpy runs no turns"
    states = {one.state.buffer for one in loop.carried}
    first, moves, last = list[Definition](), list[Definition](), list[Definition]()
    for one in loop.carried:
        source = one.following
        if source.buffer in states:
            source = memory.temporary(source.shape, source.dtype)
            moves.append(Definition(source, Load(one.following), loop.origins))
        first.append(Definition(one.state, one.start, loop.origins))
        last.append(Definition(one.state, Load(source), loop.origins))
    turns = Turns(loop.symbol, loop.extent, tuple(view.buffer for view in loop.grown))
    turning = (*inner.groups, *map(as_group, (*moves, *last)))
    return [*map(as_group, first), *(replace(group, turns=(turns, *group.turns)) for group in turning)]


@singledispatch
def alone(statement: Kind) -> Kind:
    """Return a statement as a group of its own; by default its rows are those of its result."""
    result = next(statement.writes())
    return Group(result.extents[:-1], result.extents[-1], (statement,))


@alone.register
def _(statement: Island | Fence) -> Kind:
    return statement


alone.register(Definition, as_group)


@alone.register
def _(statement: Loop) -> Kind:
    return loop_group(statement) if can_be_kernel(statement) else statement


@alone.register
def _(statement: Scatter) -> Group:
    return Group(statement.rows, statement.length, (statement,))


@dataclass(slots=True)
class _Fusion:
    """Groups by number, the numbers in the order in which the groups run, and which groups write each buffer.

    latest:    of the groups that write a buffer, the one that runs last
    records:   how large the C of each group is, in records of expressions
    scattered: buffers that several statements fill in parts, as concatenate does; no island may come between these
               statements, since a region hands on whole buffers
    readers:   the groups that read an array of which a part is overwritten; the write comes after them
    """

    groups: dict[int, Kind] = field(default_factory=dict)
    order: list[int] = field(default_factory=list)
    places: dict[int, int] = field(default_factory=dict)
    writers: dict[Buffer, list[int]] = field(default_factory=dict)
    latest: dict[Buffer, int] = field(default_factory=dict)
    records: dict[int, int] = field(default_factory=dict)
    last_island: int | None = None
    scattered: frozenset[Buffer] = frozenset()
    delivered: frozenset[Buffer] = frozenset()
    readers: dict[Buffer, list[int]] = field(default_factory=dict)

    def fused(self, groups: Sequence[Kind], statements: Sequence[Statement]) -> list[Kind]:
        """Return the groups after each statement has joined the latest group it can."""
        self.scattered = _scattered(statements)
        self.readers = {base.buffer: [] for statement in statements for base in statement.bases()}
        for number, (group, statement) in enumerate(zip(groups, statements, strict=True)):
            if not (isinstance(statement, Definition) and self._join_one(statement)):
                self._append(number, group)
        return [self.groups[number] for number in self.order if number in self.groups]

    def _append(self, number: int, group: Kind) -> None:
        self.groups[number] = group
        self.places[number] = len(self.order)
        self.order.append(number)
        if not group.is_compiled:
            self.last_island = number
        self.records[number] = c_records(group)
        for view in written_views(group):
            self.writers.setdefault(view.buffer, []).append(number)
            self.latest[view.buffer] = number
        self._note_readers(number, read_views(group))

    def _note_readers(self, number: int, views: Iterable[View]) -> None:
        for buffer in {view.buffer for view in views}:
            if buffer in self.readers:
                self.readers[buffer].append(number)

    def _join_one(self, definition: Definition) -> bool:
        read = dict.fromkeys(view.buffer for view in read_views(definition))
        touched = (*read, definition.result.buffer)
        # A group that writes another part of the same buffer stays apart, and before this one.
        before = [self.latest[each] for each in touched if each in self.latest]
        if definition.base is not None:
            before += self.readers[definition.base.buffer]
        last = max(before, key=self._place, default=-1)
        num_new, candidates = c_records(definition), self._candidates(read)
        for number in candidates:
            if self.records[number] + num_new > most_records:
                continue
            if definition.result.buffer in self.scattered and self._is_before_island(number):
                continue
            joined = join(self.groups[number], definition)
            if joined is not None and self._can_run_at(number, last):
                self._replace(number, joined, num_new, definition)
                for other in candidates:
                    self._absorb(other, number)
                return True
        return False

    def _absorb(self, number: int, last: int) -> None:
        """Let a group run within a later one that reads its results: the averages of Adam, and the weights computed from both."""
        if number == last or self.records[number] + self.records[last] > most_records:
            return
        written = {view.buffer for view in (*written_views(self.groups[number]), *written_views(self.groups[last]))}
        if not written.isdisjoint(self.scattered):
            return  # a chain of joined arrays would pile up in one kernel, where each link can run the same code
        merged = merge(self.groups[number], self.groups[last])
        if merged is None or not self._can_run_within(number, last):
            return
        self.groups[last] = merged
        self.records[last] += self.records[number]
        absorbed = self.groups.pop(number)
        for view in written_views(absorbed):
            self.writers[view.buffer] = [last if each == number else each for each in self.writers[view.buffer]]
            self.latest[view.buffer] = max(last, self.latest[view.buffer], key=self._place)
        self._note_readers(last, read_views(absorbed))

    def _place(self, number: int) -> int:
        return self.places[number]

    def _candidates(self, read: Iterable[Buffer]) -> list[int]:
        """Return the groups that compute these buffers, the latest first, up to a limit."""
        numbers = {number for buffer in read for number in self.writers.get(buffer, ())[-most_candidates:]}
        return sorted(numbers, key=self._place, reverse=True)[:most_candidates]

    def _replace(self, number: int, joined: Group, num_new: int, definition: Definition) -> None:
        written = definition.result.buffer
        self.groups[number] = joined
        self._note_readers(number, definition.reads())
        self.records[number] += num_new
        self.writers.setdefault(written, []).append(number)
        self.latest[written] = number

    def _can_run_at(self, number: int, last: int) -> bool:
        """Move a group behind the last producer of the definition that joins it, unless a group between depends on it."""
        start, stop = self.places[number], self.places[last]
        if stop <= start:
            return True
        between = self.order[start + 1 : stop + 1]
        if not self._can_pass(number, between):
            return False
        self.order[start : stop + 1] = [*between, number]
        self.places.update({each: start + offset for offset, each in enumerate(self.order[start : stop + 1])})
        written = {view.buffer for view in written_views(self.groups[number])}
        self.latest.update({buffer: max(number, self.latest[buffer], key=self._place) for buffer in written})
        return True

    def _can_run_within(self, number: int, last: int) -> bool:
        """Whether no group between two needs the first to run before it."""
        start, stop = self.places[number], self.places[last]
        return start < stop and self._can_pass(number, self.order[start + 1 : stop])

    def _can_pass(self, number: int, between: Sequence[int]) -> bool:
        """Whether a group may run after others that come later: none depends on it, or takes over what it reads."""
        if len(between) > farthest_move:
            return False
        moved, others = self.groups[number], [self.groups[each] for each in between if each in self.groups]
        written = {view.buffer for view in written_views(moved)}
        if written & self.scattered and not all(group.is_compiled for group in others):
            return False
        read = {view.buffer for view in read_views(moved)}
        for group in others:
            if any(view.buffer in written for view in (*read_views(group), *written_views(group))):
                return False
            if not read.isdisjoint(updated_buffers(group, self.delivered)):
                return False
        return True

    def _is_before_island(self, number: int) -> bool:
        return self.last_island is not None and self.places[self.last_island] > self.places[number]


@singledispatch
def c_records(statement: Kind) -> int:
    """Return how large the C of a statement is, in records of expressions."""
    return statement.num_records


@c_records.register
def _(statement: RowStage | Definition) -> int:
    if statement.reducer is None:
        return statement.num_records
    return statement.num_records + (
        records_of_search if statement.reducer in POSITION_REDUCERS else records_of_reduction
    )


@c_records.register
def _(statement: Group) -> int:
    return sum(map(c_records, statement.stages))


def _scattered(statements: Sequence[Statement]) -> frozenset[Buffer]:
    """Return the buffers that several statements write."""
    counts = Counter(buffer for each in statements for buffer in {view.buffer for view in written_views(each)})
    return frozenset(buffer for buffer, count in counts.items() if count > 1)


def with_locals(groups: Sequence[Kind], delivered: frozenset[Buffer]) -> list[Kind]:
    """Return the statements of a program with the results that only one group reads marked as local to it."""
    touching: dict[Buffer, set[int]] = {}
    for position, group in enumerate(groups):
        for view in (*read_views(group), *written_views(group)):
            touching.setdefault(view.buffer, set()).add(position)
    own = {buffer for buffer, positions in touching.items() if len(positions) == 1} - delivered
    return [with_local(group, own) for group in groups]


@singledispatch
def with_local(statement: Kind, own: Set[Buffer]) -> Kind:
    """Return a statement with the buffers that it alone touches marked as local, if it can keep any."""
    return statement


@with_local.register
def _(statement: Group, own: Set[Buffer]) -> Kind:
    counts = Counter(view.buffer for view in written_views(statement))
    # Parts of one array are stored: a local array has one row.
    whole = frozenset(buffer for buffer, count in counts.items() if count == 1)
    return replace(statement, local=whole & own)
