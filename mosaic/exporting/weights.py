"""The weights of a library: the constants of its functions behind each other, as bytes and as C."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from composit.operation import Array
from mosaic.exporting.entries import Entry

ALIGNMENT_BYTES: Final = 64
MOST_BYTES_IN_C: Final = 64 * 1024
_WORDS_PER_LINE: Final = 5


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """All constants as bytes, and where those of each entry start."""

    block: Array
    starts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class WeightPlace:
    """One constant of an entry: its name for people, its type, and bytes from the start of the weights."""

    name: str
    words: str
    start: int


def weights_of(entries: Sequence[Entry]) -> Weights:
    """Return the constants of all entries; equal blocks are one."""
    starts, known, parts, position = list[int](), dict[bytes, int](), list[Array](), 0
    for entry in entries:
        content = entry.constants.tobytes() if _has_constants(entry) else b""
        if content not in known:
            known[content] = position
            padding = -len(content) % ALIGNMENT_BYTES
            parts += (np.frombuffer(content, np.uint8), np.zeros(padding, np.uint8))
            position += len(content) + padding
        starts.append(known[content])
    return Weights(np.concatenate(parts), tuple(starts))


def _has_constants(entry: Entry) -> bool:
    return any(place.start is not None for place in entry.compiled.constants.values())


def places_of(entry: Entry, start: int) -> Iterator[WeightPlace]:
    """Yield the constants of an entry in the order in which they lie."""
    places = [place for place in entry.compiled.constants.values() if place.start is not None]
    for place in sorted(places, key=lambda each: each.start or 0):
        label, instruction = entry.program.labels[place.position], entry.program.instructions[place.position]
        name = "" if label.name == instruction.operation.name else label.name
        words = f"{instruction.types[0]}{'' if place.packing is None else ', packed'}"
        yield WeightPlace(name, words, start + (place.start or 0))


def array_text(name: str, content: bytes) -> str:
    """Return the definition of an array of 64-bit words with these bytes on a little-endian machine."""
    padded = content + bytes(-len(content) % 8)
    words = [f"0x{word:016x}u" for word in np.frombuffer(padded, "<u8").tolist()]
    lines = [", ".join(words[at : at + _WORDS_PER_LINE]) for at in range(0, len(words), _WORDS_PER_LINE)]
    body = ",\n    ".join(lines)
    return f"const uint64_t {name}[{len(words)}] = {{\n    {body},\n}};\n"
