"""Which arguments of a call have named sizes: `capture(model, dynamic={"input_ids": {0: "batch", 1: "length"}})`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from inspect import Parameter, signature
from typing import Any

import torch

from composit.errors import OperandError, ParameterError
from flashlight.capture.module_scopes import named_tensors

Names = Mapping[int, str]


def checked_names(dynamic: Mapping[str, Names] | None) -> dict[str, Names]:
    """Return names of sizes by argument and axis.

    Raises:  OperandError: they are no such mapping
    """
    given: Any = {} if dynamic is None else dynamic  # Any: what users may have given
    is_right = isinstance(given, Mapping) and all(
        isinstance(argument, str)
        and isinstance(names, Mapping)
        and all(isinstance(axis, int) and isinstance(name, str) and name for axis, name in names.items())
        for argument, names in given.items()
    )
    if not is_right:
        raise OperandError(
            f"capture: dynamic={dynamic!r:.80} was given; expected names of sizes by the names of arguments and their axes; write "
            'dynamic={"input_ids": {0: "batch", 1: "length"}}'
        )
    return dict(given)


def tensors_with_names(
    function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any], dynamic: Mapping[str, Names]
) -> dict[int, tuple[torch.Tensor, Names]]:
    """Return the tensors of a call that have named sizes, with the names, by id.

    Raises:  ParameterError: no argument of the call has one of the names
    """
    if not dynamic:
        return {}
    found = dict(named_tensors(_arguments(function, args, kwargs)))
    named = {id(found[path]): (found[path], names) for path, names in dynamic.items() if path in found}
    if not named:
        raise ParameterError(
            f"capture: dynamic= names sizes of {', '.join(dynamic)}, and a call has the tensors {', '.join(found) or 'none'}; expected a "
            "name of an argument, with its place in containers (past.0); name one of these"
        )
    return named


def _arguments(
    function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> list[tuple[str, object]]:
    """Return the arguments of a call by the names of the parameters."""
    called = function.forward if isinstance(function, torch.nn.Module) else function
    try:
        bound = signature(called).bind(*args, **kwargs)
    except (TypeError, ValueError):
        # A call that the function refuses, or a function without a signature.
        return [*((str(position), each) for position, each in enumerate(args)), *kwargs.items()]
    arguments: list[tuple[str, object]] = []
    for name, value in bound.arguments.items():
        is_rest = bound.signature.parameters[name].kind is Parameter.VAR_KEYWORD
        arguments += value.items() if is_rest else [(name, value)]
    return arguments
