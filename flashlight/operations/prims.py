"""torch's primitives (`torch.ops.prims`), which some decompositions are made of: mostly the ATen operations of the same names."""

from __future__ import annotations

from collections.abc import Sequence

import torch

import composit.numpy as cnp
from composit.types import LazyTensor
from flashlight.operations.arguments import aten, cast
from flashlight.table import Call, find_row, register

prims = torch.ops.prims

# By the name of the primitive, with the ATen operation where that has another.
_SAME = {
    **dict.fromkeys(
        "abs acos acosh add asin asinh atan atan2 atanh bitwise_and bitwise_not bitwise_or bitwise_xor cat ceil clone cos "
        "cosh digamma div eq erf erfc exp exp2 expm1 fill floor fmax fmin fmod frexp full_like gcd ge gt hypot igamma igammac imag "
        "isfinite le lgamma log log10 log1p log2 lt maximum minimum mul ne neg pow real reciprocal remainder round rsqrt sign "
        "conj_physical signbit sin sinh sqrt sub tan tanh trunc where".split(),
        "",
    ),
    "erf_inv": "erfinv",
    "erfcx": "special_erfcx",
    "ndtri": "special_ndtri",
    "rev": "flip",
    "transpose": "permute",
    "view_of": "alias",
    "conj": "_conj",
    "zeta": "special_zeta",
}


def register_primitives() -> None:
    """Register the rows of ATen for the primitives of the same meaning; to be called behind all other rows."""
    for name, other in _SAME.items():
        packet = getattr(aten, other or name)
        rows = (find_row(getattr(packet, overload)) for overload in packet.overloads())
        row = next((each for each in rows if each is not None), None)
        if row is not None:
            register(getattr(prims, name))(row)


@register(prims.broadcast_in_dim)
def _broadcast(call: Call, x: LazyTensor, shape: Sequence[int], broadcast_dimensions: Sequence[int]) -> LazyTensor:
    places = dict(zip(broadcast_dimensions, x.shape, strict=True))
    spread = cnp.reshape(x, tuple(places.get(axis, 1) for axis in range(len(shape))))
    return cnp.broadcast_to(spread, tuple(shape))


@register(prims.sum)
def _sum(call: Call, x: LazyTensor, dims: Sequence[int] | None, **how: object) -> LazyTensor:
    return cast(cnp.sum(cast(x, call.dtype), axis=None if dims is None else tuple(dims)), call.dtype)


@register(prims.prod)
def _product(call: Call, x: LazyTensor, dims: Sequence[int] | None, **how: object) -> LazyTensor:
    return cast(cnp.prod(cast(x, call.dtype), axis=None if dims is None else tuple(dims)), call.dtype)


@register(prims.amax)
def _largest(call: Call, x: LazyTensor, dims: Sequence[int] | None, **how: object) -> LazyTensor:
    return cnp.max(x, axis=None if dims is None else tuple(dims))


@register(prims.amin)
def _smallest(call: Call, x: LazyTensor, dims: Sequence[int] | None, **how: object) -> LazyTensor:
    return cnp.min(x, axis=None if dims is None else tuple(dims))


@register(prims.iota)
def _count(call: Call, length: int, *, start: int, step: int, **how: object) -> LazyTensor:
    return cnp.arange(start, start + step * length, step, dtype=call.dtype)
