"""A Python function as text and tree, and the errors that point into it.

The text is found through `inspect`, which reads files, notebooks and doctests alike; lines are those of the user's file.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import textwrap
from dataclasses import dataclass
from types import FunctionType
from typing import Any

from composit.errors import KernelError


@dataclass(frozen=True, slots=True)
class FunctionSource:
    """A Python function, the tree of its definition, and where it stands."""

    function: FunctionType
    text: str
    tree: ast.FunctionDef
    file: str

    @property
    def name(self) -> str:
        """The function's name."""
        return self.tree.name

    def outer(self, name: str) -> Any:  # Any: whatever the user's name means
        """Return what a name means that the function does not assign: in a closure, the module, or Python itself.

        The function's own name is the function: while a decorator runs, the module has nothing of that name, or an earlier one.

        Raises:  KeyError: nothing is called so
        """
        if name == self.function.__name__:
            return self.function
        code = self.function.__code__
        if name in code.co_freevars:
            assert self.function.__closure__ is not None, "a function with free variables has a closure"
            cell = self.function.__closure__[code.co_freevars.index(name)]
            try:
                return cell.cell_contents
            except ValueError:
                raise KeyError(name) from None
        if name in self.function.__globals__:
            return self.function.__globals__[name]
        return vars(builtins)[name]

    def error(self, node: ast.AST | int, found: str, instead: str) -> KernelError:
        """Return the error for a part of the function: what is there, and what to write instead."""
        line = node if isinstance(node, int) else getattr(node, "lineno", self.tree.lineno)
        lines = self.text.splitlines()
        number = line - self.first_line
        shown = lines[number].strip() if 0 <= number < len(lines) else ""
        return KernelError(f'{self.name}: {found}; {instead}\n  File "{self.file}", line {line}\n    {shown}')

    @property
    def first_line(self) -> int:
        """The line of the user's file in which the text begins."""
        return self.function.__code__.co_firstlineno


def read_function(function: object) -> FunctionSource:
    """Return the source of a Python function.

    Raises:  KernelError: it is no Python function with `def`, or its text is not known
    """
    if not isinstance(function, FunctionType):
        raise KernelError(
            f"kernel: {function!r:.60} of type {type(function).__name__} was given; expected a Python function written with `def`"
        )
    if function.__name__ == "<lambda>":
        raise KernelError("kernel: a lambda was given; expected a function written with `def`, whose text can be read")
    try:
        text = inspect.getsource(function)
    except (OSError, TypeError) as error:
        raise KernelError(
            f"kernel: the text of {function.__name__} is not known ({error}); expected a function whose file, notebook cell or doctest "
            "can be read; write it to a file and import it"
        ) from error
    tree = ast.parse(textwrap.dedent(text)).body[0]
    ast.increment_lineno(tree, function.__code__.co_firstlineno - 1)
    found = next((each for each in ast.walk(tree) if isinstance(each, ast.FunctionDef)), None)
    if found is None:
        raise KernelError(f"kernel: {function.__name__} is no plain function; expected one written with `def`")
    return FunctionSource(function, text, found, inspect.getfile(function))
