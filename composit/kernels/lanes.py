"""Runs a function on many elements at once, with numpy: each variable is an array with one element, or lane, per call.

A branch runs only on the lanes that take it, and a loop only on the lanes that have not left it. So for each element exactly
that is computed which Python would compute. Elements are taken in blocks whose variables fit in the cache.

Weakness: where lanes go different ways, their elements are gathered before each operation and scattered behind it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import reduce, singledispatchmethod
from typing import Any, TypeAlias

import numpy as np

from composit.errors import KernelAssertionError, KernelError
from composit.kernels.language import (
    BOOL,
    FLOAT,
    INT,
    Apply,
    Assert,
    Assign,
    Body,
    Break,
    Call,
    Constant,
    Continue,
    Expression,
    For,
    Function,
    If,
    Kind,
    Pop,
    Push,
    Return,
    Select,
    Unit,
    Variable,
    While,
)
from composit.kernels.scalar_functions import FUNCTIONS, num_factors
from composit.operation import Array, Dtype

_BLOCK = 1 << 14
"""Elements of a block: ten variables of float64 take 1.3 MB."""
_DEEPEST = 400
"""Calls inside of calls, as Python limits its own recursion: one of ours takes two or three of Python's."""
# The lanes that a statement runs on: their positions, or None for all.
Active: TypeAlias = "Array | None"


def run_on_arrays(unit: Unit, arrays: Sequence[Array], num_elements: int, float_dtype: Dtype) -> tuple[Array, ...]:
    """Return the results of the unit's first function, called on each element of flat arrays of one length.

    Raises:  KernelAssertionError: an assert does not hold for an element
    """
    function = unit.entry
    dtypes = {BOOL: np.dtype(np.bool), INT: np.dtype(np.int64), FLOAT: float_dtype}
    given = [
        array.astype(dtypes[each.kind], copy=False) for array, each in zip(arrays, function.parameters, strict=True)
    ]
    results = tuple(np.empty(num_elements, dtypes[kind]) for kind in function.results)
    for start in range(0, num_elements, _BLOCK):
        stop = min(start + _BLOCK, num_elements)
        values = _call(_Machine(unit, dtypes), function, [each[start:stop] for each in given], stop - start)
        for result, value in zip(results, values, strict=True):
            result[start:stop] = value
    return results


@dataclass(slots=True)
class _Machine:
    """What all calls of one run share.

    unit:   the functions
    dtypes: the dtype of each kind of value
    depth:  how many calls are being run, each inside of the one before
    """

    unit: Unit
    dtypes: dict[Kind, Dtype]
    depth: int = 0


def _call(machine: _Machine, function: Function, arguments: Sequence[Array], num_lanes: int) -> list[Array]:
    if machine.depth > _DEEPEST:
        raise KernelError(f"{function.name}: it called itself {_DEEPEST} times; expected fewer; write a loop")
    frame = _Frame(machine, function, num_lanes)
    for variable, value in zip(function.parameters, arguments, strict=True):
        frame.values[variable.name] = value
    machine.depth += 1
    frame.run(function.body, None)
    machine.depth -= 1
    return frame.results


@dataclass(slots=True)
class _Exits:
    """The lanes that left the innermost loop, or its present turn."""

    broken: list[Active] = field(default_factory=list)
    continued: list[Active] = field(default_factory=list)


class _Stack:
    """A stack of each lane: rows of an array, and how many of them each lane has."""

    __slots__ = ("depths", "rows")

    def __init__(self, num_lanes: int) -> None:
        self.depths = np.zeros(num_lanes, np.int64)
        self.rows: Array | None = None

    def push(self, values: Array, active: Active) -> None:
        """Put a value on the stack of each active lane."""
        lanes = np.arange(len(self.depths)) if active is None else active
        depths = self.depths[lanes]
        needed = int(depths.max(initial=-1)) + 1
        if self.rows is None:
            self.rows = np.empty((4, len(self.depths)), values.dtype)
        if needed > len(self.rows):
            grown = np.empty((2 * needed, len(self.depths)), self.rows.dtype)
            grown[: len(self.rows)] = self.rows
            self.rows = grown
        self.rows[depths, lanes] = values
        self.depths[lanes] += 1

    def pop(self, active: Active) -> Array:
        """Take the value off the stack of each active lane."""
        assert self.rows is not None, "derivatives take off what they have put on"
        lanes = np.arange(len(self.depths)) if active is None else active
        self.depths[lanes] -= 1
        return self.rows[self.depths[lanes], lanes]


