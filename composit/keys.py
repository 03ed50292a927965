"""Keys: parameter values with their types as bytes, and unique tokens for objects that equal only themselves.

Nothing here depends on `hash()` or `id()`, so a key of values is the same in every process.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import struct
from collections.abc import Callable
from functools import lru_cache
from types import EllipsisType, FunctionType
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np

from composit.errors import IdentityError

Key: TypeAlias = bytes

DIGEST_BYTES = 16
_LENGTH = struct.Struct("<Q").pack


@runtime_checkable
class HasKey(Protocol):
    """An object that knows its own key: table rows such as `cnp.add`, and operations."""

    def key(self) -> Key: ...


def digest(*parts: bytes) -> Key:
    """Return 16 bytes of blake2 over the parts, each length-prefixed so that no two lists of parts collide."""
    joined = b"".join([_LENGTH(len(part)) + part for part in parts])
    return hashlib.blake2b(joined, digest_size=DIGEST_BYTES).digest()


def _encode_dtype(value: np.dtype[np.generic]) -> bytes:
    return repr(value.descr if value.names else value.str).encode()


def _encode_generic(value: np.generic) -> bytes:
    return _encode_dtype(value.dtype) + b"\0" + value.tobytes()


def _encode_class(value: type) -> bytes:
    return f"{value.__module__}.{value.__qualname__}".encode()


def _encode_sequence(values: tuple[object, ...] | list[object]) -> bytes:
    return b"".join([encode(value) for value in values])


def _encode_slice(value: slice) -> bytes:
    return encode((value.start, value.stop, value.step))


def _encode_mapping(value: dict[str, object]) -> bytes:
    return b"".join(encode(name) + encode(value[name]) for name in sorted(value))


_ENCODERS: dict[type, tuple[bytes, Callable[..., bytes]]] = {
    type(None): (b"N", lambda value: b""),
    EllipsisType: (b".", lambda value: b""),
    bool: (b"?", lambda value: b"\1" if value else b"\0"),
    int: (b"i", lambda value: str(value).encode()),
    float: (b"f", lambda value: struct.pack("<d", value)),
    complex: (b"c", lambda value: struct.pack("<dd", value.real, value.imag)),
    str: (b"s", lambda value: value.encode()),
    bytes: (b"b", lambda value: value),
    tuple: (b"(", _encode_sequence),
    list: (b"[", _encode_sequence),
    dict: (b"{", _encode_mapping),
    slice: (b":", _encode_slice),
}


def encode(value: object) -> bytes:
    """Return the value with its type as bytes: 1, 1.0 and True differ, and so do 0.0 and -0.0.

    Raises:  IdentityError: the value has no stable identity (an open file, a lambda, a mutable object)
    Example:
        >>> encode(1) == encode(1.0)
        False
    """
    tag, encoder = _ENCODERS.get(type(value)) or _encoder_of(type(value))  # type: ignore[arg-type]  # a class is hashable
    payload = encoder(value)
    return tag + _LENGTH(len(payload)) + payload


@lru_cache(maxsize=4096)
def _encoder_of(kind: type) -> tuple[bytes, Callable[..., bytes]]:
    """Return the tag and the encoder of a class without a row: those of its base class, or its own `key` method."""
    if issubclass(kind, np.generic):
        return b"g", _encode_generic
    if issubclass(kind, np.dtype):
        return b"d", _encode_dtype
    if issubclass(kind, type):
        return b"t", _encode_class
    return (b"k", kind.key) if issubclass(kind, HasKey) else (b"", _refuse)


def _refuse(value: object) -> bytes:
    kind = "function" if isinstance(value, FunctionType) else type(value).__name__
    raise IdentityError(
        f"key: a parameter of type {kind} was given ({value!r:.60}); expected None, a number, a string, a dtype, a slice or "
        "a tuple of these; pass arrays as operands, and functions through wrap_as_operation"
    )


_counter = itertools.count()
_prefix = os.urandom(8)


def _renew_prefix() -> None:
    # A forked child would otherwise hand out the parent's tokens.
    globals()["_prefix"] = os.urandom(8)


os.register_at_fork(after_in_child=_renew_prefix)


def fresh_token() -> Key:
    """Return bytes that no other call in any process returns: the identity of a created array or a user function."""
    return _prefix + struct.pack("<Q", next(_counter))
