"""From the statements of a Python function to those of the language."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from composit.kernels import arithmetic as a
from composit.kernels import calls, expressions
from composit.kernels.builder import Builder
from composit.kernels.language import (
    INT,
    Assert,
    Body,
    Break,
    Constant,
    Continue,
    Expression,
    For,
    If,
    Return,
    Variable,
    While,
)
from composit.kernels.values import Value, form_of, joined_forms, kinds, leaves, names_of_items, words
from composit.kernels.walking import names


def build_body(builder: Builder, body: Sequence[ast.stmt]) -> Body:
    """Return the statements of a body."""
    with builder.scope.block() as statements:
        for node in body:
            if builder.scope.assigned is None:
                break  # no way leads here
            _build(builder, node)
    return tuple(statements)


def _build(builder: Builder, node: ast.stmt) -> None:
    match node:
        case ast.Assign(targets, value):
            given = expressions.build(builder, value)
            for target in targets:
                _assign(builder, node, target, given)
        case ast.AnnAssign(target, _, value):
            if value is not None:
                _assign(builder, node, target, expressions.build(builder, value))
        case ast.AugAssign(target):
            present = expressions.number(builder, _loaded(builder, target))
            _assign(builder, node, target, expressions.augmented(builder, node, present))
        case ast.Return(value):
            _return(builder, node, value)
        case ast.If():
            _if(builder, node)
        case ast.While():
            _while(builder, node)
        case ast.For():
            _for(builder, node)
        case ast.Break() | ast.Continue():
            _leave(builder, node)
        case ast.Assert(test, message):
            text = ast.literal_eval(message) if isinstance(message, ast.Constant) else ast.unparse(message or test)
            builder.scope.emit(Assert(expressions.condition(builder, test), str(text), node.lineno))
        case ast.Pass() | ast.Expr(ast.Constant()):
            pass
        case ast.Expr(value):
            expressions.build(builder, value)
        case _:
            raise builder.error(
                node, f"`{ast.unparse(node)}` is not in the language of kernels", "assign, branch, loop and return"
            )


def _loaded(builder: Builder, target: ast.expr) -> ast.expr:
    if not isinstance(target, ast.Name):
        raise builder.error(target, f"`{ast.unparse(target)}` was assigned to", "assign to names")
    return ast.copy_location(ast.Name(target.id, ast.Load()), target)


def _assign(builder: Builder, node: ast.stmt, target: ast.expr, value: Value) -> None:
    """Assign to a name, or to the names of a tuple; all of the value is computed before."""
    pairs = list(_pairs(builder, target, value))
    if len(pairs) > 1 or isinstance(value, tuple):
        written: set[str] = set()
        for name, item in pairs:
            written.update(_parts_of(builder, name, item))
        pairs = [(name, _apart(builder, item, written, node.lineno)) for name, item in pairs]
    for name, item in pairs:
        assign_name(builder, node, name, item)


def _parts_of(builder: Builder, name: str, value: Value) -> list[str]:
    return list(names_of_items(name, form_of(value)))


def _apart(builder: Builder, value: Value, written: set[str], line: int) -> Value:
    """Return a value that the assignments to `written` do not change."""
    if isinstance(value, tuple):
        return tuple(_apart(builder, item, written, line) for item in value)
    return builder.scope.stored(value, "kept", line) if names(value) & written else value


def _pairs(builder: Builder, target: ast.expr, value: Value) -> list[tuple[str, Value]]:
    if isinstance(target, ast.Name):
        return [(target.id, value)]
    if not isinstance(target, ast.Tuple | ast.List):
        raise builder.error(
            target, f"`{ast.unparse(target)}` was assigned to", "assign to names; tuples and lists do not change"
        )
    if not isinstance(value, tuple) or len(value) != len(target.elts):
        raise builder.error(
            target,
            f"a {words(form_of(value))} was unpacked into {len(target.elts)} names",
            "give as many names as items",
        )
    return [pair for item, part in zip(target.elts, value, strict=True) for pair in _pairs(builder, item, part)]


def assign_name(builder: Builder, node: ast.AST | int, name: str, value: Value) -> None:
    """Assign a value to a variable of the user's, whose kind becomes one that holds all its values."""
    scope, line = builder.scope, node if isinstance(node, int) else getattr(node, "lineno", 0)
    known = scope.forms.variables.get(name)
    form = form_of(value) if known is None else joined_forms(known, form_of(value))
    if form is None:
        raise builder.error(
            node,
            f"`{name}` is a {words(known or form_of(value))} elsewhere and a {words(form_of(value))} here",
            "use two names",
        )
    if form != known:
        scope.forms.variables[name] = form
        scope.is_repeated = True
    items = zip(names_of_items(name, form), leaves(value), kinds(form), strict=True)
    for part, number, kind in items:
        scope.store(part, number, kind, line)
    scope.mark(name)


def _return(builder: Builder, node: ast.Return, value: ast.expr | None) -> None:
    if value is None:
        raise builder.error(node, "nothing is returned", "return a number or a tuple of numbers")
    given, scope = expressions.build(builder, value), builder.scope
    known = scope.forms.result
    form = form_of(given) if known is None else joined_forms(known, form_of(given))
    if form is None:
        raise builder.error(
            node,
            f"a {words(form_of(given))} is returned here, and a {words(known or form_of(given))} elsewhere",
            "return values of one form",
        )
    if form != known:
        scope.forms.result, scope.is_repeated = form, True
    scope.emit(
        Return(tuple(a.convert(each, kind) for each, kind in zip(leaves(given), kinds(form), strict=True)), node.lineno)
    )
    scope.assigned = None


