"""Complex numbers: made of parts, taken apart, conjugated."""

from __future__ import annotations

import numpy as np

import composit.numpy as cnp
from composit.nn.gradient_flow import straight_through
from composit.nn.operations.complex_parts import complex_from_parts
from composit.types import LazyTensor
from flashlight.operations.arguments import aten, cast, typed
from flashlight.table import Call, register


@register(aten.complex)
def _complex(call: Call, real: LazyTensor, imaginary: LazyTensor) -> LazyTensor:
    return cast(complex_from_parts(real, imaginary), call.dtype)


@register(aten.polar)
def _polar(call: Call, size: LazyTensor, angle: LazyTensor) -> LazyTensor:
    return _complex(call, size * cnp.cos(angle), size * cnp.sin(angle))


@register(aten.view_as_real, aten.view_as_real_copy)
def _as_pairs(call: Call, x: LazyTensor) -> LazyTensor:
    return cnp.stack([cnp.real(x), cnp.imag(x)], axis=-1)


@register(aten.view_as_complex, aten.view_as_complex_copy)
def _from_pairs(call: Call, x: LazyTensor) -> LazyTensor:
    return _complex(call, x[..., 0], x[..., 1])


@register(aten.real)
def _real(call: Call, x: LazyTensor) -> LazyTensor:
    return cnp.real(x) if x.dtype.kind == "c" else x


@register(aten.imag)
def _imaginary(call: Call, x: LazyTensor) -> LazyTensor:
    return cnp.imag(x)


@register(aten.conj, aten._conj, aten._conj_physical, aten.conj_physical, aten._conj_copy)
def _conjugate(call: Call, x: LazyTensor) -> LazyTensor:
    return cnp.conjugate(x) if x.dtype.kind == "c" else x


@register(aten._neg_view, aten._neg_view_copy)
def _negative(call: Call, x: LazyTensor) -> LazyTensor:
    return cnp.negative(x)


@register(aten.angle)
def _angle(call: Call, x: LazyTensor) -> LazyTensor:
    if x.dtype.kind == "c":
        real, imaginary, is_zero = cnp.real(x), cnp.imag(x), x == 0
        # The derivative at 0 is 0, as torch's.
        source = cnp.where(is_zero, 0, cnp.arctan2(imaginary, cnp.where(is_zero, 1, real)))
        return straight_through(cnp.arctan2(imaginary, real), source)
    x = cast(x, call.dtype)
    # NaN stays, as in torch; the angle of -0.0 is 0.
    return cnp.where(
        cnp.isnan(x), typed(np.nan, call.dtype), cnp.where(x < 0, typed(np.pi, call.dtype), typed(0, call.dtype))
    )
