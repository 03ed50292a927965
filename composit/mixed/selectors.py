"""Keys that select nodes of a program: globs over module paths, names and operations, and single tensors.

"encoder"             what was built in the scope or module encoder, and in scopes inside it
"encoder.layer.?"     globs as those of files: * and ? match dots too, [ab] one of these characters
"encoder*.matmul"     a path with an operation or a name at its end
"loss"                the tensor that with_name, or a module, calls so
"conv2d", "MaxPool"   operations, by numpy's or torch's names, without regard to case and underscores
a tensor              the node that computes it
"""

from __future__ import annotations

import re
import weakref
from dataclasses import dataclass, field
from enum import Enum
from fnmatch import translate
from typing import Any

from composit.apply import as_tensor, is_tensor
from composit.errors import OperandError, ParameterError
from composit.handle import described
from composit.node import Node
from composit.operation import Operation
from composit.program import Label


class Match(Enum):
    """How a key matches a node."""

    PATH = "path"  # by the scope that it was built in
    NODE = "node"  # by its own name, its operation, or as the tensor given


def bare(name: str) -> str:
    """Return a name of an operation as names are compared: in lower case, without underscores.

    Example:
        >>> bare("MaxPool2d") == bare("max_pool2d")
        True
    """
    return name.replace("_", "").lower()


def operation_names(operation: Operation) -> tuple[str, ...]:
    """Return the names by which people select an operation: its own, its class's, and those of other libraries."""
    return tuple(dict.fromkeys((operation.name, type(operation).__name__, *operation.aliases)))


@dataclass(frozen=True, slots=True)
class Pattern:
    """A key that is a string.

    Example:
        >>> pattern = Pattern("encoder*")
        >>> pattern.match("encoder.layer.0", "add", ("add",))
        <Match.PATH: 'path'>
        >>> pattern.match("decoder", "add", ("add",)) is None
        True
    """

    text: str
    _path: re.Pattern[str] = field(init=False, compare=False, repr=False)
    _operation: re.Pattern[str] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_path", re.compile(translate(self.text)))
        object.__setattr__(self, "_operation", re.compile(translate(bare(self.text))))

    def match(self, scope: str, name: str, operations: tuple[str, ...]) -> Match | None:
        """Return how the pattern matches a node that was built in a scope, with its name and the names of its operation."""
        if any(map(self._path.match, _leading_parts(scope))):
            return Match.PATH
        if any(self._operation.match(bare(each)) for each in operations):
            return Match.NODE
        own = dict.fromkeys((name, *operations))
        if self._path.match(name) or (scope and any(self._path.match(f"{scope}.{each}") for each in own)):
            return Match.NODE
        return None

    def __str__(self) -> str:
        return repr(self.text)


def _leading_parts(scope: str) -> list[str]:
    """Return the scopes around a scope, outermost first, and the scope itself."""
    parts = scope.split(".")
    return [".".join(parts[: count + 1]) for count in range(len(parts))]


@dataclass(frozen=True, slots=True)
class TensorKey:
    """A key that is a tensor: the node that computes it. It keeps no node alive, since backends are kept for later calls.

    is_known: numpy computed it at the call, so that a program has its value and need not compute it
    """

    identity: int
    is_known: bool = field(compare=False)
    label: str = field(compare=False)
    _node: weakref.ref[Node] = field(compare=False, repr=False)

    def is_of(self, node: Node) -> bool:
        """Return whether the node is the one that computes the tensor."""
        return self._node() is node

    @property
    def is_alive(self) -> bool:
        """Whether the tensor's node is in any graph still."""
        return self._node() is not None

    def __str__(self) -> str:
        return self.label


Selector = Pattern | TensorKey


def selector_of(key: Any) -> Selector:  # Any: what a user gave
    """Return what a key of a mapping selects.

    Raises:  OperandError: it is neither string nor tensor; ParameterError: an empty string, or a tensor that nothing computes
    """
    if isinstance(key, str):
        if not key:
            raise ParameterError(
                "backend: the key '' was given; expected a path, a name or an operation; write '*' for all nodes"
            )
        return Pattern(key)
    if not is_tensor(key):
        raise OperandError(
            f"backend: the key {described(key):.80} of type {type(key).__name__} was given; expected a string such as 'encoder*' or "
            "'conv2d', or a tensor"
        )
    node = as_tensor(key).node
    if not node.operands:
        raise ParameterError(
            f"backend: the key {described(key):.80} is a tensor that nothing computes, so it runs nowhere; expected the result of an "
            "operation; give the tensor that is computed from it"
        )
    return TensorKey(
        id(node), node.operation.runs_at_call, f"the tensor {node.name} {node.types[0]}", weakref.ref(node)
    )


def full_name(label: Label) -> str:
    """Return a node's scope and name as reports write them: "encoder.layer.0/add"."""
    return f"{label.scope}/{label.name}" if label.scope else label.name
