"""From the tree of a Python expression to a value of the language.

Calls of functions become statements in front of the expression. Where Python might not compute a part (`a and f(x)`,
`f(x) if c else y`), such a part becomes an `If`.
"""

from __future__ import annotations

import ast

import numpy as np

from composit.kernels import arithmetic as a
from composit.kernels import calls
from composit.kernels.builder import Builder
from composit.kernels.language import (
    BOOL,
    FLOAT,
    INT,
    Apply,
    Assign,
    Constant,
    Expression,
    If,
    Select,
    Statement,
    Variable,
)
from composit.kernels.values import Value, form_of, joined_forms, leaves, shaped, words

_BINARY: dict[type[ast.operator], str] = {
    ast.Add: "add",
    ast.Sub: "subtract",
    ast.Mult: "multiply",
    ast.FloorDiv: "floor_divide",
    ast.Mod: "remainder",
}
_BITWISE: dict[type[ast.operator], str] = {
    ast.BitAnd: "bitwise_and",
    ast.BitOr: "bitwise_or",
    ast.BitXor: "bitwise_xor",
}
_COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Lt: "less",
    ast.LtE: "less_equal",
    ast.Gt: "greater",
    ast.GtE: "greater_equal",
    ast.Eq: "equal",
    ast.NotEq: "not_equal",
}
_LARGEST_TUPLE = 64
"""Tuples are written out item by item, in the language and in C."""


def number(builder: Builder, node: ast.expr) -> Expression:
    """Return an expression that is one number."""
    value = build(builder, node)
    if isinstance(value, tuple):
        raise builder.error(
            node, f"a {words(form_of(value))} was given where a number is needed", "take one of its items"
        )
    return value


def condition(builder: Builder, node: ast.expr) -> Expression:
    """Return the truth value of an expression, as Python takes it: a number that is not 0 is true."""
    return a.convert(number(builder, node), BOOL)


def integer(builder: Builder, node: ast.expr, what: str) -> Expression:
    """Return an expression that is an int."""
    value = number(builder, node)
    if value.kind is FLOAT:
        raise builder.error(
            node, f"{what} is a float", "write int(...) around it, or keep ints and floats in variables of their own"
        )
    return a.convert(value, INT)


def build(builder: Builder, node: ast.expr) -> Value:
    """Return the value of an expression."""
    match node:
        case ast.Constant(value):
            return constant(builder, node, value)
        case ast.Name(id=name):
            return _name(builder, node, name)
        case ast.BinOp(left, operator, right):
            return _binary(builder, node, number(builder, left), operator, number(builder, right))
        case ast.UnaryOp(operator, operand):
            return _unary(builder, operator, operand)
        case ast.Compare():
            return _compare(builder, node)
        case ast.BoolOp():
            return _logical(builder, node)
        case ast.IfExp():
            return _conditional(builder, node)
        case ast.Call():
            return calls.call(builder, node)
        case ast.Tuple(elts=items) | ast.List(elts=items):
            return tuple(build(builder, item) for item in items)
        case ast.ListComp():
            return _comprehension(builder, node)
        case ast.Subscript(value, index):
            return _item(builder, node, build(builder, value), index)
        case ast.Attribute():
            return _attribute(builder, node)
    raise builder.error(
        node, f"`{ast.unparse(node)}` is not in the language of kernels", "compute with numbers and tuples"
    )


def constant(builder: Builder, node: ast.AST, value: object) -> Value:
    """Return a value from outside of the function as a constant."""
    if isinstance(value, bool | np.bool):
        return a.TRUE if value else a.FALSE
    if isinstance(value, int | np.integer):
        return a.integer(int(value))
    if isinstance(value, float | np.floating):
        return a.real(float(value))
    if isinstance(value, tuple | list) and len(value) <= _LARGEST_TUPLE:
        return tuple(constant(builder, node, item) for item in value)
    raise builder.error(
        node,
        f"{value!r:.60} of type {type(value).__name__} is no number",
        "expected bool, int, float or tuples of these; pass arrays as arguments of the kernel",
    )


