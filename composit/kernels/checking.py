"""The check of a function when it is defined: constructs that the language does not have, with what to write instead."""

from __future__ import annotations

import ast

from composit.kernels.reading import FunctionSource

_NO_OBJECTS = "compute with numbers and tuples of numbers"
# For each construct that is refused: how the error calls it, and what to write instead.
_REFUSED: dict[type[ast.AST], tuple[str, str]] = {
    ast.Try: ("try", "test with `if` before an error can come"),
    ast.TryStar: ("try", "test with `if` before an error can come"),
    ast.Raise: ("raise", 'write `assert condition, "message"`'),
    ast.With: ("with", "do what it does outside of the kernel"),
    ast.Lambda: ("a lambda", "define a function beside the kernel and call it"),
    ast.ClassDef: ("a class", _NO_OBJECTS),
    ast.FunctionDef: ("a function inside of a function", "define it beside the kernel and call it"),
    ast.AsyncFunctionDef: ("an asynchronous function", "write `def`"),
    ast.Yield: ("yield", "return a tuple"),
    ast.YieldFrom: ("yield", "return a tuple"),
    ast.Await: ("await", "call the function as it is"),
    ast.Global: ("global", "return the value, since a kernel changes nothing outside of it"),
    ast.Nonlocal: ("nonlocal", "return the value, since a kernel changes nothing outside of it"),
    ast.Delete: ("del", "leave the name as it is"),
    ast.Import: ("import", "import in the module"),
    ast.ImportFrom: ("import", "import in the module"),
    ast.Dict: ("a dictionary", _NO_OBJECTS),
    ast.Set: ("a set", _NO_OBJECTS),
    ast.DictComp: ("a dictionary", _NO_OBJECTS),
    ast.SetComp: ("a set", _NO_OBJECTS),
    ast.GeneratorExp: ("a generator", "write a list comprehension"),
    ast.Starred: ("a star", "write each item"),
    ast.NamedExpr: (":=", "assign on a line of its own"),
    ast.Match: ("match", "write if and elif"),
    ast.Slice: ("a slice", "index with a number"),
    ast.MatMult: ("@", "write the sum of products"),
    ast.Is: ("is", "compare with =="),
    ast.IsNot: ("is not", "compare with !="),
    ast.In: ("in", "compare with == and `or`"),
    ast.NotIn: ("not in", "compare with != and `and`"),
    ast.LShift: ("<<", "multiply with 2 ** n"),
    ast.RShift: (">>", "divide with // 2 ** n"),
    ast.Invert: ("~", "write -x - 1, or `not` for a truth value"),
}


def check(source: FunctionSource) -> None:
    """Return if the function has only constructs of the language.

    Raises:  KernelError: names the first other one, its line, and what to write instead
    """
    _check_parameters(source)
    for statement in source.tree.body:
        for node in ast.walk(statement):
            refused = _REFUSED.get(type(node))
            if refused is not None:
                found, instead = refused
                place = node if hasattr(node, "lineno") else statement
                raise source.error(place, f"`{found}` is not in the language of kernels", instead)
            if isinstance(node, ast.For | ast.While) and node.orelse:
                raise source.error(
                    node, "the `else` of a loop is not in the language of kernels", "set a variable before `break`"
                )
            if isinstance(node, ast.Constant):
                _check_constant(source, node, statement)


def _check_constant(source: FunctionSource, node: ast.Constant, statement: ast.stmt) -> None:
    if isinstance(node.value, bool | int | float):
        return
    is_text = isinstance(node.value, str) and (isinstance(statement, ast.Expr) or _is_message(statement, node))
    if not is_text:
        raise source.error(node, f"{node.value!r:.40} is not in the language of kernels", _NO_OBJECTS)


def _is_message(statement: ast.stmt, node: ast.Constant) -> bool:
    return any(
        isinstance(each, ast.Assert) and each.msg is not None and any(part is node for part in ast.walk(each.msg))
        for each in ast.walk(statement)
    )


def _check_parameters(source: FunctionSource) -> None:
    arguments = source.tree.args
    if arguments.vararg or arguments.kwarg:
        raise source.error(source.tree, "*args and **kwargs are not in the language of kernels", "name each parameter")
    if arguments.kwonlyargs:
        raise source.error(
            source.tree, "keyword-only parameters are not in the language of kernels", "leave out the `*`"
        )
    if not (arguments.args or arguments.posonlyargs):
        raise source.error(
            source.tree, "a kernel without parameters was given", "compute the constant outside, or take x"
        )
