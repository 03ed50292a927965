"""The passes in order, from a Program to a C file: the table of contents of the compiler."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from composit.program import Program
from mosaic.codegen.kernels import KernelEmitter
from mosaic.codegen.module import Module, emit_module
from mosaic.ir import IrProgram
from mosaic.ir_views import Buffer
from mosaic.lowering import lower_program
from mosaic.lowering.registry import Memory
from mosaic.passes.assign_memory import MemoryPlan, assign_memory, constant_offsets
from mosaic.passes.describe import describe_kernel
from mosaic.passes.fold_constants import fold_constants
from mosaic.passes.form_groups import form_groups
from mosaic.passes.fuse_attention import fuse_attention
from mosaic.passes.fuse_epilogues import fuse_epilogues
from mosaic.passes.inline_elementwise import inline_elementwise
from mosaic.passes.remove_unused import remove_unused
from mosaic.passes.split_reductions import split_reductions
from mosaic.passes.split_regions import Region, Step, split_regions
from mosaic.passes.store_panels import store_panels
from mosaic.passes.validate import validate
from mosaic.targets import Target
from mosaic.tiling.scheme import TileScheme

Report = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Options:
    """What decides how a program is compiled, apart from the program.

    keep_packed: the panels of an input are kept as long as its array, if that is read-only
    """

    target: Target
    fuse: bool = True
    reuse_buffers: bool = True
    keep_packed: bool = False
    tile_scheme: TileScheme = field(default_factory=TileScheme)


@dataclass(frozen=True, slots=True)
class CompiledProgram:
    """All that is known before the C compiler runs.

    steps:    regions and islands in order, with the memory plan of each region
    lowered:  the instructions that became statements; the others are views, constants or repetitions
    """

    ir: IrProgram
    steps: tuple[Step, ...]
    plans: tuple[MemoryPlan, ...]
    module: Module
    constant_offsets: dict[Buffer, int]
    constant_positions: frozenset[int]
    lowered: frozenset[int]


def compile_program(
    program: Program, constants: Mapping[int, np.ndarray], options: Options, inputs: Sequence[int], report: Report
) -> CompiledProgram:
    """Return the C file for a program, and how to run it.

    `constants` are the values of leaves, by position; `inputs` are the leaves whose values a run gives, in order.
    """
    memory, target, scheme = Memory(), options.target, options.tile_scheme
    known = fold_constants(program, constants)
    ir = validate(lower_program(program, known, inputs, memory))
    lowered = frozenset(origin for statement in ir.statements for origin in statement.origins)
    ir = validate(remove_unused(ir))
    report("fuse", 0.1)
    if options.fuse:
        ir = validate(inline_elementwise(ir))
        ir = validate(split_reductions(ir, memory))
        ir = validate(fuse_epilogues(ir))
    ir = validate(form_groups(ir, options.fuse))
    if options.fuse:
        ir = validate(fuse_attention(ir))
    ir = validate(store_panels(ir, memory, lambda matmul: scheme.panel_width(matmul, target), options.keep_packed))
    steps, offsets = split_regions(ir), constant_offsets(ir)
    regions = [step for step in steps if isinstance(step, Region)]
    plans = tuple(assign_memory(region, options.reuse_buffers, offsets) for region in regions)
    report("emit C", 0.2)
    emitter = KernelEmitter(target, lambda matmul: scheme.blocking(matmul, target))
    kernels = [[emitter.emit(group, describe_kernel(group, program)) for group in region.groups] for region in regions]
    module = emit_module(kernels, [plan.address for plan in plans], [plan.num_status for plan in plans])
    return CompiledProgram(ir, steps, plans, module, offsets, frozenset(known), lowered)
