"""Runs nodes one by one, oldest first, without making a program: used by reads and by first evaluations.

    memory = Memory()
    order = nodes_behind([node], memory)          # puts known values and leaves into memory
    run_nodes(order, memory, {key_of(node, 0)})
    memory.values[key_of(node, 0)]

An array is freed after its last reader, and a write changes its operand in place where nothing else holds the array. Most
programs are evaluated once. `composit/interpreter.py` prepares a program for many runs, and gives the same results.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, TypeAlias

import numpy as np

from composit.errstates import current_errstate, reporting, set_errstate
from composit.node import Node
from composit.operation import Input, Scalar
from composit.program import count_run
from composit.source import Source, describe_source

# One result of one node. A node takes more than 128 bytes, so no other object has an id in the 128 numbers after its own.
Key: TypeAlias = "int | tuple[int, int]"
_ROOM = 128

by_age = attrgetter("_serial")


def key_of(node: Node, index: int) -> Key:
    """Return the key of one result of a node, valid while the node lives."""
    return id(node) + index if index < _ROOM else (id(node), index)


@dataclass(slots=True)
class Memory:
    """Values while nodes run.

    values:     by `key_of`
    known:      the nodes whose values an earlier read has left
    inputs:     the leaves that hold arrays
    held:       the nodes to run to which a tensor points
    read_again: the id of a node, once for each of its readers after the first
    in_part:    known nodes of which only the results that callers see are known
    """

    values: dict[Key, Any] = field(default_factory=dict)  # Any: arrays and scalars
    known: list[Node] = field(default_factory=list)
    inputs: list[Node] = field(default_factory=list)
    held: list[Node] = field(default_factory=list)
    read_again: list[int] = field(default_factory=list)
    in_part: list[Node] = field(default_factory=list)

    def clear(self) -> None:
        """Forget everything, for another walk."""
        self.values.clear()
        for each in (self.known, self.inputs, self.held, self.read_again, self.in_part):
            each.clear()


def nodes_behind(wanted: Iterable[Node], memory: Memory) -> list[Node]:
    """Return the nodes to run for the wanted ones, operands first, and put known values and leaves into memory."""
    roots = list(wanted)
    order = _walked(roots, memory, frozenset())
    if not memory.in_part:
        return order
    # A read left the results that callers see. One of the others may be read here: then its node runs again.
    again = frozenset(
        id(node) for node in memory.in_part if any(node is root for root in roots) or _reads_more(order, node, memory)
    )
    if not again:
        return order
    memory.clear()
    return _walked(roots, memory, again)


def _reads_more(order: Sequence[Node], node: Node, memory: Memory) -> bool:
    """Return whether a node to run reads a result that is not known."""
    return any(
        operand is node and key_of(operand, index) not in memory.values
        for reader in order
        for operand, index in reader.operands
    )


def _walked(wanted: Iterable[Node], memory: Memory, again: frozenset[int]) -> list[Node]:
    """Do the work of `nodes_behind`; a node whose id is in `again` runs although some of its results are known."""
    values, held = memory.values, memory.held
    order: list[Node] = []
    seen: set[int] = set()
    stack = list(wanted)
    while stack:
        node = stack.pop()
        key = id(node)
        if key in seen:
            memory.read_again.append(key)
            continue
        seen.add(key)
        # Read once: another thread may drop the values meanwhile.
        kept = node._values
        if kept is not None:
            by_result = kept if isinstance(kept, dict) else {0: kept}
            is_whole = len(by_result) == len(node._types)
            if is_whole or (len(by_result) == node._operation.num_shown and key not in again):
                memory.known.append(node)
                if not is_whole:
                    memory.in_part.append(node)
                values.update({key_of(node, index): known.value for index, known in by_result.items()})
                continue
        left = node._left
        if left is not None:
            stack.append(left)
            right = node._right
            if right is not None:
                stack.append(right)
        elif node._all is not None:
            stack.extend(node._all[::2])  # type: ignore[arg-type]  # nodes and indices alternate
        else:
            operation = node._operation
            if operation.__class__ is Scalar:
                values[key] = operation.value
                continue
            if isinstance(operation, Input):
                memory.inputs.append(node)
                values[key] = operation.read()
                continue
        order.append(node)
        if node._num_handles:
            held.append(node)
    # Operands are older than what reads them.
    order.sort(key=by_age)
    return order


def _keys_of_operands(node: Node) -> list[Key]:
    left, right = node._left, node._right
    if right is not None:
        assert left is not None
        return [key_of(left, node._left_index), key_of(right, node._right_index)]
    return [key_of(operand, index) for operand, index in node.operands]


def _last_readers(order: Sequence[Node], kept: Iterable[Key]) -> dict[Key, Node | None]:
    last: dict[Key, Node | None] = {}
    for node in order:
        left = node._left
        if left is not None:
            last[id(left) if not node._left_index else key_of(left, node._left_index)] = node
            right = node._right
            if right is not None:
                last[id(right) if not node._right_index else key_of(right, node._right_index)] = node
        elif node._all is not None:
            last.update(dict.fromkeys(_keys_of_operands(node), node))
    last.update(dict.fromkeys(kept))
    return last


def _keep_all(node: Node, num_readers: int) -> None:
    """Let no known value go."""


def run_nodes(
    order: Sequence[Node], memory: Memory, kept: Iterable[Key], give_up: Callable[[Node, int], None] = _keep_all
) -> None:
    """Compute the nodes, and leave the values named by `kept` in memory.

    give_up: called with a node of `memory.known` that only a write still reads, and with its number of readers in the
             program; drops the node's value and makes it writable, if nobody else needs it

    Raises:  what the operations raise, with a note that shows the user's line
    """
    run = _Run(memory, _last_readers(order, kept), give_up)
    count_run()
    before = current_errstate()
    try:
        _run(order, run)
    finally:
        if before is not current_errstate():
            set_errstate(before)


def _run(order: Sequence[Node], run: _Run) -> None:
    values, last = run.memory.values, run.last
    # Evaluators of shared operations: one such object stands in thousands of nodes.
    functions: dict[int, Callable[..., Any]] = {}
    state: object = None
    node: Any = None  # Any: read by the except, which nothing reaches without one
    try:
        for node in order:
            if node._errstate is not state:
                state = node._errstate
                set_errstate(reporting(state))
            operation = node._operation
            function = functions.get(id(operation))
            if function is None:
                if operation.updates_operand:
                    run.update(node)
                    continue
                if len(node._types) != 1:
                    run.several(node)
                    continue
                if operation.is_shared:
                    function = functions[id(operation)] = operation.evaluator()
                else:
                    function = operation.evaluate
            left = node._left
            if left is None:
                values[id(node)] = function(*run.operands(node))
                run.free(node)
                continue
            first = id(left) if not node._left_index else key_of(left, node._left_index)
            right = node._right
            if right is None:
                # No local name may hold an operand: it would live until the next node has been computed.
                values[id(node)] = function(values[first])
            else:
                second = id(right) if not node._right_index else key_of(right, node._right_index)
                values[id(node)] = function(values[first], values[second])
                if last[second] is node:
                    del values[second]
                    if second == first:
                        continue
            if last[first] is node:
                del values[first]
    except BaseException as error:
        # The error keeps its class and text, as numpy raised it; the note adds the user's line.
        error.add_note(where_of(node))
        raise


def references_of_a_name() -> int:
    """Return sys.getrefcount of an object with one local name: 2 up to Python 3.13, 1 where arguments are borrowed."""
    held = object()
    return sys.getrefcount(held)


# The count of an array that only a local name in `_Run.update` holds.
_OWN_REFERENCES = references_of_a_name()


class _Run:
    """The values of one run, and the steps for nodes that write, have several results, or more than two operands."""

    __slots__ = ("give_up", "known", "last", "memory")

    def __init__(self, memory: Memory, last: dict[Key, Node | None], give_up: Callable[[Node, int], None]) -> None:
        self.memory = memory
        self.last = last
        self.give_up = give_up
        self.known = {id(node) for node in memory.known}

    def operands(self, node: Node) -> list[Any]:
        values = self.memory.values
        return [values[key] for key in _keys_of_operands(node)]

    def several(self, node: Node) -> None:
        """Compute several results, store those that are read, and free operands that nobody reads later."""
        keys = [key_of(node, index) for index in range(len(node._types))]
        is_read = tuple([key in self.last for key in keys])
        results: Any = node._operation.evaluator_of(is_read)(*self.operands(node))  # Any: a sequence of arrays
        self.free(node)
        for key, wanted, part in zip(keys, is_read, results, strict=True):
            if wanted:
                self.memory.values[key] = part

    def free(self, node: Node) -> None:
        for key in _keys_of_operands(node):
            if self.last[key] is node:
                self.memory.values.pop(key, None)

    def update(self, node: Node) -> None:
        """Apply a write to the first operand: in its own memory, where nothing else holds the array."""
        values, last, operation = self.memory.values, self.last, node._operation
        target_key, *keys = _keys_of_operands(node)
        if last[target_key] is not node or target_key in keys:
            values[id(node)] = operation.evaluate(values[target_key], *[values[key] for key in keys])
        else:
            target = values.pop(target_key)
            if self.known and id(node._left or node._all[0]) in self.known:  # type: ignore[index]  # writes have operands
                self._give_up(node)
            # Each other holder (a view of the array, the caller, the cache of a read) would be one more reference.
            if (
                sys.getrefcount(target) == _OWN_REFERENCES
                and target.__class__ is np.ndarray
                and target.flags.owndata
                and target.flags.writeable
            ):
                values[id(node)] = operation.update_in_place(target, *[values[key] for key in keys])
            else:
                values[id(node)] = operation.evaluate(target, *[values[key] for key in keys])
        for key in keys:
            if last[key] is node:
                values.pop(key, None)

    def _give_up(self, node: Node) -> None:
        operand: Any = node._left or node._all[0]  # type: ignore[index]  # a write has operands
        self.give_up(operand, 1 + self.memory.read_again.count(id(operand)))


def _source_in(names: Mapping[str, Any]) -> Source | None:
    node: Node = names["node"]
    return node._source


# The function that runs operations, and how to find the user's line in its local names.
CODE_TO_SOURCE = {_run.__code__: _source_in}


def where_of(node: Node) -> str:
    """Return the note for an error: the operation, the types of its operands, and the user's line."""
    operands = ", ".join(str(operand._types[index]) for operand, index in node.operands)
    scope = f" in {node._scope}" if node._scope else ""
    return f"while evaluating {node._operation.name}({operands}){scope}, built at:\n  {describe_source(node._source)}"
