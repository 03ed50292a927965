"""Reads of values by Python: the value is computed when it is needed, and the read is kept as a guard for later runs."""

from __future__ import annotations

import sys
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from operator import attrgetter
from types import FrameType
from typing import Any, ClassVar

import numpy as np

from composit.direct import Memory, key_of, nodes_behind, run_nodes
from composit.drafts import Draft
from composit.errors import GuardError
from composit.handle import TensorHandle
from composit.kept_values import KnownValue, drop_old_values, freeze, mark_used, read_elsewhere
from composit.node import (
    Node,
    drop_values,
    kept_value,
    kept_values,
    next_serial,
    outlives_handles,
    root_origin,
)
from composit.operation import Array, Input, Scalar
from composit.origins import PASSED, Origin, joined, joined_two
from composit.program import ancestors_in_order
from composit.read_places import NO_PLACE, Place, note_place
from composit.read_spans import NEVER, SeenRead, Span, current_span
from composit.same_values import look_the_same
from composit.source import Source, describe_source, find_source, source_at
from composit.value import Identity, Value, identity_of

_CHOOSING = ("bool", "index")


class Guard:
    """One read of a value by Python: the value's node, the kind of read, its line, and the result.

    read:  the value that was read; a draft is made into a node when this is asked for
    after: the newest serial at the time of the read. A number can influence only nodes that are built later; a condition or
           an index also chooses among existing nodes, as the last test of a loop does
    place: for a number with which Python may compute, its line and the calls that led there
    span:  the nodes that the read can have steered at all; None for all later ones
    """

    __slots__ = ("__weakref__", "_read", "after", "kind", "place", "source", "span", "value")
    # Whether another library computed the value, so that floats may differ from it by rounding.
    is_rounded: ClassVar[bool] = False
    released_by: ClassVar[Identity | None] = None  # where this value is given, the read does not matter

    def __init__(
        self,
        read: tuple[Node, int] | Draft,
        kind: str,
        source: Source | None,
        value: Any,
        after: int,
        place: Place = NO_PLACE,
    ) -> None:
        self._read = read
        self.kind = kind
        self.source = source
        self.value = value
        self.after = after
        self.place = place
        self.span: Span | None = None

    @property
    def read(self) -> Value:
        """The value that was read."""
        if isinstance(self._read, Draft):
            self._read = (self._read.node(), 0)
        return Value(*self._read)

    def may_have_steered(self, newest: int) -> bool:
        """Return whether this read could have decided that a value with this newest serial was built."""
        return self.after <= newest or (self.kind in _CHOOSING and self.after < NEVER)

    def is_of(self, serials: Sequence[int]) -> bool:
        """Return whether the read's span has a node that the read may have steered. serials: of all nodes, ascending."""
        if self.span is None:
            return True
        first = self.span.start if self.kind in _CHOOSING else self.after
        place = bisect_left(serials, first)
        return place < len(serials) and serials[place] <= self.span.stop

    def check(self, value: Array, cause: Exception | None = None) -> None:
        """Raise GuardError if the value differs from the one that was read."""
        if look_the_same(self.kind, self.value, value, self.is_rounded):
            return
        scope = self.read.node.scope
        raise GuardError(
            f"guard: Python might take another path{f' in {scope}' if scope else ''} at\n  {describe_source(self.source)}\n"
            f"{self.kind} read {_short(self.value)} when this graph was built and would read {_short(value)} for the inputs given now; "
            "build the graph again for these inputs, or pass guards='ignore' if the value does not matter"
        ) from cause


class RoundedGuard(Guard):
    """A read of a value that another library computed."""

    __slots__ = ()
    is_rounded = True


def _short(value: Array) -> str:
    return np.array2string(np.asarray(value), threshold=8, edgeitems=2)


