"""Calls in a kernel: functions of numbers by any of their names, min and max, conversions, and other kernels."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

from composit.errors import KernelNameError
from composit.kernels import arithmetic as a
from composit.kernels import expressions
from composit.kernels.builder import Builder
from composit.kernels.language import BOOL, FLOAT, INT, Apply, Call, Expression, Select, Variable
from composit.kernels.names_of_functions import function_of_module, function_of_object
from composit.kernels.scalar_functions import FUNCTIONS
from composit.kernels.values import Value, form_of, joined_forms, kinds, leaves, shaped, words

Arguments = Sequence[Value]


def python_function(builder: Builder, node: ast.expr) -> object:
    """Return the object that is called, None if the name means nothing outside of the function."""
    if isinstance(node, ast.Name) and node.id in builder.scope.forms.variables:
        return None
    try:
        return resolved(builder, node)
    except KeyError:
        return None


def resolved(builder: Builder, node: ast.expr) -> Any:  # Any: whatever the user's name means
    """Return the object of a name or of a dotted name.

    Raises:  KernelError: it is no such name, or an attribute of something that is no module
    """
    if isinstance(node, ast.Name):
        try:
            return builder.source.outer(node.id)
        except KeyError:
            error = builder.error(
                node, f"the name `{node.id}` is not defined", "import it, or define it before the first call"
            )
            raise KernelNameError(*error.args) from None
    if isinstance(node, ast.Attribute):
        base = resolved(builder, node.value) if not _is_variable(builder, node.value) else None
        if isinstance(base, ModuleType) and hasattr(base, node.attr):
            return getattr(base, node.attr)
    raise builder.error(
        node,
        f"`{ast.unparse(node)}` is not in the language of kernels",
        "write functions of math or numpy: math.exp(x)",
    )


def _is_variable(builder: Builder, node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id in builder.scope.forms.variables


def call(builder: Builder, node: ast.Call) -> Value:
    """Return the value of a call."""
    name = _our_name(builder, node.func)
    if name is not None:
        if node.keywords:
            raise builder.error(node, f"`{ast.unparse(node)}` has keywords", "give the arguments by position")
        arguments = [expressions.build(builder, each) for each in node.args]
        return _of_table(builder, node, name, arguments)
    callee = resolved(builder, node.func)
    if callee is range:
        raise builder.error(node, "range was called outside of a loop", "write `for i in range(n)`")
    source = builder.functions.source_of(callee)
    if source is None:
        raise builder.error(
            node,
            f"`{ast.unparse(node.func)}` is no function of the language of kernels",
            "call functions of math, numpy's functions of numbers, kernels, or Python functions of the same language",
        )
    arguments = _bound(builder, node, source.function)
    found = builder.functions.callee(source, tuple(map(form_of, arguments)))
    given = _converted(builder, node, arguments, found.parameters)
    targets = tuple(Variable(builder.scope.names.fresh("value"), kind) for kind in kinds(found.result))
    builder.scope.emit(Call(targets, found.name, given, node.lineno))
    return shaped(found.result, iter(targets))


def _our_name(builder: Builder, node: ast.expr) -> str | None:
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name | ast.Attribute):
        base = None if _is_variable(builder, node.value) else resolved(builder, node.value)
        return function_of_module(base, node.attr) if isinstance(base, ModuleType) else None
    return function_of_object(python_function(builder, node)) if isinstance(node, ast.Name) else None


def _bound(builder: Builder, node: ast.Call, function: Callable[..., object]) -> list[Value]:
    """Return the arguments in the order of a function's parameters, with its defaults."""
    given = [expressions.build(builder, each) for each in node.args]
    named = {each.arg: expressions.build(builder, each.value) for each in node.keywords if each.arg is not None}
    try:
        bound = inspect.signature(function).bind(*given, **named)
    except TypeError as error:
        raise builder.error(
            node, f"`{ast.unparse(node)}`: {error}", "give the arguments that the function takes"
        ) from error
    missing = {
        name: each.default
        for name, each in inspect.signature(function).parameters.items()
        if name not in bound.arguments
    }
    defaults = {name: expressions.constant(builder, node, value) for name, value in missing.items()}
    return [{**bound.arguments, **defaults}[name] for name in inspect.signature(function).parameters]


