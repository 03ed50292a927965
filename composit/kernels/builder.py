"""`Builder`: what the parts of the front end share while one function is built."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import Protocol

from composit.errors import KernelError
from composit.kernels.reading import FunctionSource
from composit.kernels.scope import Scope
from composit.kernels.values import Form


@dataclass(frozen=True, slots=True)
class Callee:
    """A function of the language that another one calls: its name, and the forms of its parameters and result."""

    name: str
    parameters: tuple[Form, ...]
    result: Form


class Functions(Protocol):
    """Builds the functions that are called."""

    def callee(self, source: FunctionSource, arguments: tuple[Form, ...]) -> Callee:
        """Return the function of a source for arguments of these forms."""
        ...

    def source_of(self, value: object) -> FunctionSource | None:
        """Return the source of a kernel or Python function; None of anything else."""
        ...


@dataclass(slots=True)
class Builder:
    """One function while it is built."""

    source: FunctionSource
    functions: Functions
    scope: Scope

    def error(self, node: ast.AST | int, found: str, instead: str) -> KernelError:
        """Return the error for a part of the function."""
        return self.source.error(node, found, instead)