def record_read(
    handle: TensorHandle, kind: str, value: Any, *origins: Origin | None, is_rounded: bool = False
) -> Guard | None:
    """Keep a read with the origins of its value, so that later runs check it; return it, None if nothing it depends on can change.

    value: the guard keeps it, so nobody may write to it later; is_rounded: another library computed it
    """
    noting = [origin for origin in origins if origin is not None]
    if not noting:
        return None
    seen = value if isinstance(value, np.generic | np.ndarray) else np.array(value)
    place = note_place(sys._getframe(1)) if kind not in _CHOOSING and seen.dtype.kind in "fc" else NO_PLACE
    source = place[0] if place else find_source()
    kept = RoundedGuard if is_rounded else Guard
    guard = kept((handle.node, handle._output_index), kind, source, seen, next_serial(), place)
    guard.span = current_span.get()
    if guard.span is not None:
        guard.span.note(guard)
    for origin in noting:
        origin.note(guard)
    return guard


def read_number(handle: TensorHandle, kind: str, frame: FrameType) -> Any:  # Any: a numpy scalar
    """Return the number of a scalar with a known one (`_early`), and keep the read.

    frame: the reading function's, or that of one of ours below it
    """
    number, origin, draft = handle._early  # type: ignore[misc]  # the caller has looked
    if origin is not None and (origin.__class__ is not Origin or origin.parents or origin.is_dead):
        origin = origin.alive()
    read: tuple[Node, int] | Draft
    if draft is None:
        read = (handle.node, 0)
        own = root_origin(read[0])
    elif origin is None:
        read, own = draft, draft.own_origin()
    else:
        # The tensor can be replaced too, but the read is already found from the tensors on which it depends.
        read, own = draft, draft.origin if draft.made is None else draft.made._origin
    if own is None and origin is None:
        return number
    if kind not in _CHOOSING and number.__class__ in _MEASURES:
        place = note_place(frame)
        source: Source | None = place[0] if place else None
    else:
        place, source = NO_PLACE, source_at(frame)
    # As Guard(...) does, without the cost of a class call.
    guard = _new(Guard)
    guard._read = read
    guard.kind = kind
    guard.source = source
    guard.value = number
    guard.after = next_serial()
    guard.place = place
    guard.span = None
    if origin is not None:
        last, guards = origin.last, origin.guards
        if last is not None and last[0] is place and last[1] == kind and guards.__class__ is list:
            # As `note` does for another read of a loop.
            guards.append(guard)
        else:
            origin.note(guard)
    if own is not None and own is not origin:
        own.note(guard)
    return number


_new: Callable[[type[Guard]], Guard] = object.__new__


# The classes of numpy's scalars that may come back into a graph as numbers.
_MEASURES = frozenset(np.dtype(code).type for code in "efdgFDG")


def reads_of(node: Node) -> Iterator[Guard]:
    """Yield the reads of values that depend on a node, as far as they are kept with it."""
    return iter(()) if node._origin is None else node._origin.reads()


def first_reads_of(node: Node) -> Iterator[Guard]:
    """Yield, for each place, the first read of a number that depends on a node or on the origins of its cached values."""
    for origin in (node._origin, *map(_living_origin, kept_values(node))):
        if origin is not None:
            yield from origin.first_reads()


def _living_origin(known: KnownValue) -> Origin | None:
    return None if known.origin is None else known.origin.alive()


def mention_read(node: Node, kind: str, source: Source | None, value: Array) -> None:
    """Keep a read that took a leaf's value out of the graph, for errors to mention; it is never checked."""
    origin = root_origin(node)
    if origin is not None:
        origin.note(Guard((node, 0), kind, source, value, NEVER))


def end_history(superseded: Iterable[TensorHandle]) -> None:
    """Forget the reads that depend on replaced inputs, such as parameters after a step of training.

    A guard keeps the graph of its value alive, and so the arrays: a loop that reads its loss would keep the weights of all
    its steps.
    """
    for handle in superseded:
        if handle.node._origin is not None:
            handle.node._origin.forget()


