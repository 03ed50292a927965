"""What a person writes for `algorithms=`: keys that say where, and values that say which.

    "conv2d": "winograd"                        every convolution over two axes
    "layer1.*": "direct"                        the operations that have this algorithm, built in modules or scopes of such a path
    tensor: "smm"                               the operation whose result the tensor is
    "conv2d": ["direct", "winograd", ...]       one for each occurrence, in order
    "conv2d": lambda node, shape: "direct"      called for each occurrence with it (an `Occurrence`) and its input's shape; for a
                                                path it may return None, which leaves the operation as it is
    "measured"                                  in place of a mapping: for everything

Where several keys name an operation, a tensor counts before a path, a path before an operation's name, and of equal kind the one
that was given first.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from composit.apply import as_tensor
from composit.errors import OperandError, ParameterError
from composit.handle import described
from composit.node import Node
from composit.value import identity_of
from mosaic.algorithms.families import plain
from mosaic.algorithms.occurrence import Occurrence
from mosaic.algorithms.registry import SELECTORS, algorithms_of, custom_of, operations

Wanted = dict[tuple[int, str], tuple[str, str]]
"""For keys of occurrences: the name asked for, and what asked for it."""

_TENSOR, _PATH, _OPERATION = range(3)


def wanted_by(given: Any, found: Sequence[Occurrence], nodes: Sequence[Node | None]) -> Wanted:
    """Return the names asked for.

    nodes:  the node of each instruction, where keys may be tensors

    Raises: ParameterError: a key names nothing here, or a value is no name for what the key names
    """
    if isinstance(given, str) and given in SELECTORS:
        return {each.key: (given, given) for each in found if given != "custom" or custom_of(each.operation)}
    if not isinstance(given, Mapping):
        raise ParameterError(
            f"algorithms: {described(given):.80} of type {type(given).__name__} was given; expected a mapping such as"
            f' {{"conv2d": "winograd"}}, one of the words {", ".join(map(repr, SELECTORS))}, or the name of a file of choices'
            " (choices.json)"
        )
    by_kind: dict[int, Wanted] = {_TENSOR: {}, _PATH: {}, _OPERATION: {}}
    for key, value in given.items():
        kind, named = _named_by(key, found, nodes)
        reason = f"named by {_text(key)}"
        for occurrence, name in _names(_text(key), value, named, is_mixed=kind != _OPERATION):
            by_kind[kind].setdefault(occurrence.key, (name, reason))
    return {**by_kind[_OPERATION], **by_kind[_PATH], **by_kind[_TENSOR]}


def _has(occurrence: Occurrence, name: Any) -> bool:
    return isinstance(name, str) and (name in SELECTORS or name in algorithms_of(occurrence.operation))


def _text(key: Any) -> str:
    return repr(key) if isinstance(key, str) else described(key)


def _named_by(key: Any, found: Sequence[Occurrence], nodes: Sequence[Node | None]) -> tuple[int, list[Occurrence]]:
    """Return the kind of a key and what it names here."""
    if isinstance(key, type):  # a class of modules, such as nn.Conv2d, by its name
        key = key.__name__
    if not isinstance(key, str):
        return _TENSOR, _of_tensor(key, found, nodes)
    if any(plain(key) == plain(each) for each in operations()):
        named = [each for each in found if plain(each.operation) == plain(key)]
        if named:
            return _OPERATION, named
    named = [each for each in found if _is_in(each, key)]
    if not named:
        raise ParameterError(f"algorithms: {key!r} names nothing here; {_what_there_is(key, found)}")
    return _PATH, named


def _is_in(occurrence: Occurrence, pattern: str) -> bool:
    """Whether a glob names the scope, one around it, or the name of the result."""
    scope = occurrence.scope
    if fnmatchcase(occurrence.name, pattern) and occurrence.name:
        return True
    return bool(scope) and (fnmatchcase(scope, pattern) or fnmatchcase(scope, f"{pattern}[./]*"))


def _of_tensor(key: Any, found: Sequence[Occurrence], nodes: Sequence[Node | None]) -> list[Occurrence]:
    try:
        handle = as_tensor(key)
    except (OperandError, TypeError) as error:
        raise ParameterError(
            f"algorithms: {described(key):.80} of type {type(key).__name__} was given as a key; expected the name of an operation, "
            "a path of a module or scope, or a tensor"
        ) from error
    wanted = identity_of(handle.node, 0)
    positions = {place for place, node in enumerate(nodes) if node is not None and identity_of(node, 0) == wanted}
    named = [each for each in found if each.position in positions]
    if not named:
        raise ParameterError(
            f"algorithms: {described(handle)} is not the result of an operation with algorithms among what is compiled;"
            f" {_what_there_is('', found)}"
        )
    return named


def _what_there_is(key: str, found: Sequence[Occurrence]) -> str:
    """Return the operations and scopes that there are; those closest to the key, if there are many."""
    words = list(dict.fromkeys([*(each.operation for each in found), *(each.scope for each in found if each.scope)]))
    if not words:
        return "no operation here has algorithms to choose from"
    close = difflib.get_close_matches(key, words, 5, 0.5)
    shown = close or words[:8]
    return f"expected an operation or a path of these: {', '.join(shown)}{' ...' if len(shown) < len(words) else ''}"


def _names(key: str, value: Any, named: Sequence[Occurrence], is_mixed: bool) -> Iterator[tuple[Occurrence, str]]:
    """Yield a name for each of the occurrences that a key names.

    is_mixed: operations of several kinds are named; those that have no such algorithm are left out
    """
    pairs: list[tuple[Occurrence, Any]]
    if isinstance(value, str):
        chosen = [each for each in named if not is_mixed or _has(each, value)]
        if not chosen:
            raise ParameterError(_unknown(key, value, named))
        pairs = [(each, value) for each in chosen]
    elif callable(value):
        pairs = [(each, _called(value, each)) for each in named]
        if is_mixed:  # None leaves an operation as it is
            pairs = [(each, name) for each, name in pairs if name is not None]
    elif isinstance(value, Sequence) and all(isinstance(each, str) for each in value):
        several = {each.operation for each in named}
        if len(value) != len(named) or len(several) > 1:
            raise ParameterError(
                f"algorithms: {len(value)} names were given for {key}, which names {len(named)} operations here"
                f" ({', '.join(sorted(several))}); expected one name for each, in order: the first is {named[0]}"
            )
        pairs = list(zip(named, value, strict=True))
    else:
        raise ParameterError(
            f"algorithms: {described(value):.80} of type {type(value).__name__} was given for {key}; expected the name of an"
            " algorithm, a list of names, or a function of the operation and its input's shape that returns a name"
        )
    for occurrence, name in pairs:
        if not _has(occurrence, name):
            raise ParameterError(_unknown(key, name, [occurrence]))
        yield occurrence, name


def _unknown(key: str, name: Any, named: Sequence[Occurrence]) -> str:
    known = list(dict.fromkeys(each for occurrence in named for each in algorithms_of(occurrence.operation)))
    operation = ", ".join(dict.fromkeys(each.operation for each in named))
    close = difflib.get_close_matches(str(name), known, 1)
    meant = f"; did you mean {close[0]!r}?" if close else ""
    return (
        f"algorithms: {name!r:.60} was given for {key}, and is no algorithm of {operation}; expected one of"
        f" {', '.join(map(repr, [*known, *SELECTORS]))}{meant}"
    )


def _called(choose: Callable[..., Any], occurrence: Occurrence) -> Any:
    """Return what the user's function chooses; it takes the occurrence, and the input's shape if it has a second parameter."""
    try:
        count = len(inspect.signature(choose).parameters)
    except (TypeError, ValueError):  # a builtin without a signature
        count = 2
    return choose(occurrence) if count == 1 else choose(occurrence, occurrence.input_shape)