def _name(builder: Builder, node: ast.Name, name: str) -> Value:
    scope = builder.scope
    if name in scope.fixed:
        return scope.fixed[name]
    if name in scope.forms.variables:
        if not scope.has(name):
            raise builder.error(
                node,
                f"`{name}` may have no value here",
                "assign to it before the `if` or the loop, on every way to this line",
            )
        return scope.read(name)
    try:
        return constant(builder, node, builder.source.outer(name))
    except KeyError:
        raise builder.error(node, f"the name `{name}` is not defined", "assign to it before it is read") from None


def _attribute(builder: Builder, node: ast.Attribute) -> Value:
    return constant(builder, node, calls.resolved(builder, node))


def _binary(builder: Builder, node: ast.AST, left: Expression, operator: ast.operator, right: Expression) -> Expression:
    if isinstance(operator, ast.Div):
        return a.arithmetic("divide", left, right)
    if isinstance(operator, ast.Pow):
        return power(builder, node, left, right)
    if type(operator) in _BITWISE:
        return _bitwise(builder, node, _BITWISE[type(operator)], left, right)
    return a.arithmetic(_BINARY[type(operator)], left, right)


def augmented(builder: Builder, node: ast.AugAssign, present: Expression) -> Expression:
    """Return the value of ``present operator= value``."""
    return _binary(builder, node, present, node.op, number(builder, node.value))


def _bitwise(builder: Builder, node: ast.AST, name: str, left: Expression, right: Expression) -> Expression:
    if left.kind is BOOL and right.kind is BOOL:
        if name == "bitwise_xor":
            return a.comparison("not_equal", left, right)
        return a.both(left, right) if name == "bitwise_and" else a.either(left, right)
    if FLOAT in (left.kind, right.kind):
        raise builder.error(node, "bits of a float were asked for", "convert it with int(...)")
    return Apply(name, (a.convert(left, INT), a.convert(right, INT)), INT)


def power(builder: Builder, node: ast.AST, base: Expression, exponent: Expression) -> Expression:
    """Return a power; small whole exponents are products."""
    if FLOAT not in (base.kind, exponent.kind):
        if isinstance(exponent, Constant) and exponent.value >= 0:
            return Apply("power", (a.convert(base, INT), a.convert(exponent, INT)), INT)
        raise builder.error(
            node,
            "an int was raised to a power that may be negative",
            "write float(base) ** exponent, which is a float in each case",
        )
    return a.function("power", a.convert(base, FLOAT), a.convert(exponent, FLOAT))


def _unary(builder: Builder, operator: ast.unaryop, operand: ast.expr) -> Expression:
    if isinstance(operator, ast.Not):
        return a.negated(condition(builder, operand))
    value = number(builder, operand)
    value = a.convert(value, a.joined(INT, value.kind))
    return a.negative(value) if isinstance(operator, ast.USub) else value


def _compare(builder: Builder, node: ast.Compare) -> Expression:
    """Return ``a < b < c`` as ``a < b and b < c``, with b computed once."""
    names = [_COMPARISONS[type(operator)] for operator in node.ops]
    left = number(builder, node.left)
    first, *others = zip(names, node.comparators, strict=True)
    right = number(builder, first[1])
    if others:
        right = builder.scope.temporary(right, "between", node.lineno)
    result = a.comparison(first[0], left, right)
    for name, comparator in others:
        with builder.scope.block() as hoisted:
            following = number(builder, comparator)
        # The others are computed in any case: they are numbers without effects, or calls, which a chain keeps in order.
        builder.scope.statements.extend(hoisted)
        following = builder.scope.temporary(following, "between", node.lineno)
        result = a.both(result, a.comparison(name, right, following))
        right = following
    return result


def _logical(builder: Builder, node: ast.BoolOp) -> Expression:
    """Return ``a and b`` or ``a or b`` of truth values."""
    is_and = isinstance(node.op, ast.And)
    result = _truth(builder, node.values[0])
    for each in node.values[1:]:
        with builder.scope.block() as hoisted:
            following = _truth(builder, each)
        if hoisted:
            following = _chosen(builder, node, result, is_and, hoisted, following)
            result = following
        else:
            result = a.both(result, following) if is_and else a.either(result, following)
    return result


