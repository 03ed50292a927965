"""Vectors from and to memory: whole, in part, with a stride, by index.

Partial accesses touch nothing beyond the lanes asked for. Their loops have a fixed length and a condition per lane,
which gcc turns into one masked access on AVX-512.
"""

from __future__ import annotations

from functools import lru_cache

from mosaic import c
from mosaic.c.helpers import Helper, inline_function
from mosaic.vector.instructions import instruction
from mosaic.vector.vector_types import VectorType

_p, _x, _n, _lane, _stride, _indices = (c.Name(name) for name in ("p", "x", "n", "lane", "stride", "indices"))


def _source(vector: VectorType) -> c.Parameter:
    return c.Parameter(c.const_pointer(vector.element.ctype), "p")


def _target(vector: VectorType) -> c.Parameter:
    return c.Parameter(c.pointer(vector.element.ctype), "p")


def _lanes_loop(vector: VectorType, *body: c.Statement) -> c.For:
    return c.For("lane", c.literal(0), c.literal(vector.lanes), body, ctype=c.int_)


@lru_cache(maxsize=256)
def load(vector: VectorType) -> Helper:
    """Return ``load_V(p)``: the vector at p, which needs no more than its elements' alignment."""
    unaligned = c.Pointer(c.NamedType(f"{vector.name}_unaligned", is_const=True))
    body = (c.Return(c.dereference(c.Cast(unaligned, _p))),)
    name = f"load_{vector.name}"
    return Helper(name, (inline_function(name, vector.ctype, (_source(vector),), body),), (vector.helper,))


@lru_cache(maxsize=256)
def store(vector: VectorType) -> Helper:
    """Return ``store_V(p, x)``."""
    unaligned = c.Pointer(c.NamedType(f"{vector.name}_unaligned"))
    body = (c.Assign(c.dereference(c.Cast(unaligned, _p)), _x),)
    name = f"store_{vector.name}"
    parameters = (_target(vector), c.Parameter(vector.ctype, "x"))
    return Helper(name, (inline_function(name, c.void, parameters, body),), (vector.helper,))


