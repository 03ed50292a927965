"""The signatures of numpy's functions, from `inspect` or from their docstrings; and their full names.

Before numpy 2.4 functions written in C have no signature, but most of their docstrings begin with one.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import takewhile
from types import MethodDescriptorType
from typing import Any

import numpy as np

Function = Callable[..., Any]  # Any: what numpy's functions take and return


@lru_cache(maxsize=4096)
def signature_of(function: Function) -> inspect.Signature | None:
    """Return the signature that numpy shows, None for the few functions that show none."""
    try:
        return inspect.signature(function)
    except ValueError:
        return _documented_signature(function)


def short_name(function: Function) -> str:
    """Return the name of a function of numpy's without its module: "center", "add", "add.reduce"."""
    name, owner = str(getattr(function, "__name__", function)), getattr(function, "__self__", None)
    if not isinstance(owner, np.ufunc):
        return name
    return owner.__name__ if name == "__call__" else f"{owner.__name__}.{name}"


def full_name(function: Function) -> str:
    """Return the name by which a user finds a function of numpy's: "numpy.strings.center", "numpy.add.reduce"."""
    owner = getattr(function, "__self__", None)
    ufunc = owner if isinstance(owner, np.ufunc) else function
    if isinstance(ufunc, np.ufunc):
        modules = [module for module in (np, np.strings) if vars(module).get(ufunc.__name__) is ufunc]
        return ".".join([*(module.__name__ for module in modules[:1]), short_name(function)])
    module = "numpy" if isinstance(function, MethodDescriptorType) else str(getattr(function, "__module__", None))
    if module.partition(".")[0] != "numpy":
        return short_name(function)  # a user's function, or a helper of ours
    public = takewhile(lambda part: not part.startswith("_"), module.split("."))
    return ".".join([*public, getattr(function, "__qualname__", short_name(function))])


def _documented_signature(function: Function) -> inspect.Signature | None:
    text = _documented_arguments(function)
    if text is None:
        return None
    try:
        declared = ast.parse(f"lambda {text}: None", mode="eval").body
        assert isinstance(declared, ast.Lambda)
        parameters = list(_parameters(declared.args))
    except (SyntaxError, ValueError, KeyError):
        # A signature for human readers only: (a1, a2, ...), [start,] stop.
        return None
    if isinstance(function, MethodDescriptorType):
        parameters.insert(0, inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY))
    return inspect.Signature(parameters)


def _documented_arguments(function: Function) -> str | None:
    """Return the text between the parentheses of the signature with which a docstring begins."""
    name = getattr(function, "__name__", None)
    doc = getattr(function, "__doc__", None)
    begin = re.match(rf"\s*(?:\w+\.)?{name}\(", doc) if isinstance(name, str) and isinstance(doc, str) else None
    if begin is None or not isinstance(doc, str):
        return None
    depth = 1
    for position in range(begin.end(), len(doc)):
        depth += {"(": 1, ")": -1}.get(doc[position], 0)
        if not depth:
            text = " ".join(doc[begin.end() : position].split())
            return re.sub(r"\[, (\w+)\]", r", \1=None", text.replace("<no value>", "_NoValue"))
    return None


_NAMED_DEFAULTS = {"_NoValue": np._NoValue, "float": float, "int": int, "bool": bool}


def _parameters(arguments: ast.arguments) -> Iterator[inspect.Parameter]:
    kind = inspect.Parameter
    by_place = [*arguments.posonlyargs, *arguments.args]
    defaults = [None] * (len(by_place) - len(arguments.defaults)) + [*arguments.defaults]
    for number, (argument, default) in enumerate(zip(by_place, defaults, strict=True)):
        is_by_place_only = number < len(arguments.posonlyargs)
        each = kind.POSITIONAL_ONLY if is_by_place_only else kind.POSITIONAL_OR_KEYWORD
        yield kind(argument.arg, each, default=_default(default))
    if arguments.vararg is not None:
        yield kind(arguments.vararg.arg, kind.VAR_POSITIONAL)
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        yield kind(argument.arg, kind.KEYWORD_ONLY, default=_default(default))
    if arguments.kwarg is not None:
        yield kind(arguments.kwarg.arg, kind.VAR_KEYWORD)


def _default(node: ast.expr | None) -> object:
    if node is None:
        return inspect.Parameter.empty
    return _NAMED_DEFAULTS[node.id] if isinstance(node, ast.Name) else ast.literal_eval(node)
