"""FrozenDict, an immutable dict, for the records and views of a graph.

It is a subclass of dict whose changing methods raise, so it reads, prints, compares and pickles like a dict and is as
fast. Imports nothing.
"""

from collections.abc import Mapping
from typing import Any, NoReturn, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class FrozenDict(dict[Key, Value]):
    """A dict whose changing methods raise TypeError; `.copy()` and `|` give an ordinary dict.

    Example:
        >>> FrozenDict({"shape": (2, 3)})
        {'shape': (2, 3)}
        >>> FrozenDict()["shape"] = (2, 3)  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        TypeError: a graph is a value: ...
    """

    __slots__ = ()

    def _refuse(self, *args: object, **kwargs: object) -> NoReturn:
        raise TypeError(
            f"a graph is a value: its attributes and edges, here {dict(self)!r}, cannot be changed in place; "
            "a changed graph is made by graph.add_node(node, name=value), "
            "graph.add_edge(source, sink, key, name=value) or graph.with_attributes(name=value)"
        )

    __setitem__ = _refuse
    __delitem__ = _refuse
    __ior__ = _refuse
    clear = _refuse
    pop = _refuse
    popitem = _refuse
    setdefault = _refuse
    update = _refuse

    def __copy__(self) -> "FrozenDict[Key, Value]":
        return self

    def __reduce__(self) -> tuple[Any, ...]:  # Any: the protocol of pickle
        return FrozenDict, (dict(self),)


def frozen(mapping: Mapping[Key, Value]) -> FrozenDict[Key, Value]:
    """`mapping` itself if it is a FrozenDict, so that one can serve many edges; else a frozen copy."""
    return mapping if type(mapping) is FrozenDict else FrozenDict(mapping)
