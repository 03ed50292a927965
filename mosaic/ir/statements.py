"""The intermediate program: buffers, and statements that fill them.

A `Definition` is one scalar expression over a domain, with at most one reduction. A `Matmul` is a tiled kernel with an
epilogue. A `Scatter` combines elements into places that data chooses. A `Loop` (`mosaic.ir.loops`) runs statements turn
after turn. An `Island` (`mosaic.ir.islands`) is a node that numpy runs. A `Group` holds statements that share their outer
axes and become one kernel. Lowering makes one statement or a few per node; passes rewrite them; code generation prints
groups.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain

import numpy as np

from mosaic.ir.affine import Extents, Number, most, most_of
from mosaic.ir.expressions import Expression, Gather, Uniform, loads, map_views, text, views
from mosaic.ir.kinds import Kind, Product, of_kind
from mosaic.ir.loops import Turns
from mosaic.ir.schedule import Schedule
from mosaic.ir.views import Buffer, Shape, View, listed
from mosaic.tiling.packing import Packed

POSITION_REDUCERS = ("first", "argmax", "argmin")
"""Reductions to the position of the first true element, and of the first of the largest or smallest ones."""


@dataclass(frozen=True, slots=True, eq=False)
class Definition(Kind):
    """``result[kept...] = reduce over reduced... of expression[kept..., reduced...]``.

    Every view in the expression has the shape of the domain: the result's axes, then the reduced ones. `origins` are
    the positions of the Program's instructions it computes. A write to a part of an array has a `base`: another buffer
    of the same size, whose elements the result's buffer has outside of the result. In a loop the extents may move with the
    turns: the sum of a triangular solve in turn i is over [i].
    """

    result: View
    expression: Expression
    origins: tuple[int, ...]
    reduced: Extents = ()
    reducer: str | None = None
    base: View | None = None

    @property
    def domain(self) -> Extents:
        """The extents of all axes, kept first."""
        return self.result.extents + self.reduced

    @property
    def num_elements(self) -> int:
        """How often the expression is evaluated, at most."""
        return math.prod(most_of(self.domain))

    def reads(self) -> Iterator[View]:
        """Yield the views it loads from, and the base."""
        yield from (load.view for load in loads(self.expression))
        yield from self.bases()

    def bases(self) -> Iterator[View]:
        """Yield the base."""
        if self.base is not None:
            yield self.base

    def writes(self) -> Iterator[View]:
        """Yield the views it fills."""
        yield self.result

    def expressions(self) -> Iterator[Expression]:
        """Yield its expression."""
        yield self.expression

    def reshaped(self, kept: Extents, reduced: Extents) -> Definition | None:
        """Return the same computation over a domain of another shape, or None if some view does not allow it."""
        if kept == self.result.extents and reduced == self.reduced:
            return self
        result = self.result.reshape(kept)
        if result is None:
            return None
        changed: dict[View, View] = {}
        for view in views(self.expression):
            seen = _reshape_domain(view, self, kept + reduced, len(kept))
            if seen is None:
                return None
            changed[view] = seen
        expression = map_views(self.expression, changed.__getitem__)
        return replace(self, result=result, reduced=reduced, expression=expression)

    def transposed(self, order: Sequence[int]) -> Definition:
        """Return the same computation with its kept axes in another order."""
        axes = (*order, *range(self.result.ndim, len(self.domain)))
        expression = map_views(self.expression, lambda view: view.transpose(axes))
        return replace(self, result=self.result.transpose(order), expression=expression)

    def __str__(self) -> str:
        reducer = f"{self.reducer} over [{listed(self.reduced)}] of " if self.reducer else ""
        return f"{self.result} = {reducer}{text(self.expression)}{_rest(self.base)}"


def _rest(base: View | None) -> str:
    return "" if base is None else f", the rest from {base}"


def _reshape_domain(view: View, definition: Definition, shape: Extents, num_kept: int) -> View | None:
    """Reshape the kept and the reduced axes of a view, each among themselves."""
    count = definition.result.ndim
    kept = View(view.buffer, view.offset, view.extents[:count], view.strides[:count]).reshape(shape[:num_kept])
    reduced = View(view.buffer, 0, view.extents[count:], view.strides[count:]).reshape(shape[num_kept:])
    if kept is None or reduced is None:
        return None
    return View(view.buffer, view.offset, shape, kept.strides + reduced.strides)


@dataclass(frozen=True, slots=True, eq=False)
class Matmul(Product):
    """``result[batch..., m, n] = epilogue(sum over k of left[batch..., m, k...] * right[batch..., k..., n])``.

    The depth k may be several axes: a convolution's left operand is a view of its windows, whose strides overlap. Once the right
    operand is stored in panels, its view has the shape ``batch + (panels, k, panel_width)`` with k as one axis; if the product
    `packs`, each task stores its panel itself. An algorithm may settle whether the operand is read in place, `is_in_place`, where
    it may be a view of windows, so that a depth of several axes is one of the left operand; and
    whether a tile of sums goes through all of a depth of several axes before the next one, `is_deep`.
    """

    result: View
    left: View
    right: View
    epilogue: Expression
    origins: tuple[int, ...]
    panel_width: int | None = None
    packs: bool = False
    is_in_place: bool | None = None
    is_deep: bool | None = None

    @property
    def batch(self) -> Shape:
        """The extents of the leading axes."""
        return self.result.shape[:-2]

    @property
    def sizes(self) -> tuple[int, int, int]:
        """m, n, k."""
        rows, columns = self.result.shape[-2:]
        return rows, columns, math.prod(self.depth)

    @property
    def depth(self) -> Shape:
        """The extents of the axes that are summed over."""
        return self.left.shape[self.result.ndim - 1 :]

    @property
    def fits_blocks(self) -> bool:
        """Whether it can be computed for a block of rows, beside other stages of a kernel."""
        return True

    @property
    def reads_windows(self) -> bool:
        """Whether the right operand is read in place along a depth of several axes."""
        return self.is_in_place is True and self.panel_width is None and len(self.depth) > 1

    def exchanged(self) -> Matmul:
        """Return the same product as that of the transposed matrices in the other order: (x @ w).T is w.T @ x.T."""
        count, num_depth = len(self.batch), len(self.depth)
        batch, depth = range(count), range(count, count + num_depth)
        order = (*batch, count + 1, count)
        return replace(
            self,
            result=self.result.transpose(order),
            left=self.right.transpose((*batch, count + num_depth, *depth)),
            right=self.left.transpose((*batch, *(axis + 1 for axis in depth), count)),
            epilogue=map_views(self.epilogue, lambda view: view.transpose(order)),
        )

    @property
    def num_flops(self) -> int:
        """Two per multiply-add."""
        return 2 * math.prod(self.result.shape) * math.prod(self.depth)

    def factors(self) -> Iterator[View]:
        """Yield both operands."""
        yield self.left
        yield self.right

    def __str__(self) -> str:
        return (
            f"{self.result} = {self.left} @ {self.right}{f' in panels of {self.panel_width}' * self.packs}{self.ending}"
        )


@dataclass(frozen=True, slots=True, eq=False)
class Bfloat16Matmul(Matmul):
    """A product of matrices whose left operand is stored as bfloat16, and whose right one will be; sums are float32.

    The left operand is a view of a buffer of 16 bits whose rows are filled up with zeros to whole steps of the instructions, and
    which holds whole tiles of rows (`mosaic.tiling.pairs`). The right operand is float32 until it is stored in panels of pairs.
    """

    @property
    def fits_blocks(self) -> bool:
        """Its tiles are not those of the kernel of several stages."""
        return False

    def exchanged(self) -> Bfloat16Matmul:
        """Return the product itself: its operands lie differently."""
        return self


@dataclass(frozen=True, slots=True, eq=False)
class Scatter(Kind):
    """``result[rows..., lane, serial...] = combined with expression[rows..., lane, serial...]``, in memory filled before.

    The combiner is "add", "multiply", "maximum", "minimum", or "replace", where the last one stays. With a `base`, another whole
    buffer of the same size, the result's buffer starts as a copy of that. With `zeroed`, ``rows + (elements,)``, each row starts as
    zeros: the kernel writes them just before it adds to them, while they are in the cache.

    Every view, the result's too, has the shape of the domain: ``rows + (length,) + serial``. The gathers move the place
    of an element by indices that are data, so that places may coincide: along the serial axes, which therefore run in
    order, and if it `is_in_order`, along the lanes too. Elements of different rows never meet.
    """

    result: View
    gathers: tuple[Gather, ...]
    expression: Expression
    origins: tuple[int, ...]
    num_rows: int
    is_in_order: bool
    combiner: str = "add"
    base: View | None = None
    zeroed: View | None = None

    @property
    def rows(self) -> Shape:
        """The extents of the axes that tasks share."""
        return self.result.shape[: self.num_rows]

    @property
    def length(self) -> int:
        """The extent of the axis that lanes run along."""
        return self.result.shape[self.num_rows]

    @property
    def serial(self) -> Shape:
        """The extents of the axes that run in order."""
        return self.result.shape[self.num_rows + 1 :]

    def reads(self) -> Iterator[View]:
        """Yield the views it loads from, including the one it changes unless that starts as zeros, or its base."""
        if self.zeroed is None:
            yield self.result if self.base is None else self.base
        yield from (gather.index.view for gather in self.gathers)
        yield from (load.view for load in loads(self.expression))

    def bases(self) -> Iterator[View]:
        """Yield the base."""
        if self.base is not None:
            yield self.base

    def writes(self) -> Iterator[View]:
        """Yield the views it changes."""
        yield self.result

    def expressions(self) -> Iterator[Expression]:
        """Yield its expression."""
        yield self.expression

    def checked_indices(self) -> Iterator[Gather]:
        """Yield the indices of the target, then those of the added values."""
        yield from self.gathers
        yield from Kind.checked_indices(self)

    @property
    def num_turns(self) -> int:
        """One for each place along the serial axes."""
        return math.prod(self.serial)

    def __str__(self) -> str:
        moves = "".join(f"{{+{gather.stride}*{text(gather.index)}}}" for gather in self.gathers)
        start = "" if self.zeroed is None else f", on zeros in {self.zeroed}"
        return f"{self.result}{moves} {self.combiner}= {text(self.expression)}{start}{_rest(self.base)}"


@dataclass(frozen=True, slots=True, eq=False)
class RowStage(Kind):
    """A definition within a group: its expression is over ``rows + (length,) + serial``.

    The result has the shape ``rows + (length,)``: a value per element, or ``rows + (1,)``: a value per row. With a
    reducer, the serial axes are reduced, and if `is_along_row`, the row too. A value per row that is no reduction has
    an expression over ``rows + (1,)``. The `base` is that of the definition.

    If it `is_across_rows`, it reduces rows, a task's into one: its result has the shape ``(tasks, length)``.
    """

    result: View
    expression: Expression
    origins: tuple[int, ...]
    reducer: str | None = None
    serial: Extents = ()
    is_along_row: bool = False
    base: View | None = None
    is_across_rows: bool = False

    @property
    def num_turns(self) -> int:
        """One for each place along the serial axes."""
        return math.prod(most_of(self.serial))

    @property
    def finds_position(self) -> bool:
        """Whether its result is a position (argmax), not a combined value."""
        return self.reducer in POSITION_REDUCERS

    @property
    def is_per_row(self) -> bool:
        """Whether it computes one value per row without looking along it."""
        return self.reducer is None and not self.is_element_wise

    @property
    def is_element_wise(self) -> bool:
        """Whether it computes a value per element."""
        return not self.is_along_row and not self.is_across_rows and self.result.extents[-1] != 1

    def reads(self) -> Iterator[View]:
        """Yield the views it loads from, and the base."""
        yield from (load.view for load in loads(self.expression))
        yield from self.bases()

    def bases(self) -> Iterator[View]:
        """Yield the base."""
        if self.base is not None:
            yield self.base

    def writes(self) -> Iterator[View]:
        """Yield the views it fills."""
        yield self.result

    def expressions(self) -> Iterator[Expression]:
        """Yield its expression."""
        yield self.expression

    def __str__(self) -> str:
        axes = ["row"] * self.is_along_row + ["rows of a part"] * self.is_across_rows + list(map(str, self.serial))
        over = f"{self.reducer} over {' and '.join(axes)} of " if self.reducer else ""
        return f"{self.result} = {over}{text(self.expression)}{_rest(self.base)}"


@dataclass(frozen=True, slots=True, eq=False)
class Group(Kind):
    """Stages over the same rows, to become one kernel; a matmul among them has the rows as its batch and m.

    Rows and length may move with the loops around the kernel.

    local:    results that no other statement reads; they need no memory beyond the kernel
    schedule: set by the pass `schedule`
    turns:    loops around the kernel, the outermost first; neighbouring groups share equal ones
    """

    rows: Extents
    length: Number
    stages: tuple[Stage, ...]
    local: frozenset[Buffer] = frozenset()
    schedule: Schedule | None = None
    turns: tuple[Turns, ...] = ()

    @property
    def most_rows(self) -> Shape:
        """The most that each extent of the rows is in any turn."""
        return most_of(self.rows)

    @property
    def most_length(self) -> int:
        """The most elements that a row has in any turn."""
        return most(self.length)

    @property
    def row_stages(self) -> tuple[RowStage, ...]:
        """Its stages along rows."""
        return of_kind(RowStage, self.stages)

    @property
    def products(self) -> tuple[Matmul, ...]:
        """Its matrix products."""
        return of_kind(Matmul, self.stages)

    @property
    def is_of_rows(self) -> bool:
        """Whether all its stages are along rows."""
        return len(self.row_stages) == len(self.stages)

    @property
    def origins(self) -> tuple[int, ...]:
        """The instructions it computes, in order."""
        return tuple(dict.fromkeys(origin for stage in self.stages for origin in stage.origins))

    def reads(self) -> Iterator[View]:
        """Yield the views its stages load from."""
        for stage in self.stages:
            yield from stage.reads()

    def writes(self) -> Iterator[View]:
        """Yield the views its stages fill."""
        for stage in self.stages:
            yield from stage.writes()

    def bases(self) -> Iterator[View]:
        """Yield the arrays that its stages overwrite in part."""
        for stage in self.stages:
            yield from stage.bases()

    def expressions(self) -> Iterator[Expression]:
        """Yield what its stages compute."""
        for stage in self.stages:
            yield from stage.expressions()

    def checked_indices(self) -> Iterator[Gather]:
        """Yield the indices of its stages."""
        for stage in self.stages:
            yield from stage.checked_indices()

    @property
    def num_flops(self) -> int:
        """Those of its stages."""
        return sum(stage.num_flops for stage in self.stages)

    def __str__(self) -> str:
        how = "" if self.schedule is None else str(self.schedule)
        head = f"for {f'rows [{listed(self.rows)}]' if self.rows else 'one row'} of {self.length}{how}:"
        lines = [line for stage in self.stages for line in f"{self._mark(stage)}{stage}".splitlines()]
        around = "".join(f"{turns}: " for turns in self.turns)
        return "\n".join([around + head, *(f"    {line}" for line in lines)])

    def _mark(self, stage: Stage) -> str:
        return "local " if all(view.buffer in self.local for view in stage.writes()) else ""


Stage = Kind  # row stages, products, scatters, loops, and kinds that are added from outside
Statement = Kind  # what stands in a program: all of these, islands and groups


def written_views(statement: Statement) -> tuple[View, ...]:
    """Return the buffers that a statement fills."""
    return tuple(statement.writes())


def read_views(statement: Statement) -> tuple[View, ...]:
    """Return the buffers that a statement loads from."""
    return tuple(statement.reads())


@dataclass(frozen=True, slots=True, eq=False)
class IrProgram:
    """Statements in the order they run, the buffers that come from outside and those that are delivered.

    `input_positions` are the instructions of the inputs; `constants` says what each constant buffer holds: an array, or
    what is packed into panels. `packed_inputs` maps buffers of panels to the input that they are packed from,
    where the panels are kept from run to run.
    """

    statements: tuple[Statement, ...]
    inputs: tuple[Buffer, ...]
    input_positions: tuple[int, ...]
    outputs: tuple[View | Uniform, ...]
    constants: Mapping[Buffer, np.ndarray | Packed]
    packed_inputs: Mapping[Buffer, Buffer] = field(default_factory=dict)

    @property
    def delivered(self) -> tuple[Buffer, ...]:
        """The buffers that leave the program, each once; an empty array has none."""
        views = (output for output in self.outputs if isinstance(output, View) and output.size)
        return tuple(dict.fromkeys(view.buffer for view in views))

    @property
    def groups(self) -> tuple[Group, ...]:
        """The statements that are groups."""
        return of_kind(Group, self.statements)

    def with_groups(self, change: Callable[[Group], Iterable[Statement]]) -> IrProgram:
        """Return the program with other statements in place of each group."""
        statements = (change(each) if isinstance(each, Group) else (each,) for each in self.statements)
        return replace(self, statements=tuple(chain.from_iterable(statements)))

    def __str__(self) -> str:
        return "\n".join([*map(str, self.statements), f"return {', '.join(map(str, self.outputs))}"])
