"""Named blocks of bytes in one safetensors file. Sizes are checked against the file before memory is taken.

A reader of safetensors opens the file without composit and finds the arrays by name. Dtypes that safetensors lacks are bytes
there. Nothing here knows what the blocks mean (`saving.py`). It needs no other package.

Reference: the format's page in the repository huggingface/safetensors: 8 bytes with the header's length, a header in JSON, the data
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np

from composit.errors import FileFormatError
from composit.operation import Array

FORMAT: Final = "composit.program"
_METADATA: Final = "__metadata__"
_MOST_HEADER_BYTES: Final = 100_000_000  # as safetensors' own reader allows
_ALIGNMENT_BYTES: Final = 64
_dtype_words: Final = {
    np.dtype(text): word
    for text, word in (
        ("<f8", "F64"),
        ("<f4", "F32"),
        ("<f2", "F16"),
        ("<i8", "I64"),
        ("<i4", "I32"),
        ("<i2", "I16"),
        ("|i1", "I8"),
        ("<u8", "U64"),
        ("<u4", "U32"),
        ("<u2", "U16"),
        ("|u1", "U8"),
        ("|b1", "BOOL"),
    )
}


def write_blocks(path: Path, blocks: Mapping[str, Array], metadata: Mapping[str, str]) -> None:
    """Write the arrays under their names, first to a new file that then takes the place of an old one."""
    ordered = sorted(blocks, key=lambda name: -blocks[name].dtype.alignment)
    parts = [np.ascontiguousarray(blocks[name]).reshape(-1).view(np.uint8) for name in ordered]
    header = _header(ordered, blocks, {**metadata, "format": FORMAT, "sha256": _digest(parts)})
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(header)
            for part in parts:
                file.write(part.data)
        _copy_mode(name, path)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def _copy_mode(name: str, path: Path) -> None:
    """Give a temporary file, which only its owner may read, the mode of the file it replaces or of any new one."""
    mask = os.umask(0)
    os.umask(mask)
    os.chmod(name, path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~mask)


def _digest(parts: list[Array]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.data)
    return digest.hexdigest()


def _header(names: list[str], blocks: Mapping[str, Array], metadata: Mapping[str, str]) -> bytes:
    entries: dict[str, Any] = {_METADATA: dict(metadata)}
    start = 0
    for name in names:
        array = blocks[name]
        word = _dtype_words.get(array.dtype)
        shape = [array.nbytes] if word is None else list(array.shape)
        entries[name] = {"dtype": word or "U8", "shape": shape, "data_offsets": [start, start + array.nbytes]}
        start += array.nbytes
    text = json.dumps(entries).encode()
    text += b" " * (-(8 + len(text)) % _ALIGNMENT_BYTES)
    return len(text).to_bytes(8, "little") + text


def is_program_file(path: Path) -> bool:
    """Return whether a file begins as safetensors files do, and as numpy's do not."""
    with path.open("rb") as file:
        start = file.read(9)
    return len(start) == 9 and start[8:] == b"{" and not start.startswith((b"\x93NUMPY", b"PK\x03\x04"))


def read_blocks(path: Path) -> tuple[dict[str, Array], dict[str, str]]:
    """Return the bytes of each block by name, and the texts beside them.

    Raises:  FileFormatError: the file is cut off, changed, or of another format
    """
    with path.open("rb") as file:
        num_bytes = os.fstat(file.fileno()).st_size
        header, start = _read_header(file, num_bytes, path)
        metadata = header.pop(_METADATA, None)
        if not isinstance(metadata, dict) or metadata.get("format") != FORMAT:
            raise _broken(path, f"its metadata do not say format={FORMAT!r}; expected a file of composit.save")
        spans = _spans(header, num_bytes - start, path)
        digest, found = hashlib.sha256(), dict[str, Array]()
        for name, length in spans:
            found[name] = np.fromfile(file, np.uint8, length)
            digest.update(found[name].data)
    if digest.hexdigest() != metadata.get("sha256"):
        raise _broken(path, "its arrays were changed after it was written: the checksum differs")
    return found, metadata


def _read_header(file: BinaryIO, num_bytes: int, path: Path) -> tuple[dict[str, Any], int]:
    length = int.from_bytes(file.read(8), "little")
    if length > min(num_bytes - 8, _MOST_HEADER_BYTES):
        raise _broken(path, f"its header would have {length} bytes, and the file has {num_bytes}")
    try:
        header = json.loads(file.read(length))
    except (ValueError, RecursionError) as error:
        raise _broken(path, f"its header is no JSON ({error})") from error
    if not isinstance(header, dict):
        raise _broken(path, "its header is no JSON object")
    return header, 8 + length


def _spans(header: Mapping[str, Any], num_bytes: int, path: Path) -> list[tuple[str, int]]:
    """Return name and length of the blocks in the order in which they lie; together they are the rest of the file."""
    spans = []
    for name, entry in header.items():
        offsets: Any = entry.get("data_offsets") if isinstance(entry, dict) else None  # Any: what a file holds
        if not _are_sizes(offsets) or len(offsets) != 2:
            raise _broken(path, f"its block {name[:60]!r} has no data_offsets")
        spans.append((offsets[0], offsets[1], name))
    position = 0
    for start, stop, name in sorted(spans):
        if start != position or stop < start or stop > num_bytes:
            raise _broken(path, f"its block {name[:60]!r} would be bytes {start} to {stop} of {num_bytes}")
        position = stop
    if position != num_bytes:
        raise _broken(path, f"its blocks have {position} bytes and the file has {num_bytes} behind the header")
    return [(name, stop - start) for start, stop, name in sorted(spans)]


def _are_sizes(value: object) -> bool:
    return isinstance(value, list) and all(type(each) is int and each >= 0 for each in value)


def typed(block: Array, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Array:
    """Return the bytes of a block as an array.

    Raises:  ValueError: there are more or fewer of them
    """
    if block.size != math.prod(shape) * dtype.itemsize:
        raise ValueError(f"{block.size} bytes are no array of shape {shape} and dtype {dtype}")
    return block.view(dtype).reshape(shape) if block.size else np.empty(shape, dtype)


def _broken(path: Path, why: str) -> FileFormatError:
    return FileFormatError(f"load: {path} cannot be read: {why}; copy or save it again")
