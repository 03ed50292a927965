"""The kernel of a group, by the kind of its first stage; equal kernels are emitted once."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field, replace
from functools import singledispatch

from mosaic.codegen.bfloat16_kernel import emit_bfloat16_kernel
from mosaic.codegen.block_kernel import emit_block_kernel
from mosaic.codegen.call_kernel import emit_call_kernel
from mosaic.codegen.filter_kernel import emit_filter_kernel
from mosaic.codegen.group_sums_kernel import emit_group_sums_kernel
from mosaic.codegen.indirect_kernel import emit_indirect_kernel
from mosaic.codegen.matmul_kernel import emit_matmul_kernel
from mosaic.codegen.operands import Operand
from mosaic.codegen.row_kernel import KernelCode, emit_loop_kernel, emit_row_kernel, emit_scatter_kernel, schedule_of
from mosaic.codegen.signature import Signature
from mosaic.codegen.transposing_kernel import emit_transposing_kernel
from mosaic.codegen.winograd_kernel import emit_filters_kernel, emit_winograd_kernel
from mosaic.ir.calls import CallOfUser
from mosaic.ir.filter_sums import FilterSums, GroupSums
from mosaic.ir.indirect import IndirectProduct
from mosaic.ir.kinds import Kind
from mosaic.ir.loops import Loop
from mosaic.ir.statements import Bfloat16Matmul, Group, Matmul, RowStage, Scatter
from mosaic.ir.winograd import WinogradFilters, WinogradProduct
from mosaic.targets import Target


@dataclass(slots=True)
class KernelEmitter:
    """Emits kernels for one module and remembers them by signature."""

    target: Target
    known: dict[Hashable, tuple[KernelCode, tuple[int, ...], tuple[int, ...]]] = field(default_factory=dict)

    def emit(self, group: Group, comment: str) -> KernelCode:
        """Return the kernel of a group; `comment` describes it to the reader of the C file."""
        signature = Signature()
        key = (signature.of(group), group.schedule)
        places, around = tuple(signature.places), tuple(signature.around)
        found = self.known.get(key)
        if found is None:
            code = self._emit(group, comment, len(self.known))
            numbers = {place: number for number, place in enumerate(places)}
            order = tuple(numbers[operand.buffer, operand.offset] for operand in code.operands)
            self.known[key] = (code, order, tuple(map(around.index, code.symbols)))
            return replace(code, turns=group.turns)
        code, order, turning = found
        operands = tuple(
            Operand(*places[number], operand.is_written) for number, operand in zip(order, code.operands, strict=True)
        )
        return replace(code, operands=operands, symbols=tuple(around[each] for each in turning), turns=group.turns)

    def _emit(self, group: Group, comment: str, number: int) -> KernelCode:
        return emit_kernel(group.stages[0], KernelRequest(group, comment, number, self.target))


@dataclass(frozen=True, slots=True)
class KernelRequest:
    """A group to emit, with what its emitter needs to know.

    comment: describes the kernel to the reader of the C file
    number:  counts the kernels of a module; names of helper functions contain it
    """

    group: Group
    comment: str
    number: int
    target: Target


@singledispatch
def emit_kernel(first: Kind, request: KernelRequest) -> KernelCode:
    """Return the kernel of a group, by the kind of its first stage."""
    raise TypeError(f"emit_kernel: no kernel is registered for {type(first).__name__}")


@emit_kernel.register
def _(first: RowStage, request: KernelRequest) -> KernelCode:
    if schedule_of(request.group).side:
        return emit_transposing_kernel(request.group, request.comment, request.target)
    return emit_row_kernel(request.group, request.comment, request.target)


@emit_kernel.register
def _(first: Scatter, request: KernelRequest) -> KernelCode:
    return emit_scatter_kernel(request.group, first, request.comment, request.target)


@emit_kernel.register
def _(first: Loop, request: KernelRequest) -> KernelCode:
    return emit_loop_kernel(request.group, first, request.comment, request.target)


@emit_kernel.register
def _(first: Bfloat16Matmul, request: KernelRequest) -> KernelCode:
    schedule, name = schedule_of(request.group), f"product_{request.number}"
    return emit_bfloat16_kernel(first, schedule, name, request.comment, request.target)


@emit_kernel.register
def _(first: Matmul, request: KernelRequest) -> KernelCode:
    group, comment, target = request.group, request.comment, request.target
    if len(group.stages) > 1:
        return emit_block_kernel(group, f"block_{request.number}", comment, target)
    return emit_matmul_kernel(first, schedule_of(group), f"product_{request.number}", comment, target)


@emit_kernel.register
def _(first: CallOfUser, request: KernelRequest) -> KernelCode:
    return emit_call_kernel(first, request.comment)


@emit_kernel.register
def _(first: WinogradProduct, request: KernelRequest) -> KernelCode:
    return emit_winograd_kernel(first, schedule_of(request.group), request.comment, request.target)


@emit_kernel.register
def _(first: WinogradFilters, request: KernelRequest) -> KernelCode:
    return emit_filters_kernel(first, schedule_of(request.group), request.comment, request.target)


@emit_kernel.register
def _(first: IndirectProduct, request: KernelRequest) -> KernelCode:
    return emit_indirect_kernel(first, schedule_of(request.group), request.comment, request.target)


@emit_kernel.register
def _(first: FilterSums, request: KernelRequest) -> KernelCode:
    return emit_filter_kernel(first, schedule_of(request.group), request.comment, request.target)


@emit_kernel.register
def _(first: GroupSums, request: KernelRequest) -> KernelCode:
    return emit_group_sums_kernel(first, schedule_of(request.group), request.comment, request.target)
