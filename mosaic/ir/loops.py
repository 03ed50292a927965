"""Loops: statements that run turn after turn with values carried from turn to turn, inside a kernel or around kernels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import singledispatch

from mosaic.ir.affine import Number, Symbol
from mosaic.ir.expressions import Expression, map_views, text, views
from mosaic.ir.kinds import ChangeView, Kind, changed
from mosaic.ir.views import Buffer, View


@dataclass(frozen=True, slots=True)
class Turns:
    """A loop around kernels: its symbol, how many turns it has, and arrays of which turns read what earlier ones filled."""

    symbol: Symbol
    extent: Number
    grown: tuple[Buffer, ...] = ()

    def __str__(self) -> str:
        return f"for {self.symbol.name} below {self.extent}"


@dataclass(frozen=True, slots=True, eq=False)
class Carried:
    """A value carried by a loop: `state` holds `start` in the first turn, then the `following` of the turn before."""

    state: View
    following: View
    start: Expression

    def __str__(self) -> str:
        return f"{self.state} from {text(self.start)} to {self.following}"


@changed.register
def _(part: Carried, change: ChangeView) -> Carried:
    return Carried(change(part.state), change(part.following), map_views(part.start, change))


@dataclass(frozen=True, slots=True, eq=False)
class Loop(Kind):
    """Statements that run turn after turn; offsets and extents of their views, and of inner loops, may move with it.

    A turn passes the `carried` values to the next, and may read the parts of the `grown` arrays that earlier turns filled;
    it reads nothing else of another turn. After the loop, carried values are those of the last turn. A body is lowered and
    fused once, as any other statements. A body that is element by element over one shape becomes stages over the rows of
    one group, and the loop runs for each element by itself; any other becomes groups, and the loop runs around their
    kernels.

    Example, the running sums of x[3, 4] along the first axis:
        for i below 3, with s[4] from -0.0 to t[4]:
            t[4] = add(s[4], x[4 by 1 from 4*i])
            y[4 by 1 from 4*i] = t[4]

    Example, x of L[3, 3] @ x[3, 4] = b[3, 4] for a lower triangular L:
        for i below 3, growing x[3, 4]:
            s[4] = add over [i] of multiply(L[4, i by 0, 1 from 3*i], x[4, i by 1, 4])
            x[4 by 1 from 4*i] = divide(subtract(b[4 by 1 from 4*i], s[4]), L[4 by 0 from 4*i])
    """

    symbol: Symbol
    extent: Number
    body: tuple[Kind, ...]
    carried: tuple[Carried, ...] = ()
    grown: tuple[View, ...] = ()

    @property
    def origins(self) -> tuple[int, ...]:
        """The instructions it computes, in order."""
        return tuple(dict.fromkeys(origin for statement in self.body for origin in statement.origins))

    @property
    def num_turns(self) -> int:
        """How often the innermost bodies run at most."""
        return self.symbol.most * max(each.num_turns for each in self.body)

    @property
    def num_records(self) -> int:
        """Those of its body."""
        return sum(each.num_records for each in self.body)

    def reads(self) -> Iterator[View]:
        """Yield the views it loads from, of what was there before the loop."""
        own = self.own_buffers()
        for statement in self.body:
            yield from (view for view in statement.reads() if view.buffer not in own)
        for one in self.carried:
            yield from views(one.start)

    def writes(self) -> Iterator[View]:
        """Yield the views that its turns fill, and the carried values, which are there after the last turn."""
        for statement in self.body:
            yield from statement.writes()
        yield from (one.state for one in self.carried)

    def expressions(self) -> Iterator[Expression]:
        """Yield what it computes, element by element."""
        for statement in self.body:
            yield from statement.expressions()
        yield from (one.start for one in self.carried)

    def own_buffers(self) -> set[Buffer]:
        """Return the buffers whose values differ from turn to turn."""
        return {view.buffer for view in self.writes()}

    def __str__(self) -> str:
        carried = f", with {' and '.join(map(str, self.carried))}" if self.carried else ""
        carried += f", growing {' and '.join(map(str, self.grown))}" if self.grown else ""
        lines = [line for statement in self.body for line in str(statement).splitlines()]
        return "\n".join([f"for {self.symbol.name} below {self.extent}{carried}:", *(f"    {line}" for line in lines)])


@singledispatch
def loops_of(statement: Kind) -> Iterator[Loop]:
    """Yield the loops that a statement is made of, the outermost first: none for what is no loop."""
    yield from ()


@loops_of.register
def _(statement: Loop) -> Iterator[Loop]:
    yield statement
    for part in statement.body:
        yield from loops_of(part)


@singledispatch
def without_loops(statement: Kind) -> Iterator[Kind]:
    """Yield the statements in the bodies of all loops, in order: what is no loop yields itself."""
    yield statement


@without_loops.register
def _(statement: Loop) -> Iterator[Kind]:
    for part in statement.body:
        yield from without_loops(part)
