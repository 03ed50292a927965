"""Decides which writes to a part of an array change the array itself, and copies the array for the others.

Before:  b[4 by 1 from 8] = exp(x[4]), the rest from a[3, 4]          nothing reads a any more
After:   a[4 by 1 from 8] = exp(x[4])

Before:  the same, and a is read later, or is the caller's
After:   b[3, 4] = a[3, 4]; b[4 by 1 from 8] = exp(x[4])

Before this pass every value has a buffer of its own, so earlier passes need not consider overwriting. After it a buffer may
have several writers, in the order of the statements; a loop of n writes to an array has one buffer.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import singledispatch

from mosaic.ir.expressions import Load, Uniform
from mosaic.ir.kinds import with_views
from mosaic.ir.statements import Definition, Group, IrProgram, RowStage, Stage, Statement, read_views
from mosaic.ir.views import Buffer, View, dense_view
from mosaic.passes.canonical_axes import as_group
from mosaic.passes.join_groups import can_be_in_place
from mosaic.passes.uses import updated_buffers


def write_in_place(program: IrProgram) -> IrProgram:
    """Return the program without bases.

    Pre:  statements are groups and islands, each buffer has one value
    Post: no statement has a base, but for islands
    """
    if not any(base for statement in program.statements for base in statement.bases()):
        return program
    return _Places(program).rewritten()


@singledispatch
def is_in_place(stage: Stage, group: Group) -> bool:
    """Whether a write may change the array that is its base, as far as its group is concerned: by default if it is alone."""
    return len(group.stages) == 1


@is_in_place.register
def _(stage: RowStage, group: Group) -> bool:
    return can_be_in_place(stage, group.row_stages)


@dataclass(slots=True)
class _Places:
    """The buffer that replaces each buffer, and the last statement that reads each."""

    program: IrProgram
    delivered: frozenset[Buffer] = frozenset()
    last_read: dict[Buffer, Statement] = field(default_factory=dict)
    taken: dict[Buffer, Buffer] = field(default_factory=dict)

    def rewritten(self) -> IrProgram:
        program = self.program
        self.delivered = frozenset(program.delivered)
        for statement in program.statements:
            for view in read_views(statement):
                self.last_read[view.buffer] = statement
        settled = program.with_groups(self._settled)
        outputs = tuple(one if isinstance(one, Uniform) else self._view(one) for one in program.outputs)
        statements = tuple(with_views(each, self._view) for each in settled.statements)
        return replace(program, statements=statements, outputs=outputs)

    def _settled(self, group: Group) -> list[Group]:
        """Return the group without bases, after the copies that it needs."""
        free = {buffer for buffer in updated_buffers(group, self.delivered) if self.last_read[buffer] is group}
        copies, changed = list[Group](), dict[Stage, Stage]()
        for stage in (each for each in group.stages if any(each.bases())):
            (base,), result = stage.bases(), next(stage.writes()).buffer
            if base.buffer in free and is_in_place(stage, group):
                free.discard(base.buffer)
                self._take_over(base.buffer, result)
            elif result not in group.local:
                copies.append(as_group(Definition(dense_view(result, base.shape), Load(base), stage.origins)))
            # Every kind with a base is a dataclass with that field.
            changed[stage] = replace(stage, base=None)  # type: ignore[type-var]
        return [*copies, replace(group, stages=tuple(changed.get(stage, stage) for stage in group.stages))]

    def _take_over(self, old: Buffer, new: Buffer) -> None:
        """Merge two buffers; an output of the program keeps its name."""
        owner = self._owner(old)
        if new in self.delivered:
            self.taken[owner] = new
        else:
            self.taken[new] = owner

    def _owner(self, buffer: Buffer) -> Buffer:
        last = buffer
        while last in self.taken:
            last = self.taken[last]
        while buffer is not last:  # path compression
            self.taken[buffer], buffer = last, self.taken[buffer]
        return last

    def _view(self, view: View) -> View:
        owner = self._owner(view.buffer)
        return view if owner is view.buffer else replace(view, buffer=owner)
