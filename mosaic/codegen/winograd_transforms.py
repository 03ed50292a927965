"""C functions that multiply the tiles of a Winograd convolution by its matrices, a vector of channels at a time.

    winograd_data_4x4_f32x16(source, row_stride, column_stride, target, stride)

reads a tile of 6 x 6 vectors, multiplies it by one matrix along its columns and by one along its rows, and stores the 36 results
`stride` elements apart. The functions for filters and for the way back differ in the matrices only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from mosaic import c
from mosaic.c.helpers import Helper
from mosaic.vector.lane_operations import fma
from mosaic.vector.memory import broadcast, load, load_partial, store
from mosaic.vector.vector_types import VectorType
from mosaic.winograd.transforms import Factored, Matrix, Term, Transform, factored

_source, _target, _row_stride, _column_stride, _stride = (
    c.Name(name) for name in ("source", "target", "row_stride", "column_stride", "stride")
)
_part, _i, _j, _patch = c.Name("part"), c.Name("i"), c.Name("j"), c.Name("patch")
_rows, _columns, _lanes = c.Name("rows"), c.Name("columns"), c.Name("lanes")


def data_function(transforms: Sequence[Transform], vector: VectorType, has_fma: bool) -> Helper:
    """Return the function for the inputs of a tile."""
    return _function(_name("data", transforms, vector), *(each.data for each in transforms), vector, has_fma)


def filter_function(transforms: Sequence[Transform], vector: VectorType, has_fma: bool) -> Helper:
    """Return the function for the taps of a filter."""
    return _function(_name("filters", transforms, vector), *(each.filters for each in transforms), vector, has_fma)


def inverse_function(transforms: Sequence[Transform], vector: VectorType, has_fma: bool) -> Helper:
    """Return the function for the products of a tile."""
    return _function(_name("inverse", transforms, vector), *(each.inverse for each in transforms), vector, has_fma)


def _name(what: str, transforms: Sequence[Transform], vector: VectorType) -> str:
    sizes = "x".join(f"{each.outputs}" if each.taps > 1 else "1" for each in transforms)
    return f"winograd_{what}_{sizes}_{vector.name}"


@lru_cache(maxsize=64)
def _function(name: str, by_rows: Matrix, by_columns: Matrix, vector: VectorType, has_fma: bool) -> Helper:
    """Return the function ``by_rows @ tile @ by_columns.T`` for tiles of vectors."""
    length, width = len(by_rows[0]), len(by_columns[0])
    kept = len(by_columns)
    row = _source + _i * _row_stride
    inputs: list[c.Expression] = [load(vector)(row + _column_stride * place) for place in range(width)]
    arithmetic = _Arithmetic(vector, has_fma)
    shared, products = arithmetic.products(factored(by_columns))
    parts = [c.Assign(_part[_i * kept + place], value) for place, value in enumerate(products)]
    first = (*_named(inputs, vector), *shared, *parts)
    shared, products = arithmetic.products(factored(by_rows))
    inputs = [_part[_j + place * kept] for place in range(length)]
    stores = [
        c.ExpressionStatement(store(vector)(_target + (_j + place * kept) * _stride, value))
        for place, value in enumerate(products)
    ]
    second = (*_named(inputs, vector), *shared, *stores)
    element = vector.element.ctype
    parameters = (
        c.Parameter(c.const_pointer(element), "source"),
        c.Parameter(c.int64, "row_stride", ("unused",)),
        c.Parameter(c.int64, "column_stride", ("unused",)),
        c.Parameter(c.pointer(element), "target"),
        c.Parameter(c.int64, "stride"),
    )
    body = (
        c.Declare(c.ArrayType(vector.ctype, length * kept), "part"),
        c.loop("i", length, *first),
        c.loop("j", kept, *second),
    )
    requires = (load(vector), store(vector), broadcast(vector), fma(vector, has_fma))
    comment = f"{len(by_rows)} x {kept} vectors from a tile of {length} x {width}."
    function = c.Function(
        name, c.void, parameters, body, is_static=True, attributes=("noinline", "unused"), comment=comment
    )
    return Helper(name, (function,), requires)


def _named(values: Sequence[c.Expression], vector: VectorType) -> list[c.Statement]:
    return [c.Declare(vector.ctype, f"x{place}", value) for place, value in enumerate(values)]


@dataclass(frozen=True, slots=True)
class _Arithmetic:
    """How sums are computed: in vectors of a type, with or without multiply-adds that round once."""

    vector: VectorType
    has_fma: bool

    def products(self, matrix: Factored) -> tuple[list[c.Statement], list[c.Expression]]:
        """Return the statements that declare the shared sums, and the products of a matrix with x0, x1, ..."""
        count = 1 + max(number for row in (*matrix.shared, *matrix.rows) for _, number in row)
        names: list[c.Expression] = [c.Name(f"x{place}") for place in range(count - len(matrix.shared))]
        shared = [c.Name(f"s{place}") for place in range(len(matrix.shared))]
        declared: list[c.Statement] = [
            c.Declare(self.vector.ctype, name.text, self.sum(row, names))
            for name, row in zip(shared, matrix.shared, strict=True)
        ]
        return declared, [self.sum(row, [*names, *shared]) for row in matrix.rows]

    def sum(self, terms: Sequence[Term], names: Sequence[c.Expression]) -> c.Expression:
        """Return a sum of terms, those with factor 1 first."""
        result: c.Expression | None = None
        for factor, number in sorted(terms, key=lambda term: (abs(term[0]) != 1, term[0] < 0)):
            result = self.added(result, factor, names[number])
        return self.vector.zero if result is None else result

    def added(self, result: c.Expression | None, factor: Fraction, value: c.Expression) -> c.Expression:
        """Return a sum with one term more."""
        if factor == 1:
            return value if result is None else result + value
        if factor == -1:
            return -value if result is None else result - value
        constant = broadcast(self.vector)(self.vector.literal(float(factor)))
        return constant * value if result is None else fma(self.vector, self.has_fma)(constant, value, result)


@lru_cache(maxsize=64)
def patch_function(lengths: tuple[int, int], vector: VectorType) -> Helper:
    """Return ``name(source, row_stride, column_stride, rows, columns, lanes, patch)``, which copies a tile that reaches beyond its image.

    What lies beyond `rows`, `columns` and `lanes` is zero.
    """
    name = f"winograd_patch_{lengths[0]}x{lengths[1]}_{vector.name}"
    element = vector.element.ctype
    place = _source + _i * _row_stride + _j * _column_stride
    whole = (c.Assign(c.Name("x"), load(vector)(place)),)
    part = (c.Assign(c.Name("x"), load_partial(vector)(place, _lanes)),)
    loaded = c.If(c.equal(_lanes, vector.lanes), whole, part)
    body = (
        c.Declare(vector.ctype, "x", vector.zero),
        c.If(c.logical_and(_i < _rows, _j < _columns), (loaded,)),
        c.ExpressionStatement(store(vector)(_patch + (_i * lengths[1] + _j) * vector.lanes, c.Name("x"))),
    )
    numbers = (c.Parameter(c.int64, each) for each in ("row_stride", "column_stride", "rows", "columns", "lanes"))
    parameters = (
        c.Parameter(c.const_pointer(element), "source"),
        *numbers,
        c.Parameter(c.pointer(element), "patch"),
    )
    loops = c.loop("i", lengths[0], c.loop("j", lengths[1], *body))
    function = c.Function(
        name,
        c.void,
        parameters,
        (loops,),
        is_static=True,
        attributes=("noinline", "unused"),
        comment=f"patch[{lengths[0]}][{lengths[1]}] = a tile, with zeros beyond the image.",
    )
    return Helper(name, (function,), (load(vector), load_partial(vector), store(vector)))
