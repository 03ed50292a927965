"""The passes in order, from a Program to a C file: the table of contents of the compiler."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from composit.numpy.views.layout import InOrder
from composit.program import Program
from mosaic.algorithms.attention import NAME as ATTENTION
from mosaic.algorithms.attention import UNFUSED
from mosaic.algorithms.choosing import Choice
from mosaic.algorithms.record import Lowering
from mosaic.codegen.group_kernels import KernelEmitter
from mosaic.codegen.module import emit_module
from mosaic.compiled import CompiledProgram
from mosaic.ir.kinds import Kind
from mosaic.ir.statements import IrProgram, Matmul
from mosaic.lowering import lower_program
from mosaic.lowering.registry import Memory
from mosaic.matmul.blocking import Blocking
from mosaic.passes.assign_memory import assign_memory, constant_offsets
from mosaic.passes.choose_output_layouts import choose_output_layouts
from mosaic.passes.describe import describe_kernel
from mosaic.passes.describe_compiled import constant_places, describe_steps
from mosaic.passes.exchange_products import exchange_products
from mosaic.passes.find_donations import find_donations
from mosaic.passes.fuse_attention import fuse_attention
from mosaic.passes.fuse_epilogues import fuse_epilogues
from mosaic.passes.fuse_rows import fuse_rows
from mosaic.passes.inline_elementwise import inline_elementwise
from mosaic.passes.join_column_reductions import join_column_reductions
from mosaic.passes.order_axes import order_axes
from mosaic.passes.pass_by_caches import pass_by_caches
from mosaic.passes.read_before_updates import read_before_updates
from mosaic.passes.remove_fences import remove_fences
from mosaic.passes.remove_unused import remove_unused
from mosaic.passes.schedule import Machine, schedule
from mosaic.passes.split_reductions import split_reductions
from mosaic.passes.split_regions import regions_of, split_regions
from mosaic.passes.stages import FoldedProgram, Plans, Steps
from mosaic.passes.store_constants import store_constants
from mosaic.passes.store_filters import store_filters
from mosaic.passes.store_panels import store_panels
from mosaic.passes.tile_scheme import TileScheme
from mosaic.passes.validate import validate
from mosaic.passes.write_as_read import write_as_read
from mosaic.passes.write_in_place import write_in_place
from mosaic.targets import Target

Report = Callable[[str, float], None]
Observer = Callable[[str, object], None]
Pass = Callable[[IrProgram], IrProgram]


@dataclass(frozen=True, slots=True)
class Options:
    """The options of a compilation.

    as_numpy:    outputs lie in memory as numpy's would, else in row-major order
    keep_packed: the panels of an input are kept as long as its array, if that is read-only
    """

    target: Target
    fuse: bool = True
    reuse_buffers: bool = True
    keep_packed: bool = False
    as_numpy: bool = False
    tile_scheme: TileScheme = field(default_factory=TileScheme)


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be compiled.

    known:  the values of constant instructions by position, from `fold_constants`; none of them shows in the result
    inputs: the leaves whose values a run gives, in the order in which it gives them
    choices: the algorithms of instructions that have any
    """

    program: Program
    known: Mapping[int, np.ndarray]
    options: Options
    inputs: tuple[int, ...]
    choices: tuple[Choice, ...] = ()

    @property
    def lowerings(self) -> dict[int, Lowering]:
        """What lowers the instructions that have algorithms; an attention's second product is lowered as a product."""
        return {each.position: each.algorithm.lower for each in self.choices if each.occurrence.operation != ATTENTION}

    @property
    def unfused(self) -> frozenset[int]:
        """The second products of attentions that stay by themselves."""
        return frozenset(each.position for each in self.choices if each.algorithm.name == UNFUSED)


def compile_program(
    request: Request, report: Report, observe: Observer = lambda name, program: None
) -> CompiledProgram:
    """Return the C file for a program, and how to run it.

    observe: called after each pass with its name and what it returned; its text is what `mosaic.stages` shows
    """
    program, known, options = request.program, request.known, request.options
    target = options.target
    observe("fold_constants", FoldedProgram(program, known))
    memory = Memory()
    checked: dict[int, Kind] = {}
    ir = validate(lower_program(program, known, request.inputs, memory, request.lowerings), checked)
    observe("lower_program", ir)
    lowered = frozenset(origin for statement in ir.statements for origin in statement.origins)
    report("fuse", 0.1)
    for change in _passes(request, memory):
        ir = validate(change(ir), checked)
        observe(name_of(change), ir)
    steps, offsets = split_regions(ir), constant_offsets(ir)
    observe("split_regions", Steps(steps))
    regions = regions_of(steps)
    plans = tuple(assign_memory(region, options.reuse_buffers, offsets) for region in regions)
    observe("assign_memory", Plans(plans))
    report("emit C", 0.2)
    emitter = KernelEmitter(target)
    kernels = [[emitter.emit(group, describe_kernel(group, program)) for group in region.groups] for region in regions]
    module = emit_module(kernels, [plan.place_of for plan in plans], [plan.status_origins for plan in plans])
    observe("emit_module", module.source)
    described = tuple(describe_steps(steps, plans, module.launches))
    places = constant_places(ir, offsets, known)
    parts = (ir.inputs, ir.input_positions, ir.outputs, places, frozenset(known), lowered)
    return CompiledProgram(module.source, described, *parts, find_donations(ir, program))


def _passes(request: Request, memory: Memory) -> Iterator[Pass]:
    """Yield the passes from lowered statements to groups on panels, in order."""
    options = request.options
    yield remove_unused
    yield partial(read_before_updates, memory=memory)
    if options.fuse:
        yield inline_elementwise
        if options.as_numpy and not any(isinstance(each.operation, InOrder) for each in request.program.instructions):
            yield partial(choose_output_layouts, memory=memory)
        yield write_as_read
        yield order_axes
        yield partial(exchange_products, memory=memory)
        yield partial(split_reductions, memory=memory)
        yield partial(fuse_epilogues, memory=memory)
    yield partial(fuse_rows, memory=memory, fuse=options.fuse)
    if options.fuse:
        yield partial(fuse_attention, unfused=request.unfused)
        yield partial(join_column_reductions, memory=memory)
    yield partial(remove_fences, memory=memory)

    def blocking_of_panels(matmul: Matmul) -> Blocking:
        return options.tile_scheme.blocking_of_panels(matmul, options.target)

    yield partial(store_panels, memory=memory, blocking=blocking_of_panels, keep_packed=options.keep_packed)
    yield partial(store_filters, memory=memory, target=options.target, keep_packed=options.keep_packed)
    yield store_constants
    yield write_in_place
    yield partial(schedule, machine=Machine(options.target, options.tile_scheme.blocking))
    yield partial(pass_by_caches, target=options.target)


def name_of(change: Pass) -> str:
    """Return the name of a pass, which is its function's."""
    function = change.func if isinstance(change, partial) else change
    return str(function.__name__)
