"""Read-only mappings from a node to one part of its record: networkx's attributes `_node`, `_succ` and `_pred`.

networkx's views and algorithms read a graph through these three. A look-up goes to the persistent map until the first
iteration makes an ordered dict.
"""

from collections.abc import ItemsView, Iterator, KeysView, Mapping, ValuesView
from operator import attrgetter
from typing import Any, TypeAlias

from composit.multidigraph.frozen import FrozenDict
from composit.multidigraph.records import Node, RecordMap

Part: TypeAlias = FrozenDict[Any, Any]  # Any: attributes by name, or edges by neighbour


class PartMapping(Mapping[Node, Part]):
    """Maps each node of a record map to one named part of its record."""

    __slots__ = ("_part_name", "_record_map", "_table")

    def __init__(self, record_map: RecordMap, part_name: str) -> None:
        self._record_map = record_map
        self._part_name = part_name
        self._table: dict[Node, Part] | None = None

    def _ordered(self) -> dict[Node, Part]:
        if self._table is None:
            part = attrgetter(self._part_name)
            self._table = {node: part(record) for node, record in self._record_map.table.items()}
        return self._table

    def __getitem__(self, node: Node) -> Part:
        if self._table is not None:
            return self._table[node]
        part: Part = getattr(self._record_map.records[node], self._part_name)
        return part

    def __iter__(self) -> Iterator[Node]:
        return iter(self._ordered())

    def __len__(self) -> int:
        return len(self._record_map.records)

    def __contains__(self, node: object) -> bool:
        return node in self._record_map.records

    # A dict's views are read-only, and many times faster than those that Mapping derives.
    def keys(self) -> KeysView[Any]:
        return self._ordered().keys()

    def items(self) -> ItemsView[Any, Any]:
        return self._ordered().items()

    def values(self) -> ValuesView[Any]:
        return self._ordered().values()

    def __repr__(self) -> str:
        return repr(self._ordered())

    def __reduce__(self) -> tuple[Any, ...]:  # Any: the protocol of pickle
        return FrozenDict, (self._ordered(),)
