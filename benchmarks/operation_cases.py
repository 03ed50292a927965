"""The operations that have C, each as a numpy program on arrays of a given size.

Elementwise functions are taken from the table of functions, for every dtype for which the table of C expressions has
a row, so that a new row is measured without a change here. The others are written out by topic.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

import composit.numpy.elementwise.table as table
from composit.numpy.elementwise.functions import ElementwiseFunction
from mosaic.codegen.elementwise import is_compiled

Array = np.ndarray[Any, Any]
Operation = Callable[..., Any]  # of numpy or composit.numpy, then of arrays or tensors

_generator = np.random.default_rng(0)
_DTYPES = ("f4", "f8", "i4", "i8", "u1", "i2", "?")
_CAST_DTYPES = ("?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8")


@dataclass(frozen=True, slots=True)
class Case:
    """One operation: `operation(np, *arrays)` is what numpy does, `operation(cnp, *tensors)` is compiled."""

    name: str
    operation: Operation
    arrays: tuple[Array, ...]

    def run(self) -> object:
        """Return numpy's result."""
        return self.operation(np, *self.arrays)


def cases(num_elements: int) -> Iterator[Case]:
    """Every case on arrays of about `num_elements` elements."""
    for family in (_elementwise, _mixed, _casts, _reductions, _scans, _movements, _indexing, _joining, _products):
        yield from family(num_elements)


def _values(count: int, dtype: str, low: float = -10.0, high: float = 10.0) -> Array:
    """Numbers from a range, whole ones from 1 to 100, or truth values."""
    if dtype == "?":
        return _generator.integers(0, 2, count).astype(bool)
    if dtype[0] in "iu":
        return _generator.integers(1, 100, count).astype(dtype)
    return _generator.uniform(low, high, count).astype(dtype)


_RANGES = {
    **dict.fromkeys(("arcsin", "arccos", "arctanh"), (-0.99, 0.99)),
    **dict.fromkeys(("log", "log2", "log10", "sqrt"), (0.01, 100.0)),
    "log1p": (-0.9, 100.0),
    "arccosh": (1.0, 100.0),
    "power": (0.1, 10.0),
}
"""Where a function is defined; the others take numbers from -10 to 10."""


def _elementwise(count: int) -> Iterator[Case]:
    functions = {each.name: each for each in vars(table).values() if isinstance(each, ElementwiseFunction)}
    for name, dtype in product(sorted(functions), _DTYPES):
        num_operands = functions[name].nin
        if functions[name].nout != 1 or not _has_row(functions[name], np.dtype(dtype), num_operands):
            continue
        arrays = tuple(_values(count, dtype, *_RANGES.get(name, (-10.0, 10.0))) for _ in range(num_operands))
        if name.endswith("shift"):
            arrays = (arrays[0], arrays[1] % np.dtype(dtype).type(8))
        yield Case(f"{name} {dtype}", _called(name), arrays)


def _has_row(function: ElementwiseFunction, dtype: np.dtype, num_operands: int) -> bool:
    """Whether numpy has the function for the dtype, is public under its name, and C is generated for it."""
    if not isinstance(getattr(np, function.name, None), np.ufunc):
        return False
    try:
        loop = function.ufunc.resolve_dtypes((dtype,) * num_operands + (None,))
    except TypeError:
        return False
    return is_compiled(function.name, loop[:num_operands])


def _called(name: str) -> Operation:
    return lambda m, *arrays: getattr(m, name)(*arrays)