def origin_of(node: Node, known: KnownValue | None) -> Origin | None:
    """Return the origin of a cached value, with the value's own node; None if nothing that it depends on can be replaced."""
    origin = None if known is None or known.origin is None else known.origin.alive()
    root = node._origin
    if node._num_handles:
        root = root_origin(node)
    elif root is not None and root.is_dead:
        root = None
    if root is not None and root is not origin and (origin is None or root not in origin.parents):
        origin = joined_two(origin, root)
        if known is not None:
            known.origin = origin
    return origin


def read_value(handle: TensorHandle, kind: str) -> Any:  # Any: an array or numpy scalar
    """Return the value that Python needs now; every node on the way that has a live handle keeps its value.

    kind: the name of the read for the guard; "" for reads that influence nothing, such as printing
    """
    early = handle._early
    if isinstance(early, tuple):
        return read_number(handle, kind, sys._getframe(1)) if kind else early[0]
    node = handle._node or handle.node
    known = kept_value(node, handle._output_index)
    if known is None:
        known = _look_up(node, kind) or _compute(node, handle._output_index, kind)
    if kind:
        # Kept with both origins and not with a join of them: most tensors that are read are gone right after.
        own, origin = root_origin(node), known.origin
        # Copied only if it may change: n reads of an array would keep n copies.
        seen = np.array(known.value) if node._operation.shares_memory else known.value
        record_read(handle, kind, seen, own, None if origin is None or origin is own else origin.alive())
    return known.value


def known_value_of(node: Node, index: int) -> KnownValue | None:
    """Return the cached value of a node, or the value of a small creation such as zeros or arange; else None."""
    known = kept_value(node, index)
    if known is not None or node._left is not None or node._all is not None:
        return known
    operation = node._operation
    if isinstance(operation, Input | Scalar) or operation.runs_at_call or node._types[0].num_bytes > MOST_KNOWN_BYTES:
        return None
    known = KnownValue(freeze(operation.evaluate()), None)
    node._values = known
    return known


MOST_KNOWN_BYTES = 1 << 22


def compute_now(handle: TensorHandle) -> None:
    """Compute a tensor's value where its operation is written."""
    # An operation that runs at the call has its value already.
    if not handle.node.operation.runs_at_call:
        read_value(handle, "")


def _look_up(node: Node, kind: str) -> KnownValue | None:
    """Return the value of a leaf, or an element of an array with known values, without running a program; else None."""
    operation = node._operation
    if isinstance(operation, Scalar):
        return KnownValue(operation.value, None)
    if isinstance(operation, Input):
        # Not cached: an input that shares memory checks the memory at each read.
        return KnownValue(operation.read(), _origin_of_leaf(node, kind))
    operand = node._left
    if not operation.is_view or operand is None or not node._types[0].is_scalar:
        return None
    whole = kept_value(operand, node._left_index)
    if whole is None:
        if not isinstance(operand._operation, Input):
            return None
        whole = KnownValue(operand._operation.read(), _origin_of_leaf(operand, kind))
    return KnownValue(operation.evaluate(whole.value), origin_of(operand, whole))


def _origin_of_leaf(node: Node, kind: str) -> Origin | None:
    origin = node._origin
    if origin is None:
        if node._num_handles or outlives_handles(node):
            return root_origin(node)
        if kind:
            node._origin = PASSED
        return None
    return None if origin.is_dead else origin