class _Frame:
    """One call on some lanes.

    values: each variable's array, over all lanes of the call
    owned:  the variables whose arrays nothing else has, so that some of their lanes may be written to
    taken:  the lanes of variables that were gathered last, with the array of positions
    """

    __slots__ = ("function", "loops", "machine", "num_lanes", "owned", "results", "stacks", "taken", "values")

    def __init__(self, machine: _Machine, function: Function, num_lanes: int) -> None:
        self.machine, self.function, self.num_lanes = machine, function, num_lanes
        self.values: dict[str, Array] = {}
        self.owned: set[str] = set()
        self.taken: dict[str, tuple[Active, Array]] = {}
        self.loops: list[_Exits] = []
        self.stacks: dict[str, _Stack] = {}
        self.results = [np.zeros(num_lanes, machine.dtypes[kind]) for kind in function.results]

    def count(self, active: Active) -> int:
        """Return how many lanes are active."""
        return self.num_lanes if active is None else len(active)

    def run(self, body: Body, active: Active) -> Active:
        """Run statements on the active lanes; return the lanes that reached the end without break, continue or return."""
        for statement in body:
            if active is not None and not len(active):
                break
            active = self.step(statement, active)
        return active

    def read(self, variable: Variable, active: Active) -> Array:
        """Return the value of a variable on the active lanes."""
        whole = self.values[variable.name]
        if active is None:
            return whole
        lanes, known = self.taken.get(variable.name, (None, whole))
        if lanes is not active:
            known = whole[active]
            self.taken[variable.name] = active, known
        return known

    def write(self, target: Variable, value: Array, active: Active, is_fresh: bool = True) -> None:
        """Give a variable a value on the active lanes; `is_fresh`: nothing else has the array."""
        name = target.name
        if active is None:
            self.values[name] = value
            (self.owned.add if is_fresh else self.owned.discard)(name)
            self.taken.pop(name, None)
            return
        if name not in self.owned:
            present = self.values.get(name)
            dtype = self.machine.dtypes[target.kind]
            self.values[name] = np.zeros(self.num_lanes, dtype) if present is None else present.copy()
            self.owned.add(name)
        self.values[name][active] = value
        self.taken[name] = active, value

    @singledispatchmethod
    def step(self, statement: Any, active: Active) -> Active:  # Any: a statement, for singledispatchmethod
        """Run a statement on the active lanes; return the lanes on which the next statement runs."""
        raise TypeError(f"step: {type(statement).__name__} is no statement")

    @step.register
    def _(self, statement: Assign, active: Active) -> Active:
        value = self.compute(statement.value, active)
        source = statement.value if isinstance(statement.value, Variable) else None
        if source is not None and active is None:
            # After `y = x` both variables hold the same array, so neither may be written in place.
            self.owned.discard(source.name)
        self.write(statement.target, value, active, is_fresh=source is None)
        return active

    @step.register
    def _(self, statement: Call, active: Active) -> Active:
        arguments = [self.compute(each, active) for each in statement.arguments]
        called = self.machine.unit.function(statement.function)
        for target, value in zip(
            statement.targets, _call(self.machine, called, arguments, self.count(active)), strict=True
        ):
            self.write(target, value, active)
        return active

    @step.register
    def _(self, statement: If, active: Active) -> Active:
        holds = self.compute(statement.condition, active)
        if holds.all():
            return self.run(statement.then, active)
        if not holds.any():
            return self.run(statement.otherwise, active)
        then = self.run(statement.then, self.chosen(holds, active))
        otherwise = self.run(statement.otherwise, self.chosen(~holds, active))
        return self.merged(active, then, otherwise)

    def chosen(self, holds: Array, active: Active) -> Active:
        """Return the active lanes where something holds."""
        return np.flatnonzero(holds) if active is None else active[holds]

    def merged(self, before: Active, *parts: Active) -> Active:
        """Return the lanes of several parts of those before; the same object if they are all."""
        found = [each for each in parts if each is not None]
        if len(found) < len(parts):
            return None
        lanes = np.sort(np.concatenate(found)) if found else np.empty(0, np.int64)
        return before if len(lanes) == self.count(before) else lanes

    @step.register
    def _(self, statement: While, active: Active) -> Active:
        exits, inside = _Exits(), active
        self.loops.append(exits)
        ended: list[Active] = []
        while self.count(inside):
            holds = self.compute(statement.condition, inside)
            if not holds.all():
                ended.append(self.chosen(~holds, inside))
                inside = self.chosen(holds, inside)
            if self.count(inside):
                inside = self._turn(statement.body, inside, exits)
        self.loops.pop()
        return self.merged(active, *ended, *exits.broken)

    def _turn(self, body: Body, inside: Active, exits: _Exits) -> Active:
        """Run the body of a loop, and return the lanes that go on with the next turn."""
        exits.continued = []
        came = self.run(body, inside)
        return self.merged(inside, came, *exits.continued) if exits.continued else came

    @step.register
    def _(self, statement: For, active: Active) -> Active:
        start, stop = (self.compute(each, active) for each in (statement.start, statement.stop))
        step = statement.step
        counts = _num_turns(start, stop, step)
        first = start + (counts - 1) * step if statement.is_reversed else start
        moves = -step if statement.is_reversed else step
        whole_first, whole_counts = (self._over_all(each, active) for each in (first, counts))
        exits, inside = _Exits(), active
        self.loops.append(exits)
        ended: list[Active] = []
        turn = 0
        while self.count(inside):
            left = (whole_counts if inside is None else whole_counts[inside]) > turn
            if not left.all():
                ended.append(self.chosen(~left, inside))
                inside = self.chosen(left, inside)
                if not self.count(inside):
                    break
            here = whole_first if inside is None else whole_first[inside]
            self.write(statement.variable, here + turn * moves, inside)
            inside = self._turn(statement.body, inside, exits)
            turn += 1
        self.loops.pop()
        return self.merged(active, *ended, *exits.broken)

    def _over_all(self, values: Array, active: Active) -> Array:
        if active is None:
            return values
        whole = np.zeros(self.num_lanes, values.dtype)
        whole[active] = values
        return whole

    @step.register
    def _(self, statement: Break, active: Active) -> Active:
        self.loops[-1].broken.append(self._all_of(active))
        return np.empty(0, np.int64)

    @step.register
    def _(self, statement: Continue, active: Active) -> Active:
        self.loops[-1].continued.append(self._all_of(active))
        return np.empty(0, np.int64)

    def _all_of(self, active: Active) -> Active:
        return np.arange(self.num_lanes) if active is None else active

    @step.register
    def _(self, statement: Return, active: Active) -> Active:
        for number, value in enumerate(statement.values):
            computed = self.compute(value, active)
            if active is None:
                self.results[number] = computed
            else:
                self.results[number][active] = computed
        return np.empty(0, np.int64)

    @step.register
    def _(self, statement: Assert, active: Active) -> Active:
        if not self.compute(statement.condition, active).all():
            raise failed_assertion(self.function, statement)
        return active

    @step.register
    def _(self, statement: Push, active: Active) -> Active:
        stack = self.stacks.setdefault(statement.stack, _Stack(self.num_lanes))
        stack.push(self.compute(statement.value, active), active)
        return active

    @step.register
    def _(self, statement: Pop, active: Active) -> Active:
        self.write(statement.target, self.stacks[statement.stack].pop(active), active)
        return active

    def compute(self, expression: Expression, active: Active) -> Array:
        """Return the value of an expression on the active lanes."""
        match expression:
            case Constant(value, kind):
                return np.full(self.count(active), value, self.machine.dtypes[kind])
            case Variable():
                return self.read(expression, active)
            case Select():
                return self._select(expression, active)
        return self._apply(expression, active)

    def _apply(self, expression: Apply, active: Active) -> Array:
        if num_factors(expression):
            base = self.compute(expression.operands[0], active)
            return reduce(np.multiply, [base] * num_factors(expression))
        row, dtype = FUNCTIONS[expression.function], self.machine.dtypes[expression.kind]
        operands = [
            self.machine.dtypes[each.kind].type(each.value)
            if isinstance(each, Constant)
            else self.compute(each, active)
            for each in expression.operands
        ]
        result = np.asarray(row.of_arrays(*operands))
        return result.astype(dtype, copy=False) if result.ndim else np.full(self.count(active), result, dtype)

    def _select(self, expression: Select, active: Active) -> Array:
        holds = self.compute(expression.condition, active)
        if holds.all():
            return self.compute(expression.then, active)
        if not holds.any():
            return self.compute(expression.otherwise, active)
        result = np.empty(self.count(active), self.machine.dtypes[expression.kind])
        result[holds] = self.compute(expression.then, self.chosen(holds, active))
        result[~holds] = self.compute(expression.otherwise, self.chosen(~holds, active))
        return result


def _num_turns(start: Array, stop: Array, step: int) -> Array:
    """Return len(range(start, stop, step)) of each element."""
    counts: Array = np.maximum(0, (stop - start + (step - 1 if step > 0 else step + 1)) // step)
    return counts


def failed_assertion(function: Function, statement: Assert) -> KernelAssertionError:
    """Return the error for an assert that does not hold."""
    where = f'File "{function.place}", line {statement.line}, in {function.name}'
    return KernelAssertionError(
        f"{statement.message}\n  {where}: the assert does not hold for an element; expected it to hold for all; check the arguments"
    )
