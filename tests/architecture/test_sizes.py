"""Modules and functions stay readable: the sizes of CONVENTIONS with room for the odd long table."""

import ast

from tests.architecture.sources import ROOT, modules

_MODULE_LINES = 500
_FUNCTION_LINES = 60  # without the docstring


def _body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    body = function.body
    docstring = body[0] if ast.get_docstring(function) is not None else None
    taken = docstring.end_lineno - docstring.lineno + 1 if docstring is not None and docstring.end_lineno else 0
    assert function.end_lineno is not None
    return function.end_lineno - function.lineno + 1 - taken


def test_no_module_is_longer_than_five_hundred_lines() -> None:
    long = {module.where: len(module.text.splitlines()) for module in modules()}
    assert not {where: lines for where, lines in long.items() if lines > _MODULE_LINES}


def test_no_file_of_tests_is_longer_than_a_module() -> None:
    long = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in (ROOT / "tests").rglob("*.py")}
    assert len(long) > 100
    assert not {where: lines for where, lines in long.items() if lines > _MODULE_LINES}


def test_no_function_is_longer_than_sixty_lines() -> None:
    long = [
        f"{module.where}:{node.lineno} {node.name}: {_body_lines(node)} lines"
        for module in modules()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and _body_lines(node) > _FUNCTION_LINES
    ]
    assert not long, "\n".join(long)


def test_every_module_says_what_lives_in_it() -> None:
    silent = [module.where for module in modules() if module.text.strip() and not ast.get_docstring(module.tree)]
    assert not silent