def _compute(node: Node, index: int, kind: str) -> KnownValue:
    memory = Memory()
    order = nodes_behind([node], memory)
    if not order or order[-1] is not node:
        # Another thread has computed the value meanwhile, and may have dropped it again.
        return kept_value(node, index) or _compute(node, index, kind)
    kept = memory.held if node._num_handles else [*memory.held, node]
    # One origin for all values that are computed here, although some depend on a part of it only.
    origin = joined(
        [
            *[_origin_of_leaf(leaf, kind) for leaf in memory.inputs],
            *[origin_of(cut, known) for cut in memory.known for known in kept_values(cut)],
            *[root_origin(each) for each in kept if each is not node],
        ]
    )
    kept += read_elsewhere(order, memory.read_again)
    mark_used(memory.known)
    counts = [(each, _num_kept(each, node, index)) for each in kept]
    run_nodes(order, memory, [key_of(each, i) for each, count in counts for i in range(count)], _give_up)
    # Held here too: another thread may empty the node's cache, as by a write to the tensor.
    wanted: KnownValue | None = None
    for each, count in counts:
        if count == 1:
            known: KnownValue | None = KnownValue(freeze(memory.values[key_of(each, 0)]), origin)
            each._values = known
        else:
            values = {i: KnownValue(freeze(memory.values[key_of(each, i)]), origin) for i in range(count)}
            each._values = values
            known = values.get(index)
        if each is node:
            wanted = known
    drop_old_values(kept)
    assert wanted is not None
    return wanted


def _num_kept(node: Node, root: Node, index: int) -> int:
    """Return how many results of a node are kept when one of the root is read: all but those that only derivatives need."""
    count = len(node._types)
    num_shown = count if count == 1 else node._operation.num_shown
    return num_shown if node is not root or index < num_shown else count


# References to a node with a cached value that are not its readers: the list of such nodes, two local names on the way,
# and the argument of getrefcount.
_OWN_REFERENCES = 4


def _give_up(node: Node, num_readers: int) -> None:
    """Drop a cached value and make its array writable, if only a write still reads it, which can then be done in place.

    In `while ...: x[i] = f(x[i - 1])` each round reads the array of the last round. The handle has moved on, and the write is
    the array's only reader: updated in place, n writes copy nothing.
    """
    if (
        node._num_handles
        or len(node._types) != 1
        or node._operation.runs_at_call
        or sys.getrefcount(node) - num_readers > _OWN_REFERENCES
    ):
        return
    known = kept_value(node, 0)
    if known is None:
        # Another thread has dropped the value; the program then copies the array that it writes to.
        return
    drop_values(node)
    if isinstance(known.value, np.ndarray):
        known.value.flags.writeable = True


def leaf_value(leaf: Value) -> Array:
    """Return the array of an Input node, or the cached value of an operation that ran at the call."""
    operation = leaf.node._operation
    if isinstance(operation, Input):
        return operation.read()  # type: ignore[no-any-return]
    known = kept_value(leaf.node, leaf.index)
    assert known is not None
    return known.value  # type: ignore[no-any-return]  # of an array


def from_outside(value: Any, held: dict[int, TensorHandle] | None = None) -> Any:  # Any: as freeze
    """Return the value for users: tensors in an array of objects are replaced by their values.

    held: filled with these tensors, by the ids of their values
    """
    return _shown(value, {} if held is None else held, {})


def _shown(value: Any, held: dict[int, TensorHandle], seen: dict[int, Array]) -> Any:
    # seen: the replacement of each array of objects, by its id, since such an array may contain itself
    if not isinstance(value, np.ndarray) or value.dtype != object or id(value) in seen:
        return seen.get(id(value), value)
    places = [i for i, element in enumerate(value.ravel().tolist()) if isinstance(element, TensorHandle)]
    shown = seen[id(value)] = value.copy(order="K") if places else value
    for place in places:
        tensor = shown.flat[place]
        part = shown.flat[place] = _shown(read_value(tensor, ""), held, seen)
        held[id(part)] = tensor
    return shown


