"""Functions of torch.special: error functions and their kin."""

from __future__ import annotations

from typing import Any

import numpy as np

import composit.numpy as cnp
from composit.handle import TensorHandle
from composit.nn.gradient_flow import sloped, straight_through
from composit.nn.operations.complementary_error import erfc, erfcx, log_normal_distribution
from composit.nn.special import special
from composit.types import LazyTensor
from flashlight.operations.arguments import as_half, aten, cast, typed
from flashlight.table import Call, Row, register


@register(aten.erfc)
def _complementary_error(call: Call, x: LazyTensor) -> LazyTensor:
    return cast(erfc(cast(x, call.dtype)), call.dtype)


@register(aten.special_erfcx)
def _scaled_complementary_error(call: Call, x: LazyTensor) -> LazyTensor:
    return cast(erfcx(cast(x, call.dtype)), call.dtype)


@register(aten.special_ndtr)
def _normal_distribution(call: Call, x: LazyTensor) -> LazyTensor:
    x = cast(x, call.dtype)
    return cast(cnp.divide(erfc(-x * float(np.sqrt(0.5))), 2), call.dtype)


@register(aten.special_log_ndtr)
def _log_normal_distribution(call: Call, x: LazyTensor) -> LazyTensor:
    return cast(log_normal_distribution(cast(x, call.dtype)), call.dtype)


@register(aten.logit)
def _log_odds(call: Call, x: LazyTensor, eps: float | None = None) -> LazyTensor:
    x = cast(x, call.dtype)
    if eps is not None:
        low, high = as_half(call, eps).real, as_half(call, 1 - eps).real
        beyond = cnp.where(x < low, low, cnp.where(x > high, high, typed(np.nan, x.dtype)))
        x = cnp.where((x >= low) & (x <= high), x, beyond)
    else:
        x = sloped(x, cnp.where((x >= 0) & (x <= 1), typed(1, x.dtype), typed(np.nan, x.dtype)))
    # A difference: the derivative of log(x / (1 - x)) would be infinity times 0 at 0 and 1.
    return cast(cnp.log(x) - cnp.log1p(-x), call.dtype)


@register(aten.special_entr)
def _entropy(call: Call, x: LazyTensor) -> LazyTensor:
    x = cast(x, call.dtype)
    is_inside = x > 0
    outside = cnp.where(x < 0, -np.inf, cnp.absolute(0 * x))
    value = cnp.where(is_inside, -x * cnp.log(cnp.where(is_inside, x, 1)), outside)
    # The derivative is infinite at 0, and NaN below.
    return straight_through(value, sloped(x, -1 - cnp.log(x)))


@register(aten.i0, aten.special_i0, aten.special_modified_bessel_i0)
def _modified_bessel_of_order_0(call: Call, x: LazyTensor) -> LazyTensor:
    return _without_infinity(call, x, special("modified_i0", cast(x, call.dtype)))


@register(aten.special_i1, aten.special_modified_bessel_i1)
def _modified_bessel_of_order_1(call: Call, x: LazyTensor) -> LazyTensor:
    return _without_infinity(call, x, special("modified_i1", cast(x, call.dtype)) + 0.0)


@register(aten.special_i1e)
def _scaled_modified_bessel_of_order_1(call: Call, x: LazyTensor) -> LazyTensor:
    # A zero is negative at -infinity, and at no zero.
    size = special("scaled_modified_i1", cast(x, call.dtype)) + 0.0
    return cast(cnp.where(x == -np.inf, -size, size), call.dtype)


def _without_infinity(call: Call, x: LazyTensor, value: LazyTensor) -> LazyTensor:
    """Return torch's value of a series that it multiplies by exp(|x|): at infinity that is infinity times 0."""
    return cast(cnp.where(cnp.isinf(x), np.nan, value), call.dtype)


# Functions of composit.nn.special, by torch's names of them.
_SPECIAL: dict[str, tuple[Any, ...]] = {  # Any: operations of torch
    "log_gamma": (aten.lgamma, aten.special_gammaln),
    "digamma": (aten.digamma, aten.special_digamma, aten.special_psi),
    "zeta": (aten.special_zeta,),
    "lower_gamma": (aten.igamma, aten.special_gammainc),
    "upper_gamma": (aten.igammac, aten.special_gammaincc),
    "normal_quantile": (aten.special_ndtri,),
    "inverse_error": (aten.erfinv, aten.special_erfinv),
    "bessel_j0": (aten.special_bessel_j0,),
    "bessel_j1": (aten.special_bessel_j1,),
    "bessel_y0": (aten.special_bessel_y0,),
    "bessel_y1": (aten.special_bessel_y1,),
    "scaled_modified_i0": (aten.special_i0e,),
    "modified_k0": (aten.special_modified_bessel_k0,),
    "modified_k1": (aten.special_modified_bessel_k1,),
    "scaled_modified_k0": (aten.special_scaled_modified_bessel_k0,),
    "scaled_modified_k1": (aten.special_scaled_modified_bessel_k1,),
    "airy_ai": (aten.special_airy_ai,),
    "spherical_bessel_j0": (aten.special_spherical_bessel_j0,),
    "chebyshev_t": (aten.special_chebyshev_polynomial_t,),
    "chebyshev_u": (aten.special_chebyshev_polynomial_u,),
    "chebyshev_v": (aten.special_chebyshev_polynomial_v,),
    "chebyshev_w": (aten.special_chebyshev_polynomial_w,),
    "shifted_chebyshev_t": (aten.special_shifted_chebyshev_polynomial_t,),
    "shifted_chebyshev_u": (aten.special_shifted_chebyshev_polynomial_u,),
    "shifted_chebyshev_v": (aten.special_shifted_chebyshev_polynomial_v,),
    "shifted_chebyshev_w": (aten.special_shifted_chebyshev_polynomial_w,),
    "hermite": (aten.special_hermite_polynomial_h,),
    "hermite_e": (aten.special_hermite_polynomial_he,),
    "laguerre": (aten.special_laguerre_polynomial_l,),
    "legendre": (aten.special_legendre_polynomial_p,),
}


def _number(value: float, call: Call) -> Any:  # Any: numpy's scalar
    return typed(value, call.dtype)


def _special(function: str) -> Row:
    def row(call: Call, *operands: Any) -> LazyTensor:  # Any: tensors and numbers
        given = [_number(each, call) if isinstance(each, int | float) else cast(each, call.dtype) for each in operands]
        return cast(special(function, *given), call.dtype)

    return row


for _name, _operations in _SPECIAL.items():
    register(*_operations)(_special(_name))


@register(aten.polygamma, aten.special_polygamma)
def _polygamma(call: Call, first: Any, second: Any) -> LazyTensor:
    # The method names the tensor first, the function the order.
    is_method = isinstance(first, TensorHandle)
    order, x = (second, first) if is_method else (first, second)
    return cast(special("polygamma", cast(x, call.dtype), order=order), call.dtype)