def _if(builder: Builder, node: ast.If) -> None:
    scope, test = builder.scope, expressions.condition(builder, node.test)
    before = set(scope.assigned or ())
    then = build_body(builder, node.body)
    behind, scope.assigned = scope.assigned, set(before)
    otherwise = build_body(builder, node.orelse)
    scope.assigned = _on_both(behind, scope.assigned)
    scope.emit(If(test, then, otherwise, node.lineno))


def _on_both(one: set[str] | None, other: set[str] | None) -> set[str] | None:
    if one is None or other is None:
        return other if one is None else one
    return one & other


def _while(builder: Builder, node: ast.While) -> None:
    scope = builder.scope
    with scope.block() as hoisted:
        test = expressions.condition(builder, node.test)
    body, exits = _turn(builder, node.body)
    behind = None if test == a.TRUE else set(scope.assigned or ())
    if hoisted:
        # The condition calls functions, so it is computed at the start of each turn.
        body, test = (*hoisted, If(a.negated(test), (Break(node.lineno),), (), node.lineno), *body), a.TRUE
    scope.emit(While(test, body, node.lineno))
    for each in exits:
        behind = _on_both(behind, each)
    scope.assigned = behind


def _turn(builder: Builder, body: Sequence[ast.stmt]) -> tuple[Body, list[set[str]]]:
    """Return the body of a loop, and what is assigned at its breaks; what the body assigns may not be assigned behind it."""
    scope, before = builder.scope, set(builder.scope.assigned or ())
    exits: list[set[str]] = []
    scope.exits.append(exits)
    built = build_body(builder, body)
    scope.exits.pop()
    scope.assigned = before
    return built, exits


def _leave(builder: Builder, node: ast.Break | ast.Continue) -> None:
    scope = builder.scope
    if not scope.exits:
        raise builder.error(node, "a loop over a tuple is left", "loop over range(...), or test with `if`")
    if isinstance(node, ast.Break):
        scope.exits[-1].append(set(scope.assigned or ()))
        scope.emit(Break(node.lineno))
    else:
        scope.emit(Continue(node.lineno))
    scope.assigned = None


def _for(builder: Builder, node: ast.For) -> None:
    is_range = isinstance(node.iter, ast.Call) and calls.python_function(builder, node.iter.func) is range
    if not is_range:
        _over_tuple(builder, node)
        return
    if not isinstance(node.target, ast.Name):
        raise builder.error(node, "a loop over range with several names was given", "write `for i in range(n)`")
    assert isinstance(node.iter, ast.Call), "tested above"
    start, stop, step = _bounds(builder, node, node.iter.args)
    scope = builder.scope
    start, stop = (_fixed_before(builder, each, node) for each in (start, stop))
    before, name = set(scope.assigned or ()), node.target.id
    # The turn itself where the function assigns to the name nowhere else, and the name is new.
    is_own = _num_stores(builder.source.tree, name) == 1 and name not in before
    index = Variable(name if is_own else scope.names.fresh("turn"), INT)
    with scope.block() as first:
        if is_own:
            scope.forms.variables[name] = INT
            scope.mark(name)
        else:
            assign_name(builder, node, name, index)
    body, exits = _turn(builder, node.body)
    scope.emit(For(index, start, stop, step, (*first, *body), line=node.lineno))
    behind: set[str] | None = before
    for each in exits:
        behind = _on_both(behind, each)
    scope.assigned = behind


def _fixed_before(builder: Builder, bound: Expression, node: ast.For) -> Expression:
    """Return a bound that the loop does not change: Python computes it once."""
    stored = {name for name in map(_stored_name, ast.walk(node)) if name}
    is_fixed = isinstance(bound, Variable) and not any(
        bound.name == name or bound.name.startswith(f"{name}_") for name in stored
    )
    return bound if is_fixed or isinstance(bound, Constant) else builder.scope.stored(bound, "bound", node.lineno)


def _stored_name(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) else ""


def _num_stores(tree: ast.AST, name: str) -> int:
    return sum(_stored_name(each) == name for each in ast.walk(tree))


def _bounds(builder: Builder, node: ast.For, arguments: Sequence[ast.expr]) -> tuple[Expression, Expression, int]:
    if not 1 <= len(arguments) <= 3:
        raise builder.error(node, f"range with {len(arguments)} arguments was given", "give from 1 to 3")
    bounds = [expressions.integer(builder, each, "a bound of range") for each in arguments]
    if len(bounds) == 1:
        return a.integer(0), bounds[0], 1
    step = bounds[2] if len(bounds) == 3 else a.integer(1)
    if not isinstance(step, Constant) or step.value == 0:
        raise builder.error(
            node, "the step of a range is 0 or computed", "give a number that is not 0, or write `while`"
        )
    return bounds[0], bounds[1], int(step.value)


def _over_tuple(builder: Builder, node: ast.For) -> None:
    """Write a loop over a tuple out, turn by turn."""
    items = expressions.turns(builder, node.iter)
    assert items is not None, "a range is no tuple"
    exits, builder.scope.exits = builder.scope.exits, []
    for item in items:
        if builder.scope.assigned is not None:
            _assign(builder, node, node.target, item)
            builder.scope.statements.extend(build_body(builder, node.body))
    builder.scope.exits = exits