@lru_cache(maxsize=256)
def stream(vector: VectorType) -> Helper:
    """Return ``stream_V(p, x)``: store x past the caches where p is aligned as a vector is and the processor can.

    The memory it writes is not read first, and what lies in the caches stays there. `finish_streams` must follow before
    another thread reads.
    """
    floats = VectorType(vector.of("f32").element, vector.num_bytes // 4)
    found = instruction("stream", floats)
    if found is None:
        return store(vector)
    name, kept = f"stream_{vector.name}", c.ExpressionStatement(store(vector)(_p, _x))
    is_aligned = c.equal(c.Cast(c.NamedType("uintptr_t"), _p) % vector.num_bytes, 0)

    def function(*body: c.Statement) -> tuple[c.TopLevel, ...]:
        parameters = (_target(vector), c.Parameter(vector.ctype, "x"))
        return (inline_function(name, c.void, parameters, body),)

    def streaming(past_caches: c.Expression) -> tuple[c.TopLevel, ...]:
        return function(c.If(is_aligned, (c.ExpressionStatement(past_caches),), (kept,)))

    by_clang = streaming(c.Name(_nontemporal)(_x, c.Cast(c.pointer(vector.ctype), _p)))
    given = (_p, _x) if vector == floats else (c.Cast(c.pointer(floats.element.ctype), _p), floats.bits(_x))
    by_gcc = streaming(found.call(*given))
    otherwise = c.CompiledIf(f"defined({found.macro})", by_gcc, function(kept))
    item = c.CompiledIf(f"__has_builtin({_nontemporal})", by_clang, (otherwise,))
    return Helper(name, (item,), (floats.helper, store(vector)))


_nontemporal = "__builtin_nontemporal_store"


@lru_cache(maxsize=1)
def finish_streams() -> Helper:
    """Return ``finish_streams()``: stores past the caches are seen by whoever sees a later store."""
    name = "finish_streams"
    by_instruction = (c.ExpressionStatement(c.Name("__builtin_ia32_sfence")()),)
    item = c.CompiledIf(
        "defined(__SSE2__)",
        (inline_function(name, c.void, (), by_instruction),),
        (inline_function(name, c.void, (), ()),),
    )
    return Helper(name, (item,))


@lru_cache(maxsize=256)
def load_partial(vector: VectorType) -> Helper:
    """Return ``load_partial_V(p, n)``: the first n lanes from memory, zero in the others."""
    name = f"load_partial_{vector.name}"
    body = (
        c.Declare(vector.ctype, "x"),
        _lanes_loop(vector, c.Assign(_x[_lane], c.Conditional(_lane < _n, _p[_lane], vector.literal(0)))),
        c.Return(_x),
    )
    parameters = (_source(vector), c.Parameter(c.int64, "n"))
    return Helper(name, (inline_function(name, vector.ctype, parameters, body),), (vector.helper,))


@lru_cache(maxsize=256)
def store_partial(vector: VectorType) -> Helper:
    """Return ``store_partial_V(p, x, n)``: the first n lanes to memory."""
    name = f"store_partial_{vector.name}"
    body = (_lanes_loop(vector, c.If(_lane < _n, (c.Assign(_p[_lane], _x[_lane]),))),)
    parameters = (_target(vector), c.Parameter(vector.ctype, "x"), c.Parameter(c.int64, "n"))
    return Helper(name, (inline_function(name, c.void, parameters, body),), (vector.helper,))


@lru_cache(maxsize=256)
def broadcast(vector: VectorType) -> Helper:
    """Return ``broadcast_V(x)``: the scalar in every lane."""
    name = f"broadcast_{vector.name}"
    body = (c.Return(vector.filled(_x)),)
    parameters = (c.Parameter(vector.element.ctype, "x"),)
    return Helper(name, (inline_function(name, vector.ctype, parameters, body),), (vector.helper,))


@lru_cache(maxsize=256)
def load_strided(vector: VectorType) -> Helper:
    """Return ``load_strided_V(p, stride)``: lane i from p[i * stride]."""
    name = f"load_strided_{vector.name}"
    values = tuple(_p[_stride * lane] for lane in range(vector.lanes))
    parameters = (_source(vector), c.Parameter(c.int64, "stride"))
    body = (c.Return(c.CompoundLiteral(vector.ctype, values)),)
    return Helper(name, (inline_function(name, vector.ctype, parameters, body),), (vector.helper,))


@lru_cache(maxsize=256)
def load_every_second(vector: VectorType) -> Helper:
    """Return ``load_every_second_V(p)``: lane i from p[i * 2], by two vectors that reach no further than the last lane's element.

    A depthwise convolution of stride 2 takes a quarter of the time that it takes with a load for each lane (Sapphire Rapids).
    """
    name, half = f"load_every_second_{vector.name}", vector.lanes // 2
    vectors = load(vector)(_p), load(vector)(_p + (vector.lanes - 1))
    # The second vector begins with the last element of the first one.
    order = (*range(0, vector.lanes, 2), *range(vector.lanes + 1, 2 * vector.lanes, 2))
    assert len(order) == 2 * half, "a vector has an even number of lanes"
    body = (c.Return(c.Call("__builtin_shufflevector", (*vectors, *map(c.literal, order)))),)
    return Helper(name, (inline_function(name, vector.ctype, (_source(vector),), body),), (load(vector),))


@lru_cache(maxsize=256)
def load_strided_partial(vector: VectorType) -> Helper:
    """Return ``load_strided_partial_V(p, stride, n)``: lane i from p[i * stride] for i < n, else zero."""
    name = f"load_strided_partial_{vector.name}"
    body = (
        c.Declare(vector.ctype, "x"),
        _lanes_loop(vector, c.Assign(_x[_lane], c.Conditional(_lane < _n, _p[_lane * _stride], vector.literal(0)))),
        c.Return(_x),
    )
    parameters = (_source(vector), c.Parameter(c.int64, "stride"), c.Parameter(c.int64, "n"))
    return Helper(name, (inline_function(name, vector.ctype, parameters, body),), (vector.helper,))


@lru_cache(maxsize=256)
def store_strided(vector: VectorType) -> Helper:
    """Return ``store_strided_V(p, stride, x, n)``: lane i to p[i * stride] for i < n."""
    name = f"store_strided_{vector.name}"
    body = (_lanes_loop(vector, c.If(_lane < _n, (c.Assign(_p[_lane * _stride], _x[_lane]),))),)
    parameters = (
        _target(vector),
        c.Parameter(c.int64, "stride"),
        c.Parameter(vector.ctype, "x"),
        c.Parameter(c.int64, "n"),
    )
    return Helper(name, (inline_function(name, c.void, parameters, body),), (vector.helper,))


@lru_cache(maxsize=256)
def copy_strided(vector: VectorType) -> Helper:
    """Return ``copy_strided_V(to, p, stride, n)``: p[i * stride] to to[i] for i < n, and no vector in between."""
    name, to = f"copy_strided_{vector.name}", c.Name("to")
    step = c.Assign(to[_lane], _p[_lane * _stride])
    body = (c.For("lane", c.literal(0), _n, (step,), pragmas=("GCC unroll 8",)),)
    target = c.Parameter(c.pointer(vector.element.ctype), "to")
    parameters = (target, _source(vector), c.Parameter(c.int64, "stride"), c.Parameter(c.int64, "n"))
    return Helper(name, (inline_function(name, c.void, parameters, body),), (vector.helper,))


@lru_cache(maxsize=256)
def load_indexed(vector: VectorType) -> Helper:
    """Return ``load_indexed_V(p, indices)``: lane i from p[indices[i]]."""
    name = f"load_indexed_{vector.name}"
    values = tuple(_p[_indices[lane]] for lane in range(vector.lanes))
    parameters = (_source(vector), c.Parameter(c.const_pointer(c.int64), "indices"))
    body = (c.Return(c.CompoundLiteral(vector.ctype, values)),)
    return Helper(name, (inline_function(name, vector.ctype, parameters, body),), (vector.helper,))