def _truth(builder: Builder, node: ast.expr) -> Expression:
    value = number(builder, node)
    if value.kind is not BOOL:
        raise builder.error(node, "`and` and `or` of numbers were asked for", "compare them: `x != 0 and y != 0`")
    return value


def _chosen(
    builder: Builder, node: ast.expr, first: Expression, is_and: bool, hoisted: list[Statement], following: Expression
) -> Variable:
    """Return the truth value of a pair whose second part needs statements, which run where the part is computed."""
    target = builder.scope.stored(first, "holds", node.lineno)
    then = (*hoisted, Assign(target, following, node.lineno))
    test = target if is_and else a.negated(target)
    builder.scope.emit(If(test, then, (), node.lineno))
    return target


def _conditional(builder: Builder, node: ast.IfExp) -> Value:
    scope, test = builder.scope, condition(builder, node.test)
    with scope.block() as first:
        then = build(builder, node.body)
    with scope.block() as second:
        otherwise = build(builder, node.orelse)
    form = joined_forms(form_of(then), form_of(otherwise))
    if form is None:
        raise builder.error(
            node,
            f"one value is a {words(form_of(then))}, the other a {words(form_of(otherwise))}",
            "give both the same items",
        )
    pairs = list(zip(leaves(then), leaves(otherwise), strict=True))
    kinds = [a.joined(one.kind, other.kind) for one, other in pairs]
    if not (first or second) and len(pairs) == 1:
        return Select(test, a.convert(pairs[0][0], kinds[0]), a.convert(pairs[0][1], kinds[0]), kinds[0])
    chosen = [Variable(scope.names.fresh("chosen"), kind) for kind in kinds]
    for target, (one, other) in zip(chosen, pairs, strict=True):
        first.append(Assign(target, a.convert(one, target.kind), node.lineno))
        second.append(Assign(target, a.convert(other, target.kind), node.lineno))
    scope.emit(If(test, tuple(first), tuple(second), node.lineno))
    return shaped(form, iter(chosen))


def _item(builder: Builder, node: ast.Subscript, value: Value, index: ast.expr) -> Value:
    if not isinstance(value, tuple):
        raise builder.error(node, f"`{ast.unparse(node.value)}` is a number and was indexed", "index tuples")
    place = number(builder, index)
    if not isinstance(place, Constant):
        raise builder.error(
            node,
            "a tuple was indexed with a number that is computed",
            "index with a number, or with the variable of a list comprehension",
        )
    position = int(place.value)
    if not -len(value) <= position < len(value):
        raise builder.error(
            node, f"item {position} of a tuple of {len(value)} was asked for", f"index from 0 to {len(value) - 1}"
        )
    return value[position]


def turns(builder: Builder, node: ast.expr) -> tuple[Value, ...] | None:
    """Return the values over which a loop is written out: a tuple, or a range with numbers; None for another range."""
    if isinstance(node, ast.Call) and calls.python_function(builder, node.func) is range:
        bounds = [integer(builder, each, "a bound of range") for each in node.args]
        if not all(isinstance(each, Constant) for each in bounds):
            return None
        known = range(*(int(each.value) for each in bounds if isinstance(each, Constant)))
        return tuple(a.integer(each) for each in known) if len(known) <= _LARGEST_TUPLE else None
    value = build(builder, node)
    if isinstance(value, tuple):
        return value
    raise builder.error(node, "a loop over a number was asked for", "loop over range(...) or a tuple")


def _comprehension(builder: Builder, node: ast.ListComp) -> Value:
    """Return ``[f(i) for i in range(3)]`` as the tuple of its items."""
    (generator, *others) = node.generators
    if others or generator.ifs or not isinstance(generator.target, ast.Name):
        raise builder.error(
            node,
            "a comprehension with several loops, `if` or several names was given",
            "write [f(i) for i in range(3)]",
        )
    values = turns(builder, generator.iter)
    if values is None:
        raise builder.error(
            node, "the length of a list is computed", "build lists of a fixed length, up to 64: range(3)"
        )
    fixed, name = builder.scope.fixed, generator.target.id
    outer = fixed.get(name)
    items = []
    for value in values:
        fixed[name] = value
        items.append(build(builder, node.elt))
    if outer is None:
        fixed.pop(name, None)
    else:
        fixed[name] = outer
    return tuple(items)
