"""Forward derivatives: a function that returns the results and their tangents, from the arguments and their tangents.

    def square(x):              def square_jvp(x, dx):
        y = x * x       ->          y = x * x
        return y                    dy = dx * x + dx * x
                                    return y, dy

Each assignment is followed by that of the tangent. The ways through the function stay as they are.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from composit.kernels import arithmetic as a
from composit.kernels.flattening import flattened, is_active
from composit.kernels.language import (
    FLOAT,
    Apply,
    Assign,
    Body,
    Call,
    Expression,
    For,
    Function,
    If,
    Pop,
    Push,
    Return,
    Select,
    Statement,
    Unit,
    Variable,
    While,
)
from composit.kernels.scalar_functions import terms
from composit.kernels.tangents import Tangents, derivative_names


def jvp_unit(unit: Unit) -> Unit:
    """Return the unit whose first function computes the results of the given one and their tangents."""
    renamed = derivative_names(unit, "jvp")
    functions = [_Forward(flattened(each), renamed, unit).function() for each in unit.functions]
    return Unit(tuple(functions))


@dataclass(slots=True)
class _Forward:
    """One function; `renamed` has the name of each function's derivative."""

    primal: Function
    renamed: dict[str, str]
    unit: Unit
    tangents: Tangents

    def __init__(self, primal: Function, renamed: dict[str, str], unit: Unit) -> None:
        self.primal, self.renamed, self.unit = primal, renamed, unit
        self.tangents = Tangents(primal)

    def function(self) -> Function:
        """Return the derivative."""
        primal = self.primal
        tangents = tuple(self.tangents.of(each) for each in primal.parameters if each.kind is FLOAT)
        body = self._body(primal.body)
        names = (
            *primal.names,
            *(f"d{name}" for name, kind in zip(primal.names, primal.results, strict=True) if kind is FLOAT),
        )
        results = (*primal.results, *(FLOAT for kind in primal.results if kind is FLOAT))
        return replace(
            primal,
            name=self.renamed[primal.name],
            parameters=(*primal.parameters, *tangents),
            results=results,
            names=names,
            body=body,
        )

    def _body(self, body: Body) -> Body:
        return tuple(part for statement in body for part in self._statement(statement))

    def _statement(self, statement: Statement) -> Body:
        match statement:
            case Assign(target, value, line):
                return self._assign(statement, target, value, line)
            case Call(targets, function, arguments, line):
                further = tuple(self._tangent(each, each) for each in arguments if each.kind is FLOAT)
                results = (*targets, *(self.tangents.of(each) for each in targets if each.kind is FLOAT))
                return (Call(results, self.renamed[function], (*arguments, *further), line),)
            case If(condition, then, otherwise, line):
                return (If(condition, self._body(then), self._body(otherwise), line),)
            case While(_, body) | For(_, _, _, _, body):
                return (replace(statement, body=self._body(body)),)
            case Return(values, line):
                further = tuple(self._tangent(each, each) for each in values if each.kind is FLOAT)
                return (Return((*values, *further), line),)
            case Push(stack, value) if value.kind is FLOAT:
                return (statement, Push(self.tangents.of_stack(stack), self._tangent(value, value), statement.line))
            case Pop(target, stack) if target.kind is FLOAT:
                return (statement, Pop(self.tangents.of(target), self.tangents.of_stack(stack), statement.line))
        return (statement,)

    def _assign(self, statement: Assign, target: Variable, value: Expression, line: int) -> Body:
        if target.kind is not FLOAT:
            return (statement,)
        tangent = Assign(self.tangents.of(target), self._tangent(value, target), line)
        # `y = y + x`: the tangent reads no values, so it may stand on either side.
        return statement, tangent

    def _tangent(self, expression: Expression, result: Expression) -> Expression:
        """Return the tangent of an expression; `result` holds its value."""
        if not is_active(expression):
            return a.ZERO
        if isinstance(expression, Variable):
            return self.tangents.of(expression)
        if isinstance(expression, Select):
            then, otherwise = (self._tangent(each, each) for each in (expression.then, expression.otherwise))
            return Select(expression.condition, then, otherwise, FLOAT)
        assert isinstance(expression, Apply), "the only other kind"
        total: Expression = a.ZERO
        for number, operand in enumerate(expression.operands):
            tangent = self._tangent(operand, operand)
            term = None if tangent == a.ZERO else terms(expression, tangent, result)[number]
            total = total if term is None else a.add(total, term)
        return total
