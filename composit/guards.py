"""Reads of values: a value that Python needs is computed when it is needed, and a read that steers Python is a guard.

May import handle, program, backends, operation, source, errors.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from composit.at_call import at_call
from composit.backends import get_backend
from composit.errors import GuardError
from composit.handle import TensorHandle
from composit.interpreter import OwnedValues
from composit.kept_values import KnownValue, drop_old_values, mark_used, read_elsewhere
from composit.node import Node, drop_values, keep_value, live_handles, newest_serial
from composit.operation import Array, Input
from composit.program import (
    BoundProgram,
    Pair,
    ancestors_in_order,
    build_program,
    program_of_nodes,
    run_in,
    surroundings_of,
)
from composit.same_values import look_the_same
from composit.source import Source, describe_source, find_source

NEVER = sys.maxsize  # as `Guard.after`: a read that is mentioned in errors, but steered nothing
_CHOOSING = ("bool", "index")


@dataclass(frozen=True, slots=True, eq=False)
class Guard:
    """One read of a value by Python: what was read, by which kind of read, where, and what came out.

    after:  the newest serial when it was read; a number that is read can steer only what is built later, but a
            condition or an index also chooses among what is there, as the last test of a loop does
    inputs: what the value depends on; each holds the guard
    """

    pair: Pair
    kind: str
    source: Source | None
    value: Array
    after: int
    inputs: tuple[Input, ...] = ()

    def may_have_steered(self, newest: int) -> bool:
        """Return whether a value whose newest node has this serial may be there because of the read."""
        return self.after <= newest or (self.kind in _CHOOSING and self.after < NEVER)

    def check(self, value: Array, cause: Exception | None = None) -> None:
        """Raise GuardError if the value differs from the one that was read."""
        if look_the_same(self.kind, self.value, value):
            return
        raise GuardError(
            f"guard: {self.kind} read {_short(self.value)} when this graph was built and would read {_short(value)} for the inputs "
            f"given now, so Python might have taken another path; build the graph again for these inputs, or pass "
            f"guards='ignore' if the value does not matter. The read:\n  {describe_source(self.source)}"
        ) from cause


def _short(value: Array) -> str:
    return np.array2string(np.asarray(value), threshold=8, edgeitems=2)


def record_read(handle: TensorHandle, kind: str, value: Array, inputs: Iterable[Input]) -> None:
    """Note on each input the value depends on that Python has seen it: the mark that a later run checks."""
    newest = newest_serial()
    dependencies = tuple(inputs)
    guard = Guard((handle.node, handle.output_index), kind, find_source(2), np.array(value), newest, dependencies)
    for operation in dependencies:
        operation.guards.append(guard)


def end_history(superseded: Iterable[TensorHandle]) -> None:
    """Forget the reads that depend on inputs which others take the place of, as parameters after a step of training.

    A guard holds the graph of what was read, and so the arrays: a loop that reads its loss would keep all the weights
    it ever had.
    """
    ended = {id(guard): guard for handle in superseded for guard in _guards_of(handle.node)}
    for operation in {part for guard in ended.values() for part in guard.inputs}:
        operation.guards[:] = [guard for guard in operation.guards if id(guard) not in ended]


def _guards_of(node: Node) -> Sequence[Guard]:
    return node.operation.guards if isinstance(node.operation, Input) else ()


def read_value(handle: TensorHandle, kind: str) -> Any:  # Any: an array or numpy scalar
    """Return the value that Python needs now; it stays with each node passed that a live handle points to.

    kind: the name of the read for the guard; "" for reads that steer nothing, such as printing
    """
    known = handle._known
    if known is None:
        known = _look_up(handle.node) or _compute(handle)
    if kind:
        record_read(handle, kind, known.value, known.inputs)
    return known.value


def _compute_now(handle: TensorHandle) -> None:
    # Numpy's function has run already where it runs at the call.
    if not handle.node.operation.runs_at_call:
        read_value(handle, "")


at_call.compute = _compute_now


def _look_up(node: Node) -> KnownValue | None:
    """Return an element of an array whose values are known: no program has to run, as in a loop over an array."""
    if not node.operation.is_view or not node.types[0].is_scalar:
        return None
    operand, index = node.operands[0]
    whole = operand._values.get(index)
    if whole is None and isinstance(operand.operation, Input):
        whole = KnownValue(operand.operation.read(), frozenset([operand.operation]))
    if whole is None:
        return None
    known = KnownValue(node.operation.evaluate(whole.value), whole.inputs)
    keep_value(node, 0, known)
    drop_old_values([node])
    return known


def _compute(handle: TensorHandle) -> KnownValue:
    wanted = (handle.node, handle.output_index)
    behind = known_values_behind([wanted])
    outputs = [wanted, *_pairs_to_keep(behind.order, wanted)]
    bound = program_of_nodes(behind.order, outputs, behind.pairs)
    dependencies = _dependencies(bound, behind)
    given = _values(bound, behind)
    consumed = _given_up(bound, behind)
    mark_used(behind.pairs)
    del behind
    for pair in consumed:
        release_value(*pair)
    run = get_backend("numpy").prepare(bound.program)
    values = run_in(surroundings_of(bound.program.labels), run, given)
    for (node, index), value, reference in zip(outputs, values, bound.program.outputs, strict=True):
        keep_value(node, index, KnownValue(freeze(value), dependencies[reference[0]]))
    drop_old_values([node for node, _ in outputs])
    # Of the node that was computed: a tensor whose memory is being written to points to another at each look.
    known: KnownValue | None = wanted[0]._values.get(wanted[1])
    assert known is not None
    return known


# A node that only a write refers to: from the operands of that node, the cut, the leaf and the local names on the way.
def _given_up(bound: BoundProgram, behind: Behind) -> list[Pair]:
    """Return the known values that nobody can ask for any more, once the write that reads them has been computed.

    In `while ...: x[i] = f(x[i - 1])` each round reads the array as the last round left it. Its handle has moved on, and
    the write is its only reader: so its array may be updated in place, and n writes copy nothing.
    """
    updated = _updated(bound)
    if not updated:
        return []
    return [
        (node, index)
        for (node, index), known in behind.cuts.values()
        if (id(node), index) in updated
        and not isinstance(node.operation, Input)
        and not node.operation.runs_at_call
        and next(live_handles(node), None) is None
        and known.value.__class__ is np.ndarray
        and sys.getrefcount(node) - _references_inside(bound, node) <= _REFERENCES_OF_A_RUN
    ]


# What refers to a cut besides the nodes that read it: the pairs of cuts and of leaves, and names on the way.
_REFERENCES_OF_A_RUN = 3


def _references_inside(bound: BoundProgram, node: Node) -> int:
    return sum(operand is node for reader in bound.nodes if reader is not None for operand, _ in reader.operands)


def _updated(bound: BoundProgram) -> set[tuple[int, int]]:
    """Return the leaves that a write changes and that are no results themselves."""
    leaves = dict(zip(bound.program.inputs, bound.leaves, strict=True))
    outputs = {position for position, _ in bound.program.outputs}
    return {
        (id(leaves[source][0]), leaves[source][1])
        for instruction in bound.program.instructions
        if instruction.operation.updates_operand
        for source, _ in instruction.operands[:1]
        if source in leaves and source not in outputs
    }


@dataclass(frozen=True, slots=True)
class Behind:
    """What a value is to be computed from.

    cuts:  the nearest values that earlier reads left, by node and result
    order: the nodes between these and the value itself, operands first
    """

    cuts: dict[tuple[int, int], tuple[Pair, KnownValue]]
    order: list[Node]

    @property
    def pairs(self) -> list[Pair]:
        """The cuts without their values."""
        return [pair for pair, _ in self.cuts.values()]


def known_values_behind(wanted: Sequence[Pair]) -> Behind:
    """Return the nearest known values from which the wanted ones can be computed, and the nodes that do it."""
    found = Behind({}, [])
    seen: set[int] = set()
    stack: list[Node | None] = [node for node, _ in reversed(wanted)]
    open_nodes: list[Node] = []
    while stack:
        node = stack.pop()
        if node is None:
            # All that the last one opened depends on has been put in order.
            found.order.append(open_nodes.pop())
            continue
        if id(node) in seen:
            continue
        seen.add(id(node))
        stack.append(None)
        open_nodes.append(node)
        for operand, index in reversed(node.operands):
            known = operand._values.get(index)
            if known is not None:
                found.cuts[id(operand), index] = ((operand, index), known)
            elif id(operand) not in seen:
                stack.append(operand)
    return found


def _pairs_to_keep(nodes: Sequence[Node], wanted: Pair) -> list[Pair]:
    kept = {
        (id(handle.node), handle.output_index): (handle.node, handle.output_index)
        for node in nodes
        if not isinstance(node.operation, Input)
        for handle in live_handles(node)
    }
    for node in read_elsewhere(nodes):
        kept.setdefault((id(node), 0), (node, 0))
    kept.pop((id(wanted[0]), wanted[1]), None)
    return list(kept.values())


def _values(bound: BoundProgram, behind: Behind) -> list[Array]:
    values = []
    for node, index in bound.leaves:
        cut = behind.cuts.get((id(node), index))
        values.append(cut[1].value if cut is not None else leaf_value(node))
    return OwnedValues(values)


def release_value(node: Node, index: int) -> None:
    """Let the value of a node go, writable again for the one program that still holds it."""
    array = node._values[index].value
    drop_values(node)
    array.flags.writeable = True


def leaf_value(node: Node, index: int = 0) -> Array:
    """Return the array of an Input node, or the value that a node keeps because its operation ran at the call."""
    if isinstance(node.operation, Input):
        return node.operation.read()  # type: ignore[no-any-return]
    return node._values[index].value


def _dependencies(bound: BoundProgram, behind: Behind) -> list[frozenset[Input]]:
    leaves = dict(zip(bound.program.inputs, bound.leaves, strict=True))
    result: list[frozenset[Input]] = []
    for position, instruction in enumerate(bound.program.instructions):
        if position in leaves:
            node, index = leaves[position]
            cut = behind.cuts.get((id(node), index))
            result.append(cut[1].inputs if cut is not None else frozenset([_input(node)]))
            continue
        parts = {id(part): part for part in (result[source] for source, _ in instruction.operands)}
        result.append(_union(list(parts.values())))
    return result


def _input(node: Node) -> Input:
    assert isinstance(node.operation, Input)
    return node.operation


def _union(parts: Sequence[frozenset[Input]]) -> frozenset[Input]:
    # One shared set where all agree: a long chain then holds one set, not one per node.
    if not parts:
        return frozenset()
    largest = max(parts, key=len)
    return largest if all(part <= largest for part in parts) else largest.union(*parts)


def freeze(value: Any) -> Any:  # Any: arrays become read-only, scalars are already
    """Return the value as one that nobody can write to and that shares memory with nothing writable."""
    if not isinstance(value, np.ndarray):
        return value
    is_own = value.base is None and value.flags.owndata and value.flags.writeable
    array = value if is_own else value.copy(order="K")
    array.flags.writeable = False
    return array


def from_outside(value: Any, held: dict[int, TensorHandle] | None = None) -> Any:  # Any: as freeze
    """Return the value as it is shown outside: an array of objects that holds tensors with their values in their places.

    held: takes these tensors, by the ids of their values
    """
    return _shown(value, {} if held is None else held, {})


def _shown(value: Any, held: dict[int, TensorHandle], seen: dict[int, Array]) -> Any:
    # seen: what stands for an array of objects, by its id, since one may hold itself
    if not isinstance(value, np.ndarray) or value.dtype != object or id(value) in seen:
        return seen.get(id(value), value)
    places = [i for i, element in enumerate(value.ravel().tolist()) if isinstance(element, TensorHandle)]
    shown = seen[id(value)] = value.copy(order="K") if places else value
    for place in places:
        tensor = shown.flat[place]
        part = shown.flat[place] = _shown(read_value(tensor, ""), held, seen)
        held[id(part)] = tensor
    return shown


def guards_for(outputs: Sequence[Pair], replaced: Sequence[Pair]) -> list[Guard]:
    """Return the reads that may have steered the building of the outputs and depend on the replaced leaves."""
    newest = max((node.serial for node, _ in outputs), default=-1)
    every = build_program(outputs)
    candidates = {
        id(guard): guard for node, _ in every.leaves for guard in _input(node).guards if guard.may_have_steered(newest)
    }
    given = {_place(pair) for pair in replaced}
    reached = _dependents([guard.pair for guard in candidates.values()], replaced, given)
    return [guard for guard in candidates.values() if _place(guard.pair) in given or id(guard.pair[0]) in reached]


def _place(pair: Pair) -> tuple[int, int]:
    # Leaves are known by their operation: a relabelled input is the same input.
    node, index = pair
    return (id(node), index) if node.operands else (id(node.operation), index)


def _dependents(pairs: Sequence[Pair], replaced: Sequence[Pair], given: set[tuple[int, int]]) -> set[int]:
    """Return which nodes depend on what is replaced: one walk for all reads, since a loop has as many as rounds."""
    reached: set[int] = set()
    cuts = [pair for pair in replaced if pair[0].operands]
    for node in ancestors_in_order([node for node, _ in pairs], cuts):
        sources = node.operands or ((node, 0),)
        if any(_place(source) in given or id(source[0]) in reached for source in sources):
            reached.add(id(node))
    return reached


def check_guards(guards: Sequence[Guard], values: Sequence[Array]) -> None:
    """Raise GuardError for the first read whose value differs now."""
    for guard, value in zip(guards, values, strict=True):
        guard.check(value)