def _converted(
    builder: Builder, node: ast.Call, arguments: Arguments, parameters: Sequence[Any]
) -> tuple[Expression, ...]:
    converted: list[Expression] = []
    for value, form in zip(arguments, parameters, strict=True):
        if joined_forms(form_of(value), form) != form:
            raise builder.error(
                node,
                f"a {words(form_of(value))} was given for a parameter that is a {words(form)}",
                "convert it, or change the annotation",
            )
        converted += [a.convert(each, kind) for each, kind in zip(leaves(value), kinds(form), strict=True)]
    return tuple(converted)


def _of_table(builder: Builder, node: ast.Call, name: str, arguments: Arguments) -> Value:
    if name in _WITH_TUPLES:
        return _WITH_TUPLES[name](builder, node, arguments)
    numbers = [_one_number(builder, node, each) for each in arguments]
    composed = _COMPOSED.get(name)
    row = FUNCTIONS.get(name)
    if composed is not None:
        count, compose = composed
    else:
        assert row is not None, "every name is composed, takes tuples, or has a row"
        count = len(row.operands) if row.operands is not None else row.text.count("{")
    if name == "log" and len(numbers) == 2:
        return a.divide(
            a.function("log", a.convert(numbers[0], FLOAT)), a.function("log", a.convert(numbers[1], FLOAT))
        )
    if len(numbers) != count:
        raise builder.error(node, f"`{ast.unparse(node)}` has {len(numbers)} arguments", f"give {count}")
    if composed is not None:
        return compose(builder, node, numbers)
    assert row is not None, "checked above"
    if row.operands is None:
        return a.arithmetic(name, *numbers)
    given = tuple(a.convert(each, kind) for each, kind in zip(numbers, row.operands, strict=True))
    return Apply(name, given, row.result or given[0].kind)


def _one_number(builder: Builder, node: ast.Call, value: Value) -> Expression:
    if isinstance(value, tuple):
        raise builder.error(
            node, f"`{ast.unparse(node)}` was given a tuple", "give numbers, or unroll it with a comprehension"
        )
    return value


def _kept(builder: Builder, node: ast.AST, *values: Expression) -> list[Expression]:
    return [builder.scope.temporary(each, "operand", getattr(node, "lineno", 0)) for each in values]


def _conversion(kind: Any) -> Callable[..., Expression]:
    return lambda builder, node, numbers: a.convert(numbers[0], kind)


def _whole(name: str) -> Callable[..., Expression]:
    """A function from floats to ints; ints stay as they are."""

    def compose(builder: Builder, node: ast.AST, numbers: Sequence[Expression]) -> Expression:
        (x,) = numbers
        return Apply(name, (x,), INT) if x.kind is FLOAT else a.convert(x, INT)

    return compose


def _of_floats(rule: Callable[..., Expression]) -> Callable[..., Expression]:
    def compose(builder: Builder, node: ast.AST, numbers: Sequence[Expression]) -> Expression:
        return rule(*_kept(builder, node, *(a.convert(each, FLOAT) for each in numbers)))

    return compose


def _where(builder: Builder, node: ast.AST, numbers: Sequence[Expression]) -> Expression:
    test, then, otherwise = numbers
    kind = a.joined(then.kind, otherwise.kind)
    return Select(a.convert(test, BOOL), a.convert(then, kind), a.convert(otherwise, kind), kind)


def _sigmoid(x: Expression) -> Expression:
    """1 / (1 + exp(-x))"""
    return a.divide(a.ONE, a.function("add", a.ONE, a.function("exp", a.negative(x))))


