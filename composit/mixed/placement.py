"""Which key of a mapping each instruction goes to: the first that matches.

Arrays from outside and numbers compute nothing and go nowhere; a creation such as `zeros` that only its module's path selects
is made by each backend that reads it, so that it need not cross.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import TypeAlias

from composit.errors import ParameterError
from composit.mixed.selectors import Match, Pattern, Selector, TensorKey, operation_names
from composit.node import Node
from composit.operation import Input, Operation, OperationKind, Scalar
from composit.program import Program

NOWHERE = -1
MOST_NAMES_COMPARED = 2000
# Scope, name, and the names of the operation: nodes that agree in these match the same strings.
_Words: TypeAlias = tuple[str, str, tuple[str, ...]]
_Found: TypeAlias = tuple[int, Match] | None


def place(program: Program, nodes: Sequence[Node | None], selectors: Sequence[Selector], check: bool) -> list[int]:
    """Return the number of the first selector that matches each instruction; that of none is `len(selectors)`.

    nodes: of the instructions, as far as they are known; check: raise for a selector that matches no instruction

    Raises:  ParameterError: names the selector, and what is there
    """
    words = _words_of(program)
    by_tensor, found = _places_of_tensors(nodes, selectors)
    kept = {source for source, _ in program.outputs}
    known: dict[_Words, _Found] = {}
    places: list[int] = []
    for position, instruction in enumerate(program.instructions):
        operation = instruction.operation
        if isinstance(operation, Input) or (isinstance(operation, Scalar) and position not in kept):
            places.append(NOWHERE)
            continue
        key = words(position)
        if key not in known:
            known[key] = _first(key, selectors)
        number, match = known[key] or (len(selectors), Match.PATH)
        if position in by_tensor and by_tensor[position] < number:
            number, match = by_tensor[position], Match.NODE
        is_made_by_readers = match is Match.PATH and operation.kind is OperationKind.CREATION
        places.append(NOWHERE if is_made_by_readers and not instruction.operands and position not in kept else number)
    if check:
        _check_used(selectors, set(known), found, program, nodes)
    return places


def _words_of(program: Program) -> Callable[[int], _Words]:
    names: dict[int, tuple[str, ...]] = {}
    instructions, labels = program.instructions, program.labels

    def words(position: int) -> _Words:
        operation: Operation = instructions[position].operation
        found = names.get(id(operation))
        if found is None:
            found = names[id(operation)] = operation_names(operation)
        return labels[position].scope, labels[position].name, found

    return words


def _first(words: _Words, selectors: Sequence[Selector]) -> _Found:
    for number, selector in enumerate(selectors):
        if isinstance(selector, Pattern):
            match = selector.match(*words)
            if match is not None:
                return number, match
    return None


def _places_of_tensors(nodes: Sequence[Node | None], selectors: Sequence[Selector]) -> tuple[dict[int, int], set[int]]:
    """Return the number of the first selector for each instruction that is a tensor among them, and all that are found."""
    wanted: dict[int, list[tuple[int, TensorKey]]] = {}
    for number, each in enumerate(selectors):
        if isinstance(each, TensorKey):
            # Several results of one node are several keys.
            wanted.setdefault(each.identity, []).append((number, each))
    places: dict[int, int] = {}
    found: set[int] = set()
    if wanted:
        for position, node in enumerate(nodes):
            for number, each in wanted.get(id(node), ()):
                if node is not None and each.is_of(node):
                    places.setdefault(position, number)
                    found.add(number)
    return places, found


def _check_used(
    selectors: Sequence[Selector],
    known: set[_Words],
    used: set[int],
    program: Program,
    nodes: Sequence[Node | None],
) -> None:
    for number, selector in enumerate(selectors):
        if isinstance(selector, TensorKey):
            if number in used or selector.is_known:
                continue
            if not nodes:
                raise ParameterError(
                    f"backend: the key {selector} was given where the graph is built anew, without the tensors of before; expected a "
                    "string; give the tensor a name with with_name, or a name scope, and write that"
                )
            raise ParameterError(
                f"backend: the key {selector} matches nothing: the outputs are not computed from this tensor; expected a tensor "
                "that they are computed from; leave the key out, or give the tensor that was there when the outputs were built"
            )
        if not any(selector.match(*words) for words in known):
            raise ParameterError(_unmatched(selector, program, known))


def _unmatched(pattern: Pattern, program: Program, known: set[_Words]) -> str:
    paths = sorted({scope for scope, _, _ in known if scope})
    operations = sorted({names[0] for _, _, names in known})
    named = sorted({name for _, name, names in known if name not in names})
    inputs = [program.labels[position].name for position in program.inputs]
    if any(pattern.match("", name, ()) for name in inputs):
        return (
            f"backend: the key {pattern} matches inputs alone, which compute nothing and are given to each backend that reads them; "
            f"expected a path, a name or an operation{_listed(paths, named, operations)}"
        )
    words = [*paths, *named, *operations][:MOST_NAMES_COMPARED]
    close = get_close_matches(pattern.text.rstrip("*."), words, n=3, cutoff=0.5)
    meant = f"; did you mean {' or '.join(map(repr, close))}?" if close else ""
    return (
        f"backend: the key {pattern} matches nothing; expected a path, a name or an operation of this "
        f"program{_listed(paths, named, operations)}{meant}"
    )


def _listed(paths: Sequence[str], named: Sequence[str], operations: Sequence[str]) -> str:
    parts = [
        f" {what} {_few(words)}"
        for what, words in (("paths:", paths), ("names:", named), ("operations:", operations))
        if words
    ]
    return f" ({';'.join(parts).strip()})"


def _few(words: Sequence[str]) -> str:
    return ", ".join(words[:8]) + (f" and {len(words) - 8} more" if len(words) > 8 else "")
