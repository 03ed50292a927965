"""Complex arrays made, moved, joined, indexed, written to, summed: the same on both parts; and parts seen as real arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from composit.nn.composition import Composition, composed_program
from composit.nn.operations.complex_parts import ComplexFromParts
from composit.numpy.calls.expressions import SameValue
from composit.numpy.creation.from_nothing import Full
from composit.numpy.elementwise.conditional import Where
from composit.numpy.indexing.advanced_indices import AdvancedIndex, AdvancedIndexAdjoint
from composit.numpy.indexing.taking import Take, TakeAdjoint, TakeAlongAxis, TakeAlongAxisAdjoint
from composit.numpy.manipulation.broadcasting import BroadcastTo
from composit.numpy.manipulation.joining import Concatenate, Split, Stack
from composit.numpy.manipulation.reshaping import ExpandDims, Reshape, Squeeze, Transpose
from composit.numpy.rearranging.padding import Pad
from composit.numpy.reductions.reduce import Reduce
from composit.numpy.reductions.running import Accumulate
from composit.numpy.views.basic_indices import BasicIndex, BasicIndexAdjoint
from composit.numpy.views.layout import InOrder
from composit.numpy.views.view_operations import ComplexPart, ViewAs
from composit.numpy.views.writes import AddAt, Assign, Chosen
from composit.operation import Operation
from mosaic.ir.complex_parts import PART_DTYPES
from mosaic.ir.expressions import literal
from mosaic.ir.views import View
from mosaic.lowering.complex_registry import ComplexContext, lower_by_parts, lower_complex
from mosaic.lowering.complex_values import AnyValue, ComplexValue, imaginary_of, real_of, split, uniform
from mosaic.lowering.inner_programs import lower_inner
from mosaic.lowering.registry import NoLowering, lower

Chooses = Callable[[ComplexContext], Sequence[int]]


def _first(context: ComplexContext) -> Sequence[int]:
    return (0,)


def _all(context: ComplexContext) -> Sequence[int]:
    return range(len(context.operands))


def _both_values(context: ComplexContext) -> Sequence[int]:
    return (1, 2)


def _base_and_value(context: ComplexContext) -> Sequence[int]:
    return (0, 1)


_MOVEMENTS: tuple[type[Operation], ...] = (
    *(BasicIndex, BroadcastTo, ExpandDims, InOrder, Reshape, SameValue, Squeeze, Transpose),
    *(AdvancedIndex, AdvancedIndexAdjoint, BasicIndexAdjoint, Split, Take, TakeAdjoint, TakeAlongAxis),
    TakeAlongAxisAdjoint,
)
_BY_PARTS: dict[type[Operation], Chooses] = {
    **dict.fromkeys(_MOVEMENTS, _first),
    Concatenate: _all,
    Stack: _all,
    Where: _both_values,
}
"""Operations that do the same to both parts, and which operands are values."""


def _register(kind: type[Operation], chooses: Chooses) -> None:
    def by_parts(operation: Operation, context: ComplexContext) -> Sequence[AnyValue]:
        return lower_by_parts(operation, context, chooses(context))

    lower_complex.register(kind, by_parts)


for _kind, _chooses in _BY_PARTS.items():
    _register(_kind, _chooses)


@lower_complex.register(AddAt)
@lower_complex.register(Assign)
@lower_complex.register(Chosen)
def _(operation: AddAt | Assign | Chosen, context: ComplexContext) -> Sequence[AnyValue]:
    if not all(isinstance(step, _MOVEMENTS) for step in operation.steps):
        raise NoLowering("a write through a view of parts of complex numbers has no lowering to C")
    return lower_by_parts(operation, context, (0,) if isinstance(operation, Chosen) else (0, 1))


@lower_complex.register(Accumulate)
@lower_complex.register(Reduce)
def _(operation: Accumulate | Reduce, context: ComplexContext) -> Sequence[AnyValue]:
    if operation.function.name != "add":
        raise NoLowering(f"{operation.name} of complex numbers has no lowering to C")
    return lower_by_parts(operation, context, (0,))


@lower_complex.register
def _(operation: Pad, context: ComplexContext) -> Sequence[AnyValue]:
    constant = complex(operation.constant) if operation.mode == "constant" else 0j
    parts = ((real_of, constant.real), (imaginary_of, constant.imag))
    found = [lower(replace(operation, constant=value), context.parts(part, (0,)))[0] for part, value in parts]
    return (ComplexValue(*found),)


@lower_complex.register
def _(operation: Full, context: ComplexContext) -> Sequence[AnyValue]:
    return (uniform(literal(operation.element().item(), operation.dtype), operation.shape),)


@lower_complex.register
def _(operation: Composition, context: ComplexContext) -> Sequence[AnyValue]:
    program = composed_program(operation, context.operand_types)
    inputs = [context.operands[int(program.labels[position].name)] for position in program.inputs]
    return lower_inner(program, inputs, context)


@lower_complex.register
def _(operation: ComplexFromParts, context: ComplexContext) -> Sequence[AnyValue]:
    inner, shape = context.of_result(), context.types[0].shape
    given = context.real([context.part(n, real_of) for n in (0, 1)], context.operand_types, inner.types)
    return (context.computed(*(given.load(n, shape, inner.types[0].dtype) for n in (0, 1))),)


@lower_complex.register
def _(operation: ComplexPart, context: ComplexContext) -> Sequence[AnyValue]:
    return (context.part(0, real_of if operation.part == "real" else imaginary_of),)


@lower_complex.register
def _(operation: ViewAs, context: ComplexContext) -> Sequence[AnyValue]:
    given, wanted = context.operand_types[0].dtype, context.types[0].dtype
    if PART_DTYPES.get(given) == wanted:
        pairs = context.whole(0)
        inner = context.real((), (), context.types)
        if isinstance(pairs, View):
            return (inner.dense_reshape(pairs, context.types[0].shape),)
    elif PART_DTYPES.get(wanted) == given:
        value = context.real((context.whole(0),), context.operand_types, context.types).view(0)
        return (split(_in_pairs(value)),)
    elif given == wanted:
        return (context.operands[0],)
    raise NoLowering(f"memory of {given} read as {wanted} has no lowering to C")


def _in_pairs(view: View) -> View:
    """Return a real view with its last axis as pairs."""
    *before, length = view.shape
    stride = view.strides[-1]
    return View(view.buffer, view.offset, (*before, length // 2, 2), (*view.strides[:-1], 2 * stride, stride))