_COMPOSED: dict[str, tuple[int, Callable[..., Expression]]] = {
    "float": (1, _conversion(FLOAT)),
    "bool": (1, _conversion(BOOL)),
    "int": (1, _conversion(INT)),
    "round_to_int": (1, _whole("round_to_int")),
    "floor_to_int": (1, _whole("floor_to_int")),
    "ceil_to_int": (1, _whole("ceil_to_int")),
    "power": (2, lambda builder, node, numbers: expressions.power(builder, node, *numbers)),
    "where": (3, _where),
    "square": (1, lambda builder, node, numbers: a.arithmetic("multiply", *(_kept(builder, node, *numbers) * 2))),
    "reciprocal": (1, _of_floats(lambda x: a.divide(a.ONE, x))),
    "rsqrt": (1, _of_floats(lambda x: a.divide(a.ONE, a.function("sqrt", x)))),
    "sigmoid": (1, _of_floats(_sigmoid)),
    "relu": (1, _of_floats(lambda x: a.function("maximum", x, a.ZERO))),
    "clip": (3, _of_floats(lambda x, low, high: a.function("minimum", a.function("maximum", x, low), high))),
}


def _items(builder: Builder, node: ast.Call, arguments: Arguments) -> list[Expression]:
    """Return the numbers of ``min(a, b)`` or ``min((a, b))``."""
    values = arguments[0] if len(arguments) == 1 else tuple(arguments)
    if not isinstance(values, tuple) or any(isinstance(each, tuple) for each in values):
        raise builder.error(
            node, f"`{ast.unparse(node)}` needs several numbers", "give numbers, or one tuple of numbers"
        )
    return list(leaves(values))


def _extremum(compare: str) -> Callable[..., Value]:
    """Python's min and max: the first of equal ones, and NaN only where it comes first."""

    def rule(builder: Builder, node: ast.Call, arguments: Arguments) -> Value:
        numbers = _items(builder, node, arguments)
        if not numbers:
            raise builder.error(node, "the extremum of nothing was asked for", "give at least one number")
        kind = a.joined(INT, *(each.kind for each in numbers))
        first, *others = _kept(builder, node, *(a.convert(each, kind) for each in numbers))
        for number, each in enumerate(others):
            chosen = Select(a.comparison(compare, each, first), each, first, kind)
            first = chosen if number == len(others) - 1 else builder.scope.temporary(chosen, "extremum", node.lineno)
        return first

    return rule


def _sum(builder: Builder, node: ast.Call, arguments: Arguments) -> Value:
    numbers = _items(builder, node, arguments)
    result: Expression = a.integer(0)
    for number, each in enumerate(numbers):
        # Python's sum begins with 0, and 0 + x is x but for -0.0.
        result = each if number == 0 and each.kind is not BOOL else a.arithmetic("add", result, each)
    return result


def _dot(builder: Builder, node: ast.Call, arguments: Arguments) -> Value:
    if len(arguments) != 2:
        raise builder.error(node, f"`{ast.unparse(node)}` has {len(arguments)} arguments", "give two tuples")
    left, right = (_items(builder, node, [each]) for each in arguments)
    if len(left) != len(right):
        raise builder.error(
            node, f"tuples of {len(left)} and {len(right)} numbers were multiplied", "give tuples of one length"
        )
    products = tuple(a.arithmetic("multiply", *pair) for pair in zip(left, right, strict=True))
    return _sum(builder, node, [products])


def _length(builder: Builder, node: ast.Call, arguments: Arguments) -> Value:
    if len(arguments) != 1 or not isinstance(arguments[0], tuple):
        raise builder.error(node, f"`{ast.unparse(node)}` was asked for", "ask for the length of a tuple")
    return a.integer(len(arguments[0]))


_WITH_TUPLES: dict[str, Callable[..., Value]] = {
    "min": _extremum("less"),
    "max": _extremum("greater"),
    "sum": _sum,
    "dot": _dot,
    "len": _length,
}
