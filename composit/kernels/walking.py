"""Walks over expressions and statements: what they read, what they assign, which names they use."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from composit.kernels.language import (
    Apply,
    Assert,
    Assign,
    Body,
    Break,
    Call,
    Continue,
    Expression,
    For,
    Function,
    If,
    Pop,
    Push,
    Return,
    Select,
    Statement,
    Variable,
    While,
)


def operands(expression: Expression) -> tuple[Expression, ...]:
    """Return the direct subexpressions."""
    if isinstance(expression, Apply):
        return expression.operands
    if isinstance(expression, Select):
        return (expression.condition, expression.then, expression.otherwise)
    return ()


def parts(expression: Expression) -> Iterator[Expression]:
    """Yield every subexpression, the expression itself first."""
    stack = [expression]
    while stack:
        part = stack.pop()
        yield part
        stack.extend(operands(part)[::-1])


def variables(expression: Expression) -> Iterator[Variable]:
    """Yield the variables that an expression reads."""
    for part in parts(expression):
        if isinstance(part, Variable):
            yield part


def names(*expressions: Expression) -> frozenset[str]:
    """Return the names of the variables that expressions read."""
    return frozenset(each.name for expression in expressions for each in variables(expression))


def expressions(statement: Statement) -> tuple[Expression, ...]:
    """Return the expressions of a statement, not those of the statements in it."""
    match statement:
        case Assign(_, value) | Push(_, value):
            return (value,)
        case If(condition) | While(condition) | Assert(condition):
            return (condition,)
        case For(_, start, stop):
            return (start, stop)
        case Call(_, _, arguments):
            return arguments
        case Return(values):
            return values
    return ()


def bodies(statement: Statement) -> tuple[Body, ...]:
    """Return the bodies of a statement."""
    if isinstance(statement, If):
        return (statement.then, statement.otherwise)
    return (statement.body,) if isinstance(statement, While | For) else ()


def targets(statement: Statement) -> tuple[Variable, ...]:
    """Return the variables to which the statement itself assigns."""
    if isinstance(statement, Assign | Pop):
        return (statement.target,)
    if isinstance(statement, For):
        return (statement.variable,)
    return statement.targets if isinstance(statement, Call) else ()


def statements(body: Body) -> Iterator[Statement]:
    """Yield every statement of a body, those inside of others too, in the order of the text."""
    for statement in body:
        yield statement
        for inner in bodies(statement):
            yield from statements(inner)


def read_names(body: Body) -> frozenset[str]:
    """Return the names that a body reads anywhere."""
    return frozenset(name for each in statements(body) for name in names(*expressions(each)))


def assigned_names(body: Body) -> frozenset[str]:
    """Return the names to which a body assigns anywhere."""
    return frozenset(variable.name for each in statements(body) for variable in targets(each))


def assignments(function: Function) -> Counter[str]:
    """Return how often each variable may be assigned; twice for a place in a loop, and parameters count once more."""
    counts: Counter[str] = Counter(each.name for each in function.parameters)

    def count(body: Body, weight: int) -> None:
        for statement in body:
            is_loop = isinstance(statement, For | While)
            for variable in targets(statement):
                counts[variable.name] += weight
            for inner in bodies(statement):
                count(inner, 2 if is_loop else weight)

    count(function.body, 1)
    return counts


def all_variables(function: Function) -> dict[str, Variable]:
    """Return every variable of a function by its name, parameters first, in the order of the text."""
    found = {each.name: each for each in function.parameters}
    for statement in statements(function.body):
        for variable in targets(statement):
            found.setdefault(variable.name, variable)
    return found


def stacks(function: Function) -> tuple[str, ...]:
    """Return the names of a function's stacks."""
    return tuple(dict.fromkeys(each.stack for each in statements(function.body) if isinstance(each, Push | Pop)))


def may_leave(body: Body) -> bool:
    """Whether a statement may leave the body before its end: a return, or an exit of a loop around the body."""
    for statement in body:
        if isinstance(statement, Return | Break | Continue):
            return True
        if isinstance(statement, If) and any(map(may_leave, bodies(statement))):
            return True
        if isinstance(statement, For | While) and returns(statement.body):
            return True
    return False


def returns(body: Body) -> bool:
    """Whether a body contains a return."""
    return any(isinstance(each, Return) for each in statements(body))


def always_leaves(body: Body) -> bool:
    """Whether no way through a body comes to its end."""
    if not body:
        return False
    last = body[-1]
    if isinstance(last, If):
        return always_leaves(last.then) and always_leaves(last.otherwise)
    return isinstance(last, Return | Break | Continue)


class Names:
    """Names that are not in use yet, made from wishes."""

    def __init__(self, taken: frozenset[str] | set[str] = frozenset()) -> None:
        self._taken = set(taken)

    def fresh(self, wish: str) -> str:
        """Return the wish itself, or with the first number that makes it new."""
        name, number = wish, 1
        while name in self._taken:
            number += 1
            name = f"{wish}_{number}"
        self._taken.add(name)
        return name
