"""Groups statements that share their rows into kernels.

Before:  m = max(x); e = exp(x - m); s = sum(e); y = e / s
After:   for each row: m = max(x); e = exp(x - m); s = sum(e); y = e / s
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from mosaic.ir import Definition, Group, IrProgram, Island, Matmul, Statement, read_views, written_views
from mosaic.ir_views import Buffer
from mosaic.passes.canonical_axes import as_group
from mosaic.passes.join_groups import join

most_stages = 40


def form_groups(program: IrProgram, fuse: bool) -> IrProgram:
    """Return the program with every definition and matmul in a group; with `fuse`, users join what they use.

    Pre:  statements are definitions, matmuls and islands
    Post: statements are groups and islands
    """
    groups = list(map(alone, program.statements))
    if fuse:
        groups = _Fusion().fused(groups, program.statements)
        protected = frozenset(program.delivered)
        groups = [_with_locals(groups, index, protected) for index in range(len(groups))]
    return replace(program, statements=tuple(map(finish, groups)))


def alone(statement: Statement) -> Group | Island:
    """Return a statement as a group of its own."""
    if isinstance(statement, Definition):
        return as_group(statement)
    if isinstance(statement, Matmul):
        return Group(statement.result.shape[:-1], statement.result.shape[-1], (statement,))
    assert not isinstance(statement, Group)
    return statement


def finish(statement: Group | Island) -> Group | Island:
    """Return a group with its rows merged where all stages allow it."""
    return statement


@dataclass(slots=True)
class _Fusion:
    """Groups in the order in which they run, and which of them writes a buffer."""

    groups: list[Group | Island] = field(default_factory=list)

    def fused(self, groups: Sequence[Group | Island], statements: Sequence[Statement]) -> list[Group | Island]:
        """Return the groups after each statement has joined the latest group it can."""
        for group, statement in zip(groups, statements, strict=True):
            if not (isinstance(statement, Definition) and self._join_one(statement)):
                self.groups.append(group)
        return self.groups

    def _join_one(self, definition: Definition) -> bool:
        touched = {view.buffer for view in (*read_views(definition), definition.result)}
        producers = [
            index
            for index, group in enumerate(self.groups)
            if any(view.buffer in touched for view in written_views(group))
        ]
        for index in reversed(producers):
            group = self.groups[index]
            if not isinstance(group, Group) or len(group.stages) >= most_stages:
                continue
            joined = join(group, definition)
            if joined is not None and self._place(index, joined, producers):
                return True
        return False

    def _place(self, index: int, joined: Group, producers: Sequence[int]) -> bool:
        """Put the joined group where all it reads is known: in its old place, or after its last producer."""
        last = max(producers)
        if last == index:
            self.groups[index] = joined
            return True
        written = {view.buffer for view in written_views(self.groups[index])}
        between = self.groups[index + 1 : last + 1]
        if any(view.buffer in written for group in between for view in (*read_views(group), *written_views(group))):
            return False
        self.groups[index : last + 1] = [*between, joined]
        return True


def _with_locals(groups: Sequence[Group | Island], index: int, protected: frozenset[Buffer]) -> Group | Island:
    """Return the group with the results that only itself reads marked as local."""
    group = groups[index]
    if not isinstance(group, Group):
        return group
    others = {
        view.buffer
        for position, other in enumerate(groups)
        if position != index
        for view in (*read_views(other), *written_views(other))
    }
    own = {view.buffer for view in written_views(group)}
    return replace(group, local=frozenset(own - others - protected))
