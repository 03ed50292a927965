"""Warns if Python read a number from an input of `chain_rule` and may have put it back into an output.

`x[0] * math.exp(x[1])` reads x[1] and multiplies by a number, which the derivative takes for a constant. The graph
does not know where a number comes from, so bytecode decides (`number_flow.py`): it warns of a read if the number may
reach a statement that later built a node from a number or a fresh array. Tests, texts and printing do not count.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from composit.errors import ReadNumberWarning
from composit.guards import Guard, first_reads_of
from composit.handle import TensorHandle
from composit.nn.number_flow import Flow, flow_of_parameters, flow_of_read, statement_at
from composit.node import Node
from composit.operation import Scalar
from composit.program import ancestors_in_order
from composit.read_places import Key, Place, key_of
from composit.source import Source, describe_source, warn_user
from composit.value import identity_of

# Reads that cause no warning: their numbers are rounded, so have no derivative, or are only shown or tested.
_KINDS_WITHOUT_SLOPE = frozenset(
    "int round trunc hash mask arange trim_zeros is_integer as_integer_ratio hex places length period".split()
)
_MAX_SHOWN = 3


@dataclass(slots=True)
class _Entry:
    """An instruction that built nodes from numbers or fresh arrays, and the serial of the newest such node."""

    source: Source
    newest: int


def warn_of_read_numbers(wanted: Sequence[TensorHandle], order: Sequence[Node]) -> None:
    """Warn if a number read from a wanted value may be a constant in `order`, the nodes of the outputs."""
    firsts = _first_reads(wanted)
    if not firsts:
        return
    entries = _entries(order)
    # The first read at each place suffices: a node built after a later read there was also built after the first.
    reads = [
        guard for guard in firsts if guard.after <= _newest_reached(guard.place, entries) and _depends(guard, wanted)
    ]
    if reads:
        warn_user(_message(reads), ReadNumberWarning)


def _first_reads(wanted: Sequence[TensorHandle]) -> list[Guard]:
    """Return the first read at each place of a number that depends on a wanted value; a read in a loop counts once."""
    found: dict[Key, Guard] = {}
    for handle in wanted:
        for guard in first_reads_of(handle.node):
            if guard.kind not in _KINDS_WITHOUT_SLOPE:
                known = found.setdefault(key_of(guard.place), guard)
                if guard.after < known.after:
                    found[key_of(guard.place)] = guard
    return list(found.values())


def _entries(order: Sequence[Node]) -> Mapping[tuple[int, int], _Entry]:
    found: dict[tuple[int, int], _Entry] = {}
    for node in order:
        if node.source is None or not _takes_numbers(node):
            continue
        code, offset = node.source
        entry = found.setdefault((id(code), offset), _Entry(node.source, node.serial))
        entry.newest = max(entry.newest, node.serial)
    return found


def _takes_numbers(node: Node) -> bool:
    """Return whether the node may hold a Python number: as an operand, or as an element of a fresh array."""
    if not node.operands:
        return node.types[0].dtype.kind in "fc"
    return any(
        isinstance(operand.operation, Scalar) and operand.types[0].dtype.kind in "fc" for operand, _ in node.operands
    )


def _newest_reached(place: Place, entries: Mapping[tuple[int, int], _Entry]) -> int:
    """Return the serial of the newest node that may hold a number read at the place, -1 for none."""
    newest = -1
    for code, offset in place:
        flow = flow_of_read(code, offset)
        for entry in entries.values():
            if entry.newest > newest and _is_reached(flow, (code, offset), entry.source):
                newest = entry.newest
        if not flow.leaves:
            break
    return newest


def _is_reached(flow: Flow, read: Source, entry: Source) -> bool:
    (code, offset), (other, other_offset) = read, entry
    if other is not code:
        # Another function can get the number as an argument, or by a global, an enclosing variable or an attribute.
        shared = Flow(frozenset(name for name in flow.names if name in other.co_names or name in other.co_freevars))
        attributes = Flow(frozenset(name for name in flow.names if name.startswith(".")))
        return (
            (other.co_name in flow.called and flow_of_parameters(other).reaches(other, other_offset))
            or (other.co_filename == code.co_filename and shared.reaches(other, other_offset))
            or attributes.reaches(other, other_offset)
        )
    statement = statement_at(code, offset)
    is_same = statement is not None and not statement.is_test and offset <= other_offset <= statement.stop
    return is_same or flow.reaches(other, other_offset)


def _depends(guard: Guard, wanted: Sequence[TensorHandle]) -> bool:
    sources = {identity_of(handle.node, 0) for handle in wanted}
    return any(identity_of(node, 0) in sources for node in ancestors_in_order([guard.read.node]))


def _message(reads: Sequence[Guard]) -> str:
    shown = "".join(f"\n  {guard.kind} at {describe_source(guard.source)}" for guard in reads[:_MAX_SHOWN])
    more = f"\n  and {len(reads) - _MAX_SHOWN} more" if len(reads) > _MAX_SHOWN else ""
    return (
        "chain_rule: Python read numbers that depend on the inputs, and they seem to have come back into the outputs, where the"
        f" derivative takes them for constants. The reads:{shown}{more}\nexpected a computation on tensors, as composit.numpy.exp"
        " in place of math.exp; if constants are meant, silence this with"
        " warnings.filterwarnings('ignore', category=composit.errors.ReadNumberWarning)"
    )
