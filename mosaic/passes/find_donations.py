"""Finds the outputs that may be written into the memory of an input, as new weights into that of the old ones.

Example:  w_new[6] = subtract(w[6], multiply(0.1, g[6]))     the last statement that reads w: w_new may lie where w lies
          y[3] = sum(w_new[3, 2]) ... sum(w[3, 2])           reads w later: it may not

Nothing is changed here: a run decides whether an input's array is given away. Only inputs that an output is computed from, of
its own size and dtype, are looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import singledispatch

from composit.program import Program
from mosaic.compiled import Donation
from mosaic.ir.expressions import loads
from mosaic.ir.kinds import Kind
from mosaic.ir.statements import Group, IrProgram, Matmul, RowStage, Statement, read_views, written_views
from mosaic.ir.views import Buffer, View, dense_view
from mosaic.passes.join_groups import can_be_in_place
from mosaic.passes.uses import are_same_elements, readers

_OTHER_ELEMENTS = "the kernel that computes it still reads elements of the argument that it would have replaced"


def find_donations(program: IrProgram, source: Program) -> tuple[Donation, ...]:
    """Return for each output and each input that it is computed from whether it may lie there, with the reason if not.

    Pre:  statements are groups and islands, in the order in which they run
    """
    return tuple(_Search(program, source).found())


@dataclass(slots=True)
class _Search:
    program: IrProgram
    source: Program

    def found(self) -> Iterator[Donation]:
        statements = self.program.statements
        read_at = readers(statements)
        written_at: dict[Buffer, list[int]] = {}
        for position, statement in enumerate(statements):
            for buffer in dict.fromkeys(view.buffer for view in written_views(statement)):
                written_at.setdefault(buffer, []).append(position)
        numbers = {buffer: number for number, buffer in enumerate(self.program.inputs)}
        for number, output in enumerate(self.program.outputs):
            if not (isinstance(output, View) and output.size and output.covers_buffer):
                continue
            places = written_at.get(output.buffer, [])
            seen = [view.buffer for place in places for view in read_views(statements[place])]
            for buffer in dict.fromkeys(each for each in seen if each in numbers):
                if self._has_type_of(number, numbers[buffer]):
                    why = self._why_not(output.buffer, buffer, places, read_at[buffer])
                    yield Donation(number, numbers[buffer], why)

    def _has_type_of(self, output: int, given: int) -> bool:
        """Whether an output and an input have so many elements of one dtype. Memory of pairs may be complex or real."""
        source, index = self.source.outputs[output]
        result = self.source.instructions[source].types[index]
        (argument,) = self.source.instructions[self.program.input_positions[given]].types
        return (result.size, result.dtype) == (argument.size, argument.dtype)

    def _why_not(self, output: Buffer, given: Buffer, written: Sequence[int], read: Sequence[int]) -> str:
        """Return why an output cannot lie where an input lies, "" if it can."""
        if len(written) > 1:
            return "several kernels compute a part of it each"
        (place,) = written
        if not self.program.statements[place].is_compiled:
            return "numpy computes it"
        # The stages of `stack([a, b])` write a part each.
        if sum(view.buffer is output for view in written_views(self.program.statements[place])) > 1:
            return "the kernel that computes it writes it in several parts"
        later = [position for position in read if position > place]
        if later:
            return f"{_words(self.program.statements[later[0]], self.source)} reads the argument later"
        return "" if replaces_elements(self.program.statements[place], output, given) else _OTHER_ELEMENTS


def _words(statement: Statement, source: Program) -> str:
    """Return a few of the operations of a statement."""
    names = [source.instructions[origin].operation.name for origin in statement.origins]
    return ", ".join([*names[:3], *(["..."] if len(names) > 3 else [])])


@singledispatch
def replaces_elements(statement: Kind, output: Buffer, given: Buffer) -> bool:
    """Whether a statement reads each element of an input before it fills the same one of an output: by default unknown."""
    return False


@replaces_elements.register
def _(group: Group, output: Buffer, given: Buffer) -> bool:
    if group.turns:
        return False
    writers = [each for each in group.stages if any(view.buffer is output for view in each.writes())]
    # Of parts, as in the derivative of max_pool, an earlier one may overwrite what a later one reads.
    if len(writers) > 1:
        return False
    (stage,) = writers
    if group.is_of_rows:
        return _replaces_rows(group.row_stages, stage, given)
    return len(group.stages) == 1 and replaces_elements(stage, output, given)


def _replaces_rows(stages: Sequence[RowStage], stage: Kind, given: Buffer) -> bool:
    """Return whether the stage could be a write to the input, as `write_in_place` asks it."""
    base = dense_view(given, (given.num_elements,))
    pretended = [replace(each, base=base) if each is stage else each for each in stages]
    (write,) = (each for each, before in zip(pretended, stages, strict=True) if before is stage)
    return write.base is not None and can_be_in_place(write, pretended)


@replaces_elements.register
def _(product: Matmul, output: Buffer, given: Buffer) -> bool:
    # Sums stay in registers, or in memory of their own, over the whole depth, so the result is stored once.
    if given in (product.left.buffer, product.right.buffer):
        return False
    seen = [load for load in loads(product.epilogue) if load.view.buffer is given]
    return all(not load.gathers and are_same_elements(load.view, product.result) for load in seen)
