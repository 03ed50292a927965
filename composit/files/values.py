"""Parameters of operations as JSON and back: numbers, words, dtypes, slices, tuples, rows of tables, bodies of scans.

    (0, -1)             ["tuple", 0, -1]
    np.float32(0.5)     ["scalar", "<f4", "0000003f"]
    float("inf")        ["float", "inf"]

None, booleans, strings, integers and finite floats are themselves. What is read makes values of these kinds only, and runs nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from composit.errors import ParameterError
from composit.nn.scans.body import Body
from composit.numpy.elementwise.functions import ElementwiseFunction
from composit.numpy.elementwise.table import NAME_TO_FUNCTION
from composit.operation import Operation, TensorType, tensor_type

if TYPE_CHECKING:
    from composit.files.instructions import Reader, Writer


Json: TypeAlias = Any  # Any: what the json module reads and writes

_words_of_classes = {int: "int", float: "float", complex: "complex", bool: "bool"}
_classes_of_words = {word: kind for kind, word in _words_of_classes.items()}
_plain = (type(None), bool, str, int)


def dtype_json(dtype: np.dtype[Any]) -> Json:
    """Return the description of a dtype as .npy files have it.

    Raises:  ParameterError: it holds Python objects
    """
    if dtype.hasobject or dtype.kind == "T":
        raise ParameterError(
            f"save: a value has dtype {dtype}, which holds Python objects; expected numbers, booleans, dates or strings of a fixed width;"
            " convert it first"
        )
    return np.lib.format.dtype_to_descr(dtype)


def dtype_from(description: Json) -> np.dtype[Any]:
    """Return the dtype of a description.

    Raises:  ValueError, TypeError, KeyError: it is none
    """
    dtype = np.lib.format.descr_to_dtype(_as_descr(description))
    if dtype.hasobject:
        raise ValueError(f"the dtype {dtype} holds Python objects")
    return dtype


def _as_descr(description: Json) -> Any:
    """Return a description with tuples where JSON has lists, as numpy wants fields."""
    if isinstance(description, str):
        return description
    return [tuple(_as_field(part, at) for at, part in enumerate(field)) for field in description]


def _as_field(part: Json, at: int) -> Any:
    if at == 1:
        return _as_descr(part)
    return tuple(part) if isinstance(part, list) else part


def type_json(value_type: TensorType) -> Json:
    """Return shape, dtype, whether it is a scalar, and the Python class of a weak one."""
    weak = None if value_type.weak is None else _words_of_classes[value_type.weak]
    return [list(value_type.shape), dtype_json(value_type.dtype), value_type.is_scalar, weak]


def type_from(row: Json) -> TensorType:
    """Return the type that `type_json` described.

    Raises:  ValueError, TypeError, KeyError: it is none
    """
    shape, description, is_scalar, weak = row
    if not isinstance(shape, list) or not all(type(each) is int and each >= 0 for each in shape):
        raise ValueError(f"{shape!r:.60} is no shape")
    if type(is_scalar) is not bool:
        raise ValueError(f"{is_scalar!r:.60} is no truth value")
    kind = None if weak is None else _classes_of_words[weak]
    return tensor_type(tuple(shape), dtype_from(description), is_scalar, kind)


def value_json(value: Any, writer: Writer) -> Json:
    """Return a parameter as JSON.

    Raises:  ParameterError: it is of another kind
    """
    if type(value) in _plain:
        return value
    if type(value) is float and math.isfinite(value):
        return value
    for row in _rows:
        if issubclass(type(value), row.kind):  # lazy scalars would be instances of numpy's classes
            return [row.word, *row.write(value, writer)]
    raise ParameterError(
        f"save: a parameter of type {type(value).__name__} was met ({value!r:.60}); expected numbers, words, dtypes, slices, arrays,"
        " operations and tuples of these; give the result of this operation as one of inputs"
    )


def value_from(content: Json, reader: Reader) -> Any:
    """Return the parameter that `value_json` described.

    Raises:  ValueError, TypeError, KeyError, IndexError: it described none
    """
    if type(content) in _plain or type(content) is float:
        return content
    word, *parts = content
    return _row_of_word[word].read(parts, reader)


def _write_dict(value: dict[Any, Any], writer: Writer) -> list[Json]:
    return [[value_json(key, writer), value_json(child, writer)] for key, child in value.items()]


def _write_all(value: Any, writer: Writer) -> list[Json]:
    return [value_json(each, writer) for each in value]


def _read_scalar(parts: list[Json], reader: Reader) -> np.generic:
    description, digits = parts
    dtype, content = dtype_from(description), bytes.fromhex(digits)
    if len(content) != dtype.itemsize:
        raise ValueError(f"{len(content)} bytes are no {dtype}")
    scalar: np.generic = np.frombuffer(content, dtype)[0]
    return scalar


def _read_class(parts: list[Json], reader: Reader) -> type:
    return _classes_of_words[parts[0]]


def _write_class(value: type, writer: Writer) -> list[Json]:
    if value not in _words_of_classes:
        raise ParameterError(f"save: the class {value.__name__} is a parameter; expected int, float, complex or bool")
    return [_words_of_classes[value]]


@dataclass(frozen=True, slots=True)
class _Row:
    """How values of one class are written behind a word, and read."""

    word: str
    kind: type
    write: Callable[[Any, Any], list[Json]]
    read: Callable[[list[Json], Any], Any]


_rows = (
    _Row("scalar", np.generic, lambda v, w: [dtype_json(v.dtype), v.tobytes().hex()], _read_scalar),
    _Row("float", float, lambda v, w: [repr(v)], lambda parts, r: float(parts[0])),
    _Row("complex", complex, lambda v, w: _write_all((v.real, v.imag), w), lambda p, r: complex(*_read_all(p, r))),
    _Row("tuple", tuple, _write_all, lambda parts, r: tuple(_read_all(parts, r))),
    _Row("list", list, _write_all, lambda parts, r: _read_all(parts, r)),
    _Row("dict", dict, _write_dict, lambda parts, r: {value_from(k, r): value_from(v, r) for k, v in parts}),
    _Row("slice", slice, lambda v, w: _write_all((v.start, v.stop, v.step), w), lambda p, r: slice(*_read_all(p, r))),
    _Row("ellipsis", type(Ellipsis), lambda v, w: [], lambda parts, r: Ellipsis),
    _Row("dtype", np.dtype, lambda v, w: [dtype_json(v)], lambda parts, r: dtype_from(parts[0])),
    _Row("type", TensorType, lambda v, w: [w.type(v)], lambda parts, r: r.type(parts[0])),
    _Row("array", np.ndarray, lambda v, w: [w.array(v, "")], lambda parts, r: r.array(parts[0])),
    _Row("bytes", bytes, lambda v, w: [v.hex()], lambda parts, r: bytes.fromhex(parts[0])),
    _Row("class", type, _write_class, _read_class),
    _Row("function", ElementwiseFunction, lambda v, w: [v.name], lambda parts, r: NAME_TO_FUNCTION[parts[0]]),
    _Row("operation", Operation, lambda v, w: [w.operation(v)], lambda parts, r: r.operation(parts[0])),
    _Row("body", Body, lambda v, w: [w.body(v)], lambda parts, r: r.body(parts[0])),
)
_row_of_word = {row.word: row for row in _rows}


def _read_all(parts: list[Json], reader: Reader) -> list[Any]:
    return [value_from(each, reader) for each in parts]
