"""`KernelLoop`: the statement that calls a kernel on each element, and how it is scheduled and emitted.

The C compiler makes vectors of the loop where the function is free of branches; where not, each element takes its own.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from composit.kernels.language import Call, For, While
from composit.kernels.operation import KernelUnit
from composit.kernels.walking import statements
from mosaic import c
from mosaic.codegen.expressions import status_buffer
from mosaic.codegen.group_kernels import KernelRequest, emit_kernel
from mosaic.codegen.operands import Operands
from mosaic.codegen.row_kernel import KernelCode, schedule_of, task_bounds
from mosaic.ir.expressions import Gather
from mosaic.ir.kinds import Kind
from mosaic.ir.schedule import Schedule
from mosaic.ir.statements import Group
from mosaic.ir.views import View, listed
from mosaic.kernels.functions import facts_of, unit_helper
from mosaic.kernels.scalar_c import DOUBLE, FLOAT32, ctype_of
from mosaic.passes import describe
from mosaic.passes import schedule as scheduling

_ELEMENTS_OF_TASK = 8 * 1024
_ELEMENTS_OF_LOOPING_TASK = 512
"""Elements of a task: with loops or calls an element may take microseconds."""


@dataclass(frozen=True, slots=True, eq=False)
class KernelLoop(Kind):
    """``results[i] = kernel(operands[i])`` for each i. Views are of one axis, and dense; an operand of one element is for all.

    checks: one for a kernel that can fail: the place to which it writes why
    """

    results: tuple[View, ...]
    operands: tuple[View, ...]
    kernel: KernelUnit
    float_name: str
    checks: tuple[Gather, ...]
    origins: tuple[int, ...]

    def reads(self) -> Iterator[View]:
        """Yield the views it loads from."""
        yield from self.operands

    def writes(self) -> Iterator[View]:
        """Yield the views it fills."""
        yield from self.results

    def checked_indices(self) -> Iterator[Gather]:
        """Yield what stands for the place of a failure."""
        yield from self.checks

    def __str__(self) -> str:
        operands = ", ".join(map(str, self.operands))
        return f"{', '.join(map(str, self.results))} = {self.kernel.unit.entry.name}({operands})"


@scheduling.schedule_of.register
def _(first: KernelLoop, group: Group, machine: scheduling.Machine) -> Schedule:
    inner = [each for function in first.kernel.unit.functions for each in statements(function.body)]
    is_looping = any(isinstance(each, For | While | Call) for each in inner)
    per_task = _ELEMENTS_OF_LOOPING_TASK if is_looping else _ELEMENTS_OF_TASK
    size = first.results[0].size
    tasks = math.ceil(size / per_task)
    per_task = math.ceil(size / tasks)
    return Schedule(machine.target.vector_bytes, 1, math.ceil(size / per_task), per_task)


@describe.shapes_text.register
def _(stage: KernelLoop) -> str:
    results = ", ".join(f"[{listed(view.extents)}] {view.dtype}" for view in stage.results)
    return f"  {stage.kernel.unit.entry.name} into {results}"


@emit_kernel.register
def _(first: KernelLoop, request: KernelRequest) -> KernelCode:
    return _Emitter(first, schedule_of(request.group), Operands()).code(request.comment)


@dataclass(slots=True)
class _Emitter:
    loop: KernelLoop
    schedule: Schedule
    operands: Operands

    def code(self, comment: str) -> KernelCode:
        """Return the kernel, whose tasks are ranges of elements."""
        loop = self.loop
        unit = loop.kernel.unit
        facts = facts_of(unit, DOUBLE if loop.float_name == "float64" else FLOAT32, f"_{loop.kernel.digest.hex()[:8]}")
        helper = unit_helper(facts)
        status = self._status()
        body = (
            c.Declare(c.Pointer(c.pointer(c.void), is_const=False), "operands", c.Name("context")),
            *(() if self.schedule.num_tasks > 1 else (c.ExpressionStatement(c.Cast(c.void, c.Name("task"))),)),
        )
        before, behind = self._around(len(facts.stacks) if facts.with_tapes else 0, status)
        turn = self._turn(helper.name, bool(facts.with_tapes), status is not None)
        bounds: tuple[c.Statement, ...] = ()
        start, stop = c.literal(0), c.literal(loop.results[0].size)
        if self.schedule.num_tasks > 1:
            bounds = task_bounds(self.schedule, stop)
            start, stop = c.Name("start"), c.Name("stop")
        counted = c.loop("i", stop, *turn, start=start)
        body = (*body, *self.operands.declarations(), *bounds, *before, counted, *behind)
        return KernelCode(body, comment, (helper,), self.operands.listed(), self.schedule.num_tasks)

    def _status(self) -> c.Name | None:
        if not self.loop.checks:
            return None
        (check,) = self.loop.checks
        return self.operands.pointer(View(status_buffer, check.origin, (1,), (1,)), is_written=True)

    def _around(self, num_tapes: int, status: c.Name | None) -> tuple[c.Body, c.Body]:
        """Return what stands before the loop, and behind it."""
        before: list[c.Statement] = []
        behind: list[c.Statement] = []
        if num_tapes:
            zeros = c.InitializerList((c.InitializerList((c.literal(0),)),) * num_tapes)
            before.append(c.Declare(c.ArrayType(c.NamedType("kernel_tape"), num_tapes), "tapes", zeros))
            entries = [c.Member(c.Name("tapes")[number], "entries") for number in range(num_tapes)]
            behind += [c.call("free", each) for each in entries]
        if status is not None:
            before.append(c.Declare(c.int64, "failed", c.literal(0)))
            behind.append(c.If(c.Name("failed"), (c.Assign(c.dereference(status), c.Name("failed")),)))
        return tuple(before), tuple(behind)

    def _turn(self, name: str, has_tapes: bool, can_fail: bool) -> c.Body:
        """Return the call for one element."""
        loop, i = self.loop, c.Name("i")
        entry = loop.kernel.unit.entry
        floats = DOUBLE if loop.float_name == "float64" else FLOAT32
        given: list[c.Expression] = []
        for view, parameter in zip(loop.operands, entry.parameters, strict=True):
            element = self.operands.pointer(view)[c.literal(0) if view.size == 1 else i]
            ctype = ctype_of(parameter.kind, floats)
            given.append(element if view.dtype == np.dtype(loop.float_name) else c.Cast(ctype, element))
        own = [*((c.Name("tapes"),) if has_tapes else ()), *((c.address_of(c.Name("failed")),) if can_fail else ())]
        places = [self.operands.pointer(view, is_written=True)[i] for view in loop.results]
        ends = (c.If(c.Name("failed"), (c.Break(),)),) if can_fail else ()
        if len(places) == 1:
            return (c.Assign(places[0], c.Call(name, (*given, *own))), *ends)
        outs = [c.Name(f"out_{number}") for number in range(len(places))]
        declared = [c.Declare(ctype_of(kind, floats), out.text) for out, kind in zip(outs, entry.results, strict=True)]
        called = c.call(name, *given, *map(c.address_of, outs), *own)
        return (*declared, called, *(c.Assign(*pair) for pair in zip(places, outs, strict=True)), *ends)