def _mixed(count: int) -> Iterator[Case]:
    f4, f8, i8, i4 = (_values(count, dtype) for dtype in ("f4", "f8", "i8", "i4"))
    truth = _values(count, "?")
    positive = abs(f4)
    for scalar in (7, 8, 1000):
        yield Case(f"floor_divide i8 by {scalar}", lambda m, x, by=scalar: x // by, (i8,))
        yield Case(f"remainder i8 by {scalar}", lambda m, x, by=scalar: x % by, (i8,))
        yield Case(f"floor_divide i4 by {scalar}", lambda m, x, by=scalar: x // by, (i4,))
    yield Case("floor_divide f4 by 0.3", lambda m, x: x // 0.3, (f4,))
    yield Case("remainder f4 by 0.3", lambda m, x: x % 0.3, (f4,))
    for dtype in ("f4", "f8"):
        yield Case(f"power {dtype} 2.5", lambda m, x: x**2.5, (positive.astype(dtype),))
        yield Case(f"power {dtype} 2", lambda m, x: x**2, (positive.astype(dtype),))
    for name, x in (("f4", f4), ("f8", f8), ("i8", i8)):
        yield Case(f"where {name}", lambda m, t, x: m.where(t, x, 0), (truth, x))
        yield Case(f"where {name} compared", lambda m, x: m.where(x > 0, x, 0), (x,))
        yield Case(f"clip {name}", lambda m, x: m.clip(x, -1, 5), (x,))
        yield Case(f"add scalar {name}", lambda m, x: x + 3, (x,))
    yield Case("where u1", lambda m, t, x: m.where(t, x, 0), (truth, _values(count, "u1")))


def _casts(count: int) -> Iterator[Case]:
    for source, target in product(_CAST_DTYPES, _CAST_DTYPES):
        if source != target:
            x = abs(_values(count, source, 0, 100)) if source != "?" else _values(count, source)
            yield Case(f"astype {source} to {target}", lambda m, x, to=target: x.astype(to), (x,))


_REDUCTIONS = ("sum", "prod", "max", "min", "any", "all", "argmax", "argmin", "mean", "var")


def _reductions(count: int) -> Iterator[Case]:
    side, edge = round(count**0.5), round(count ** (1 / 3))
    for dtype, name in product(("f4", "f8", "i8", "i4", "u1", "?"), _REDUCTIONS):
        x = _values(side * side, dtype, -1, 1).reshape(side, side)
        cube = _values(edge**3, dtype, -1, 1).reshape(edge, edge, edge)
        if name in ("any", "all"):  # nothing is decided before the end
            x[:], cube[:] = name == "all", name == "all"
        for axis in (None, 0, 1):
            yield Case(f"{name} {dtype} axis {axis}", lambda m, x, n=name, a=axis: getattr(m, n)(x, axis=a), (x,))
        yield Case(f"{name} {dtype} middle axis", lambda m, x, n=name: getattr(m, n)(x, axis=1), (cube,))
    mixed = _values(side * side, "?").reshape(side, side)
    yield Case("any ? decided early", lambda m, x: m.any(x, axis=1), (mixed,))
    yield Case("all ? decided early", lambda m, x: m.all(x, axis=1), (mixed,))


def _scans(count: int) -> Iterator[Case]:
    side = round(count**0.5)
    x = _values(side * side, "f4", 0.9, 1.1).reshape(side, side)
    for name, axis in product(("cumsum", "cumprod"), (None, 0, 1)):
        yield Case(f"{name} f4 axis {axis}", lambda m, x, n=name, a=axis: getattr(m, n)(x, axis=a), (x,))


_SHAPES = {
    1_000: ((40, 25), (10, 10, 10), (5, 5, 8, 5), (3, 3, 3, 3, 3, 4)),
    1_000_000: ((1000, 1000), (100, 100, 100), (25, 40, 40, 25), (10,) * 6),
}
_ORDERS = ((1, 0), (2, 1, 0), (1, 0, 2), (0, 2, 1), (2, 0, 1), (3, 1, 2, 0), (0, 2, 1, 3), (5, 1, 3, 0, 4, 2))


def _movements(count: int) -> Iterator[Case]:
    shapes = {len(shape): shape for shape in _SHAPES[count]}
    for dtype, order in product(("f4", "f8", "u1", "i2"), _ORDERS):
        x = _values(int(np.prod(shapes[len(order)])), dtype).reshape(shapes[len(order)])
        name = f"transpose {dtype} {''.join(map(str, order))}"
        yield Case(
            f"{name} copied", lambda m, x, o=order: m.ascontiguousarray(m.transpose(x, o)) + x.dtype.type(0), (x,)
        )
        yield Case(f"{name} + 1", lambda m, x, o=order: m.transpose(x, o) + x.dtype.type(1), (x,))
    x = _values(shapes[2][0] * shapes[2][1], "f4").reshape(shapes[2])
    square = _values(round(count**0.5) ** 2, "f4").reshape(round(count**0.5), -1)
    yield Case("x + x.T", lambda m, x: x + x.T, (square,))
    for name, index in {
        "[::-1]": np.s_[::-1],
        "[:, ::-1]": np.s_[:, ::-1],
        "[::-1, ::-1]": np.s_[::-1, ::-1],
        "[::2, ::3]": np.s_[::2, ::3],
        "[:, ::2]": np.s_[:, ::2],
        "[1:-1, 1:-1]": np.s_[1:-1, 1:-1],
    }.items():
        yield Case(f"x{name} * 2 f4", lambda m, x, i=index: x[i] * 2, (x,))
        yield Case(f"x{name} * 2 f8", lambda m, x, i=index: x[i] * 2, (x.astype("f8"),))


def _indexing(count: int) -> Iterator[Case]:
    side = round(count**0.5)
    indices = _generator.integers(0, side, side)
    for dtype in ("f4", "f8", "u1"):
        x = _values(side * side, dtype).reshape(side, side)
        yield Case(f"take {dtype} rows", lambda m, x: m.take(x, indices, axis=0), (x,))
        yield Case(f"take {dtype} columns", lambda m, x: m.take(x, indices, axis=1), (x,))
        yield Case(f"x[indices] {dtype}", lambda m, x: x[indices], (x,))
        yield Case(f"x[indices, indices] {dtype}", lambda m, x: x[indices[:, None], indices], (x,))
    x = _values(side * side, "f4").reshape(side, side)
    along = np.argsort(x, axis=1)
    yield Case("take_along_axis f4", lambda m, x: m.take_along_axis(x, along, axis=1), (x,))
    flat = _generator.integers(0, side * side, side * side)
    yield Case("take f4 flat", lambda m, x: m.take(x, flat), (x,))


def _joining(count: int) -> Iterator[Case]:
    side = round(count**0.5)
    for dtype in ("f4", "u1"):
        x = _values(side * side, dtype).reshape(side, side)
        for axis in (0, 1):
            yield Case(f"concatenate {dtype} axis {axis}", lambda m, x, a=axis: m.concatenate([x, x], axis=a), (x,))
            yield Case(f"repeat {dtype} axis {axis}", lambda m, x, a=axis: m.repeat(x, 2, axis=a), (x,))
            yield Case(f"roll {dtype} axis {axis}", lambda m, x, a=axis: m.roll(x, 5, axis=a), (x,))
            yield Case(f"diff {dtype} axis {axis}", lambda m, x, a=axis: m.diff(x, axis=a), (x,))
        for axis in (0, 1, 2):
            yield Case(f"stack {dtype} axis {axis}", lambda m, x, a=axis: m.stack([x, x], axis=a), (x,))
        yield Case(f"pad {dtype}", lambda m, x: m.pad(x, 3), (x,))
        yield Case(f"tile {dtype}", lambda m, x: m.tile(x, (2, 2)), (x,))
        yield Case(f"tril {dtype}", lambda m, x: m.tril(x), (x,))
        yield Case(f"triu {dtype}", lambda m, x: m.triu(x), (x,))


def _products(count: int) -> Iterator[Case]:
    side = round(count**0.5)
    for dtype in ("f4", "f8"):
        x = _values(side * side, dtype, -1, 1).reshape(side, side)
        small = _values(count // 400 * 400, dtype, -1, 1).reshape(-1, 20, 20)
        yield Case(f"matmul {dtype}", lambda m, x: x @ x, (x,))
        yield Case(f"matvec {dtype}", lambda m, x: x @ x[0], (x,))
        yield Case(f"vecmat {dtype}", lambda m, x: x[0] @ x, (x,))
        yield Case(f"dot {dtype}", lambda m, x: m.dot(x, x), (x.reshape(-1),))
        yield Case(f"outer {dtype}", lambda m, x: m.outer(x[0], x[1]), (x,))
        yield Case(f"matmul {dtype} of 20 x 20", lambda m, x: m.matmul(x, x), (small,))
        yield Case(f"einsum {dtype} ij,kj->ik", lambda m, x: m.einsum("ij,kj->ik", x, x), (x,))
        yield Case(f"einsum {dtype} ij,ij->i", lambda m, x: m.einsum("ij,ij->i", x, x), (x,))
        yield Case(f"einsum {dtype} ii->", lambda m, x: m.einsum("ii->", x), (x,))
    whole = _values(min(count, 40_000), "i8").reshape(-1, 25 if count == 1_000 else 200)[:200]
    yield Case("matmul i8", lambda m, x: x.T @ x, (whole,))
