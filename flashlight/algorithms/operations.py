"""The operations whose algorithm a torch user can choose: their names, and the classes of modules that compute them.

Names are read without regard to case and underscores, so "maxpool2d", "max_pool2d" and nn.MaxPool2d's own name mean the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

import torch
from torch import nn

from composit.errors import ParameterError

DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class SwappableOperation:
    """An operation of torch.

    name:       torch's name of the function
    modules:    the classes whose call is this operation
    family:     what backends call the operation that it becomes in a graph; "" if it becomes several
    gradients:  what backends call the operations of its derivatives, where those have algorithms too
    has_one:    whether there is one way to compute it where the backend names none, which is called "direct"
    returns_pair: whether its modules return two results, of which the second may be None: the weights of attention
    """

    name: str
    modules: tuple[type[nn.Module], ...]
    family: str
    gradients: tuple[str, ...] = ()
    has_one: bool = True
    returns_pair: bool = False


def _convolution(rank: int, module: type[nn.Module]) -> SwappableOperation:
    name = f"conv{rank}d"
    return SwappableOperation(name, (module,), name, (f"conv_transpose{rank}d", f"{name}_weight"), has_one=False)


OPERATIONS: Mapping[str, SwappableOperation] = {
    each.name: each
    for each in (
        _convolution(1, nn.Conv1d),
        _convolution(2, nn.Conv2d),
        _convolution(3, nn.Conv3d),
        SwappableOperation("linear", (nn.Linear,), "matmul", ("matmul",), has_one=False),
        SwappableOperation("max_pool2d", (nn.MaxPool2d,), "max_pool2d"),
        SwappableOperation("avg_pool2d", (nn.AvgPool2d,), "avg_pool2d"),
        SwappableOperation("adaptive_avg_pool2d", (nn.AdaptiveAvgPool2d,), ""),
        SwappableOperation("relu", (nn.ReLU,), "relu"),
        SwappableOperation("flatten", (nn.Flatten,), "reshape"),
        SwappableOperation("attention", (nn.MultiheadAttention,), "attention", has_one=False, returns_pair=True),
    )
}
# Other names of the same: of torch's functions, and those that people know from elsewhere.
_ALIASES = {"mha": "attention", "multiheadattention": "attention", "scaleddotproductattention": "attention"}


def plain(name: str) -> str:
    """Return a name as it is compared: in lower case, without underscores."""
    return name.replace("_", "").lower()


_BY_PLAIN_NAME = {plain(name): operation for name, operation in OPERATIONS.items()} | {
    alias: OPERATIONS[name] for alias, name in _ALIASES.items()
}


def operation_called(name: str) -> SwappableOperation | None:
    """Return the operation of a name, None if there is none."""
    return _BY_PLAIN_NAME.get(plain(name))


def operation_of_class(module_class: type) -> SwappableOperation | None:
    """Return the operation that modules of a class compute, which may be a subclass of torch's."""
    for operation in OPERATIONS.values():
        if issubclass(module_class, operation.modules):
            return operation
    return None


def operation_given(given: object, asked: str) -> tuple[SwappableOperation, tuple[type[nn.Module], ...]]:
    """Return the operation that was asked for, and the classes of the modules that are meant.

    Raises:  ParameterError: neither a known name nor a class of modules with a known operation
    """
    if isinstance(given, str):
        operation = operation_called(given)
        if operation is not None:
            return operation, operation.modules
    elif isinstance(given, type) and issubclass(given, nn.Module):
        operation = operation_of_class(given)
        if operation is not None:
            return operation, (given,)
    word = given if isinstance(given, str) else getattr(given, "__name__", repr(given))
    close = get_close_matches(plain(str(word)), _BY_PLAIN_NAME, 1)
    meant = f"; did you mean {_BY_PLAIN_NAME[close[0]].name!r}?" if close else ""
    raise ParameterError(
        f"{asked}: {word!s:.60} was given as the operation; expected one of {', '.join(OPERATIONS)}, or a class of modules that "
        f"computes one, such as torch.nn.Conv2d or a subclass{meant}"
    )


def operation_names() -> Iterator[str]:
    """Yield the names of all operations, as torch's functions are called."""
    yield from OPERATIONS


def is_swappable(module: torch.nn.Module) -> bool:
    """Return whether there is an operation for a module's class."""
    return operation_of_class(type(module)) is not None
