"""A kernel without loops, calls and asserts as expressions over elements, in which each branch is a `where`.

    if x < 0: y = 0         y = where(less(x, 0), 0, multiply(x, x))
    else: y = x * x

Such a kernel is fused with its neighbours and runs in vectors, with mosaic's own exp, log and so on. Both branches are
computed for each element, so branches that take long stay branches.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from composit.kernels import arithmetic as a
from composit.kernels.exits import without_exits
from composit.kernels.language import (
    BOOL,
    FLOAT,
    INT,
    Apply,
    Assign,
    Body,
    Constant,
    Function,
    If,
    Kind,
    Return,
    Select,
    Unit,
    Variable,
)
from composit.kernels.language import Expression as KernelExpression
from composit.kernels.scalar_functions import num_factors
from composit.kernels.walking import expressions, statements, variables
from mosaic.codegen.elementwise import is_compiled
from mosaic.ir import expressions as ir
from mosaic.kernels.scalar_c import is_cheap
from mosaic.lowering.registry import Context, NoLowering

Chosen: TypeAlias = ir.Expression

_MOST_ALGORITHMS_IN_BRANCHES = 2
"""Calls of exp and the like under conditions. One takes 0.3 ns in a vector and 5 ns alone, so it pays above a tenth of elements."""
_MOST_STATEMENTS = 200


def as_selects(unit: Unit, float_dtype: np.dtype, context: Context) -> tuple[Chosen, ...] | None:
    """Return an expression for each result, None where a loop over elements is the better form.

    Values that are read several times become definitions of the context.
    """
    if len(unit.functions) > 1 or not _is_cheap(unit.entry):
        return None
    function = without_exits(unit.entry)
    before = len(context.statements)
    try:
        return _Selector(function, float_dtype, context).results()
    except NoLowering:
        del context.statements[before:]
        return None


def _is_cheap(function: Function) -> bool:
    found = list(statements(function.body))
    if len(found) > _MOST_STATEMENTS or not all(isinstance(each, Assign | If | Return) for each in found):
        return False
    return _algorithms_in_branches(function.body, False) <= _MOST_ALGORITHMS_IN_BRANCHES


def _algorithms_in_branches(body: Body, is_branch: bool) -> int:
    count = 0
    for statement in body:
        for expression in expressions(statement):
            count += _algorithms(expression, is_branch)
        if isinstance(statement, If):
            count += sum(_algorithms_in_branches(each, True) for each in (statement.then, statement.otherwise))
    return count


def _algorithms(expression: KernelExpression, is_branch: bool) -> int:
    if isinstance(expression, Select):
        inner = (expression.then, expression.otherwise)
        return _algorithms(expression.condition, is_branch) + sum(_algorithms(each, True) for each in inner)
    own = is_branch and not is_cheap(expression)
    operands = expression.operands if isinstance(expression, Apply) else ()
    return own + sum(_algorithms(each, is_branch) for each in operands)


@dataclass(slots=True)
class _Selector:
    """Runs a function on expressions in place of numbers."""

    function: Function
    float_dtype: np.dtype
    context: Context
    reads: Counter[str] = field(init=False)

    def __post_init__(self) -> None:
        found = [each for statement in statements(self.function.body) for each in expressions(statement)]
        self.reads = Counter(each.name for expression in found for each in variables(expression))

    def results(self) -> tuple[Chosen, ...]:
        """Return the values that the function returns."""
        context, shape = self.context, self.context.types[0].shape
        known = {
            each.name: context.load(number, shape, self.dtype(each.kind))
            for number, each in enumerate(self.function.parameters)
        }
        last = self.function.body[-1]
        assert isinstance(last, Return), "there is one return, at the end"
        after = self.run(self.function.body[:-1], known)
        return tuple(self.value(each, after) for each in last.values)

    def dtype(self, kind: Kind) -> np.dtype:
        """Return the dtype of a kind."""
        return {BOOL: np.dtype(np.bool), INT: np.dtype(np.int64), FLOAT: self.float_dtype}[kind]

    def run(self, body: Body, known: Mapping[str, Chosen]) -> dict[str, Chosen]:
        """Return the variables behind a body."""
        after = dict(known)
        for statement in body:
            if isinstance(statement, Assign):
                value = self.value(statement.value, after)
                after[statement.target.name] = self.kept(value) if self.reads[statement.target.name] > 1 else value
            else:
                assert isinstance(statement, If), "checked before"
                after = self.branch(statement, after)
        return after

    def branch(self, statement: If, known: Mapping[str, Chosen]) -> dict[str, Chosen]:
        """Return the variables behind an `If`; one that only one branch gives a value is read by nobody."""
        then, otherwise = self.run(statement.then, known), self.run(statement.otherwise, known)
        names = [name for name in then if name in otherwise]
        differing = [name for name in names if then[name] is not otherwise[name]]
        condition = self.value(statement.condition, known)
        condition = self.kept(condition) if len(differing) > 1 else condition
        after = {name: then[name] for name in names}
        for name in differing:
            chosen = ir.Apply("where", (condition, then[name], otherwise[name]), then[name].dtype)
            after[name] = self.kept(chosen) if self.reads[name] > 1 else chosen
        return after

    def kept(self, value: Chosen) -> Chosen:
        """Return a value that is read several times: a definition of its own, unless it is a load or a constant."""
        if isinstance(value, ir.Load | ir.Literal):
            return value
        shape = self.context.types[0].shape
        return ir.Load(self.context.define(self.context.memory.temporary(shape, value.dtype), value))

    def value(self, expression: KernelExpression, known: Mapping[str, Chosen]) -> Chosen:
        """Return the value of an expression."""
        match expression:
            case Constant(value, kind):
                return ir.literal(value, self.dtype(kind))
            case Variable(name):
                return known[name]
            case Select(condition, then, otherwise):
                return self.select(condition, then, otherwise, known)
            case Apply():
                return self.apply(expression, known)
        raise NoLowering("an expression of another kind")

    def select(
        self,
        condition: KernelExpression,
        then: KernelExpression,
        otherwise: KernelExpression,
        known: Mapping[str, Chosen],
    ) -> Chosen:
        """Return ``where``, or the operation on truth values that it stands for."""
        test = self.value(condition, known)
        if otherwise == a.FALSE:
            return ir.Apply("logical_and", (test, self.value(then, known)), test.dtype)
        if then == a.TRUE:
            return ir.Apply("logical_or", (test, self.value(otherwise, known)), test.dtype)
        first, second = self.value(then, known), self.value(otherwise, known)
        return ir.Apply("where", (test, first, second), first.dtype)

    def apply(self, expression: Apply, known: Mapping[str, Chosen]) -> Chosen:
        """Return a function of values."""
        values = [self.value(each, known) for each in expression.operands]
        name, dtype = expression.function, self.dtype(expression.kind)
        if num_factors(expression):
            base = self.kept(values[0])
            result = base
            for _ in range(num_factors(expression) - 1):
                result = ir.Apply("multiply", (result, base), dtype)
            return result
        if name in ("float", "int"):
            return ir.convert(values[0], dtype)
        if name.endswith("_to_int"):
            rounding = {"round_to_int": "rint", "floor_to_int": "floor", "ceil_to_int": "ceil"}[name]
            return ir.convert(ir.Apply(rounding, (values[0],), values[0].dtype), dtype)
        if not is_compiled(name, [each.dtype for each in values]):
            raise NoLowering(f"{name} has no C on vectors")
        return ir.Apply(name, tuple(values), dtype)