def guards_for(outputs: Sequence[Value], replaced: Sequence[Value]) -> list[Guard]:
    """Return the reads that may have steered the building of the outputs and depend on the replaced values.

    Raises:  GuardError: a replaced value was passed by a read while no tensor pointed to it, so that the read was not noted
    """
    newest = max((output.node.serial for output in outputs), default=-1)
    found: dict[int, Guard] = {}
    for value in replaced:
        if value.node._origin is PASSED:
            raise GuardError(_passed_message(value.node))
        for origin in _origins_behind(value.node, value.index):
            found |= {id(guard): guard for guard in origin.reads() if guard.may_have_steered(newest)}
    given = {value.identity for value in replaced}
    matter = [guard for guard in found.values() if guard.released_by not in given]
    # In the order of the reads: the first that differs is the one to tell of.
    candidates = _of_outputs(sorted(matter, key=attrgetter("after")), outputs)
    reached = _dependents([guard.read.node for guard in candidates], replaced, given)
    return [guard for guard in candidates if guard.read.identity in given or id(guard.read.node) in reached]


def reads_behind(outputs: Sequence[Value], spans: Collection[Span] = ()) -> list[SeenRead]:
    """Return the reads that may have steered the building of the outputs, in the order in which the lines were first read.

    spans: in which the outputs were built, whose reads count also where they depend on nothing that the outputs do
    """
    newest = max((output.node.serial for output in outputs), default=-1)
    found: dict[int, Guard] = {}
    for node in ancestors_in_order([output.node for output in outputs]):
        for origin in (node._origin, *map(_living_origin, kept_values(node))):
            reads = () if origin is None else origin.reads()
            found |= {id(guard): guard for guard in reads if guard.span not in spans and guard.may_have_steered(newest)}
    others = Span()
    for guard in _of_outputs(sorted(found.values(), key=attrgetter("after")), outputs):
        others.note(guard)
    own = [read for span in spans for read in span.reads() if read.kind in _CHOOSING or read.after <= newest]
    return sorted([*own, *others.reads()], key=attrgetter("after"))


def _of_outputs(guards: list[Guard], outputs: Sequence[Value]) -> list[Guard]:
    """Return the reads without those of a trace from which the outputs have no node."""
    if all(guard.span is None for guard in guards):
        return guards
    # Leaves are older than the traces that use them again, except for an output that is a leaf.
    nodes = ancestors_in_order([output.node for output in outputs])
    roots = {id(output.node) for output in outputs}
    serials = sorted(node.serial for node in nodes if node.operands or id(node) in roots)
    return [guard for guard in guards if guard.is_of(serials)]


def _origins_behind(node: Node, index: int) -> Iterator[Origin]:
    """Yield what reads of values that depend on this one may be noted with.

    A number that was known at once has no origin of its own; its reads are noted with what it was computed from.

    Raises:  GuardError: that is gone, and its reads with it
    """
    has_own = node._origin is not None or kept_value(node, index) is not None
    for each in ancestors_in_order([node]):
        if each._origin is PASSED and node._types[index].is_scalar and not has_own:
            raise GuardError(_passed_message(node))
        if each._origin is not None:
            yield each._origin
        yield from [origin for known in kept_values(each) if (origin := _living_origin(known)) is not None]


def _passed_message(node: Node) -> str:
    return (
        f"guard: other values were given for {node!r}, built at\n  {describe_source(node.source)}\nPython has read a value that"
        " depends on it while no tensor pointed to it, so nobody can say whether that read would differ; expected a tensor that"
        " was held while the graph was built; hold it in a name, or pass guards='ignore' if no read matters"
    )


def _dependents(roots: Sequence[Node], replaced: Sequence[Value], given: set[Identity]) -> set[int]:
    """Return which nodes depend on what is replaced: one walk for all reads, since a loop has as many as rounds."""
    reached: set[int] = set()
    cuts = [value for value in replaced if value.node.operands]
    for node in ancestors_in_order(roots, cuts):
        sources = node.operands or ((node, 0),)
        if any(identity_of(*source) in given or id(source[0]) in reached for source in sources):
            reached.add(id(node))
    return reached


def check_guards(guards: Sequence[Guard], values: Sequence[Array]) -> None:
    """Raise GuardError for the first read whose value differs now."""
    for guard, value in zip(guards, values, strict=True):
        guard.check(value)
