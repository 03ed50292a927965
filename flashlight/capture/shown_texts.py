"""Finds out from the source whether Python only shows a text: `print(x)`, `logger.info(f"{x:.2f}")`, `raise ValueError(f"{x}")`.

Such a text decides nothing. In `float(f"{x:.2f}")`, or where the source is not known, the text is a value that Python has read.
"""

from __future__ import annotations

import ast
import linecache
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from types import CodeType, FrameType

from composit.source import is_internal

# Functions and methods that show the texts they are given.
_SHOWING = frozenset(
    "print pprint log debug info info_once warning warning_once warning_advice warn error exception critical fail"
    " write writelines set_description set_postfix set_postfix_str".split()
)
# Functions that make a text of texts.
_JOINING = frozenset(("str", "repr", "format", "join", "ljust", "rjust", "center"))
# Python's modules that make texts in order to show them.
_SHOWING_MODULES = frozenset(("logging", "warnings", "traceback", "pdb", "bdb"))
# Python's modules that make a text for their caller.
_PASSING_MODULES = frozenset(("reprlib", "pprint", "dataclasses"))
_PASSING_FUNCTIONS = frozenset(("__repr__", "__str__", "__format__"))


def is_shown(frame: FrameType | None) -> bool:
    """Return whether the text that a frame asks for now is only shown to people."""
    while frame is not None:
        code = frame.f_code
        module = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if module in _SHOWING_MODULES:
            return True
        if not is_internal(code) and code.co_name not in _PASSING_FUNCTIONS and module not in _PASSING_MODULES:
            return _is_shown_at(code, frame.f_lasti)
        frame = frame.f_back
    return False


@lru_cache(maxsize=1024)
def _is_shown_at(code: CodeType, offset: int) -> bool:
    line, end_line, column, end_column = next(islice(code.co_positions(), offset // 2, None))
    tree = _parsed(code.co_filename)
    if tree is None or line is None or end_line is None or column is None or end_column is None:
        return False
    return _ends_shown(_path_to(tree, (line, column), (end_line, end_column)))


@lru_cache(maxsize=16)
def _parsed(filename: str) -> ast.Module | None:
    lines = linecache.getlines(filename)
    if not lines:
        return None
    try:
        return ast.parse("".join(lines))
    except SyntaxError:
        # The file has changed since it was imported, or is no Python, as a notebook's cell with commands of IPython.
        return None


def _path_to(tree: ast.Module, start: tuple[int, int], end: tuple[int, int]) -> list[ast.AST]:
    """Return the nodes around a place in the source, the innermost first."""
    found: list[ast.AST] = []
    inside: Iterator[ast.AST] = ast.iter_child_nodes(tree)
    while True:
        node = next((each for each in inside if _is_around(each, start, end)), None)
        if node is None:
            return found[::-1]
        found.append(node)
        inside = ast.iter_child_nodes(node)


def _is_around(node: ast.AST, start: tuple[int, int], end: tuple[int, int]) -> bool:
    if not isinstance(node, ast.expr | ast.stmt | ast.keyword | ast.excepthandler | ast.match_case):
        return False
    first = getattr(node, "lineno", None)
    if first is None:
        return any(_is_around(each, start, end) for each in ast.iter_child_nodes(node))
    assert isinstance(node, ast.expr | ast.stmt | ast.keyword | ast.excepthandler)
    if node.end_lineno is None or node.end_col_offset is None:
        return False
    return (first, node.col_offset) <= start and end <= (node.end_lineno, node.end_col_offset)


def _ends_shown(path: list[ast.AST]) -> bool:
    for node in path:
        if isinstance(node, ast.Call):
            name = _name_of(node.func)
            if name in _SHOWING or name.endswith(("Error", "Warning", "Exception")):
                return True
            if name not in _JOINING:
                return False
        elif isinstance(node, ast.Expr | ast.Raise | ast.Assert):
            return not isinstance(node, ast.Assert) or node.msg in path
        elif not isinstance(node, _TEXT_OF_TEXTS):
            return False
    return False


# A constant is a part of a formatted text, which may have the place of the whole.
_TEXT_OF_TEXTS = (
    *(ast.JoinedStr, ast.FormattedValue, ast.Constant, ast.BinOp),
    *(ast.Tuple, ast.List, ast.Dict, ast.keyword, ast.Starred),
)


def _name_of(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""
