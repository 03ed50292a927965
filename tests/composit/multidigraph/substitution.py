"""A pytest plugin: while networkx's own tests run, its functions receive our graph for each of networkx's.

networkx sends every algorithm through `_dispatchable`. There each argument that is exactly a networkx.MultiDiGraph
(with COMPOSIT_SUBSTITUTE=DiGraph also each DiGraph) is replaced by the immutable graph of the same nodes and edges.
Functions declared to change their argument are left alone. At the end the number of substitutions is printed.
"""

import os
from collections.abc import Callable
from typing import Any

import networkx
from networkx.utils.backends import _dispatchable

from composit.multidigraph import from_networkx

_SUBSTITUTED = (
    (networkx.MultiDiGraph, networkx.DiGraph)
    if os.environ.get("COMPOSIT_SUBSTITUTE") == "DiGraph"
    else (networkx.MultiDiGraph,)
)
_EXCLUDED = frozenset(os.environ.get("COMPOSIT_EXCLUDED", "").split("\n"))
_counts = {"substituted": 0}


def _substitute(value: Any) -> Any:
    if type(value) in _SUBSTITUTED and not networkx.is_frozen(value):
        _counts["substituted"] += 1
        return from_networkx(value)
    return value


def _substituting(call: Callable[..., Any]) -> Callable[..., Any]:
    def substituted(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        if self.graphs and not self.mutates_input:
            args = tuple(_substitute(arg) for arg in args)
            kwargs = {name: arg if name == "create_using" else _substitute(arg) for name, arg in kwargs.items()}
        return call(self, *args, **kwargs)

    return substituted


def pytest_configure(config: Any) -> None:
    _dispatchable.__call__ = _substituting(_dispatchable.__call__)


def pytest_collection_modifyitems(config: Any, items: list[Any]) -> None:
    excluded = [item for item in items if _name(item) in _EXCLUDED]
    config.hook.pytest_deselected(items=excluded)
    items[:] = [item for item in items if item not in excluded]
    unknown = _EXCLUDED - {_name(item) for item in excluded} - {""}
    assert not unknown, f"these excluded tests do not exist: {sorted(unknown)}"


def pytest_terminal_summary(terminalreporter: Any) -> None:
    terminalreporter.write_line(f"substitutions: {_counts['substituted']}")


def _name(item: Any) -> str:
    parts = (item.path.stem, item.cls.__name__ if item.cls else None, item.originalname)
    return "::".join(part for part in parts if part)
