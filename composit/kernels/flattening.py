"""Gives a name to each value that a derivative reads: what both kinds of derivatives start from.

    y = exp(x * x) + z      ->      product = x * x
                                    value = exp(product)
                                    y = value + z

Precondition:   any function
Postcondition:  the same values in the same order. A function whose derivative reads its result is computed in an assignment
                of its own; operands that a derivative reads are variables or constants; a variable occurs in what is
                assigned to it only as a term, as in `y = y + x`; arguments of calls and returned floats are variables.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache

from composit.kernels.language import (
    FLOAT,
    Apply,
    Assign,
    Body,
    Call,
    Constant,
    Expression,
    For,
    Function,
    If,
    Push,
    Return,
    Select,
    Statement,
    Variable,
    While,
)
from composit.kernels.scalar_functions import FUNCTIONS, terms
from composit.kernels.values import is_atom
from composit.kernels.walking import Names, all_variables, names

_WORDS = {"multiply": "product", "divide": "quotient", "add": "total", "subtract": "difference", "power": "powered"}


def flattened(function: Function) -> Function:
    """Return the function with names for all values that derivatives read."""
    flattener = _Flattener(Names({*all_variables(function)}))
    return replace(function, body=flattener.body(function.body))


@lru_cache(maxsize=512)
def reads_of_derivative(function: str, constants: tuple[Constant | None, ...]) -> tuple[tuple[bool, ...], bool]:
    """Return which operands the derivative of a function reads, and whether it reads the result; `constants` are known."""
    operands = tuple(each or Variable(f"operand {number}", FLOAT) for number, each in enumerate(constants))
    found = terms(Apply(function, operands, FLOAT), Variable("cotangent", FLOAT), Variable("result", FLOAT))
    wanted = [each for each, known in zip(found, constants, strict=True) if each is not None and known is None]
    read = names(*wanted)
    return tuple(f"operand {number}" in read for number in range(len(operands))), "result" in read


def is_active(expression: Expression) -> bool:
    """Whether a cotangent may flow into an expression."""
    if expression.kind is not FLOAT or isinstance(expression, Constant):
        return False
    if isinstance(expression, Apply):
        row = FUNCTIONS[expression.function]
        return row.derivative is not None and any(map(is_active, expression.operands))
    return True


def own_term(target: Variable, value: Expression) -> tuple[str, Expression] | None:
    """Return the function and the other operand of ``y + x``, ``x + y`` or ``y - x`` for the variable y, None of others."""
    if isinstance(value, Apply) and value.function in ("add", "subtract") and value.kind is FLOAT:
        left, right = value.operands
        if left == target and target.name not in names(right):
            return value.function, right
        if right == target and value.function == "add" and target.name not in names(left):
            return value.function, left
    return None


def _is_again(expression: Expression) -> bool:
    """Whether the way back may compute an expression again: a constant, a variable, or an int as a float."""
    is_converted = isinstance(expression, Apply) and expression.function == "float" and is_atom(expression.operands[0])
    return is_atom(expression) or is_converted


@dataclass(slots=True)
class _Flattener:
    """names: for new variables; statements: what stands in front of the present statement."""

    names: Names
    statements: list[Statement] = field(default_factory=list)

    def body(self, body: Body) -> Body:
        """Return a body, flattened."""
        outer, self.statements = self.statements, []
        for statement in body:
            self.statements.append(self.statement(statement))
        done, self.statements = tuple(self.statements), outer
        return done

    def statement(self, statement: Statement) -> Statement:
        """Return a statement; what it needs before it is appended to the statements."""
        match statement:
            case Assign(target, value, line):
                return Assign(target, self._assigned(target, value, line), line)
            case Call(targets, _, arguments):
                given = tuple(self._named(each, "argument", statement.line) for each in arguments)
                own = tuple(self._apart(each, given) for each in targets)
                self.statements.append(replace(statement, targets=own, arguments=given))
                copies = [
                    Assign(*pair, statement.line) for pair in zip(targets, own, strict=True) if pair[0] != pair[1]
                ]
                self.statements.extend(copies)
                return self.statements.pop()
            case If(_, then, otherwise):
                return replace(statement, then=self.body(then), otherwise=self.body(otherwise))
            case While(_, body) | For(_, _, _, _, body):
                return replace(statement, body=self.body(body))
            case Push(_, value):
                return replace(statement, value=self._named(value, "kept", statement.line))
            case Return(values):
                return replace(statement, values=tuple(self._named(each, "result", statement.line) for each in values))
        return statement

    def _apart(self, target: Variable, given: tuple[Expression, ...]) -> Variable:
        """Return a variable for a result of a call, a new one where the target is an argument too."""
        if target.name not in names(*given):
            return target
        return Variable(self.names.fresh("value"), target.kind)

    def _assigned(self, target: Variable, value: Expression, line: int) -> Expression:
        if not is_active(value):
            return value
        if own_term(target, value) is not None:
            assert isinstance(value, Apply), "a term of a sum"
            parts = [each if each == target else self.flat(each, line) for each in value.operands]
            return replace(value, operands=tuple(parts))
        done = self.flat(value, line, is_root=True)
        if isinstance(done, Variable) or target.name not in names(done):
            return done
        return self._stored(done, "kept", line)

    def _stored(self, value: Expression, wish: str, line: int) -> Variable:
        target = Variable(self.names.fresh(wish), value.kind)
        self.statements.append(Assign(target, value, line))
        return target

    def _named(self, value: Expression, wish: str, line: int) -> Expression:
        if is_atom(value):
            return value
        done = self.flat(value, line, is_root=True)
        return done if is_atom(done) else self._stored(done, wish, line)

    def flat(self, expression: Expression, line: int, is_root: bool = False) -> Expression:
        """Return an expression whose operands are named where the derivative reads them."""
        if is_atom(expression) or not is_active(expression):
            return expression
        if isinstance(expression, Select):
            return self._select(expression, line)
        assert isinstance(expression, Apply), "the only other kind"
        constants = tuple(each if isinstance(each, Constant) else None for each in expression.operands)
        reads, reads_result = reads_of_derivative(expression.function, constants)
        operands = []
        for operand, is_read in zip(expression.operands, reads, strict=True):
            done = self.flat(operand, line)
            operands.append(done if _is_again(done) or not is_read else self._stored(done, self._wish(done), line))
        result = replace(expression, operands=tuple(operands))
        return result if is_root or not reads_result else self._stored(result, self._wish(result), line)

    def _wish(self, expression: Expression) -> str:
        return _WORDS.get(expression.function, "value") if isinstance(expression, Apply) else "value"

    def _select(self, expression: Select, line: int) -> Expression:
        """Return a choice between atoms as it is, and an `If` for any other."""
        if is_atom(expression.then) and is_atom(expression.otherwise):
            return expression
        chosen = Variable(self.names.fresh("chosen"), expression.kind)
        then, otherwise = (self.body((Assign(chosen, each, line),)) for each in (expression.then, expression.otherwise))
        self.statements.append(If(expression.condition, then, otherwise, line))
        return chosen
