"""Classes of operations by name: `composit.numpy.reductions.reduce:Reduce`. Only classes of composit, or those already imported.

A file never makes Python import anything but modules of composit.
"""

from __future__ import annotations

import dataclasses
import importlib
import re
from typing import Any, Final

from composit.errors import ParameterError
from composit.nn.core import UserFunction
from composit.operation import Input, Operation

_own_module: Final = re.compile(r"composit(\.[a-z][a-z0-9_]*)+")


def name_of_class(operation: Operation) -> str:
    """Return the name under which a file has the operation's class.

    Raises:  ParameterError: the operation calls a Python function, which a file does not hold
    """
    kind = type(operation)
    if not _has_name(kind):
        raise ParameterError(
            f"save: the operation {operation.name} calls a Python function, which a file does not hold; expected composit's own"
            " operations; give its result as one of inputs, or write the function with them"
        )
    return f"{kind.__module__}:{kind.__qualname__}"


def _has_name(kind: type) -> bool:
    return dataclasses.is_dataclass(kind) and kind is not UserFunction and not getattr(kind, "runs_at_call", False)


def fields_of(operation: Any) -> dict[str, Any]:  # Any: an operation, and each class that has a name is a dataclass
    """Return the parameters by name, without what is fresh in each process."""
    return {each.name: getattr(operation, each.name) for each in dataclasses.fields(operation) if _is_kept(each)}


def _is_kept(each: dataclasses.Field[Any]) -> bool:
    return each.init and not each.metadata.get("identity")


def class_named(name: str) -> type[Operation]:
    """Return the class of operations with a name that `name_of_class` gave.

    Raises:  ValueError: no class has that name
    """
    module, _, _ = name.partition(":")
    found = _known_class(name)
    if found is None and _own_module.fullmatch(module):
        try:
            importlib.import_module(module)
        except ImportError as error:
            raise ValueError(f"composit has no module {module}") from error
        found = _known_class(name)
    if found is None or not _has_name(found):
        raise ValueError(f"no operation is called {name[:80]!r}; import its module before loading")
    return found


def _known_class(name: str) -> type[Operation] | None:
    """Return the imported class of a name, None if there is none. A class of composit is found even if it has moved to another module."""
    module, _, qualified = name.partition(":")
    classes = [each for each in _subclasses() if each.__qualname__ == qualified]
    exact = [each for each in classes if each.__module__ == module]
    moved = [each for each in classes if module.startswith("composit.") and each.__module__.startswith("composit.")]
    return next(iter((*exact[-1:], *moved[-1:])), None)


def _subclasses() -> list[type[Operation]]:
    found, waiting = list[type[Operation]](), [Operation]
    while waiting:
        children = waiting.pop().__subclasses__()
        found += children
        waiting += children
    return [each for each in found if not issubclass(each, Input)]
