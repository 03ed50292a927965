"""Functions of torch.special: error functions and their kin."""

from __future__ import annotations

import numpy as np

import composit.numpy as cnp
from composit.nn.operations.complementary_error import erfc, erfcx, log_normal_distribution
from composit.types import LazyTensor
from flashlight.operations.arguments import aten, cast, wide
from flashlight.table import Call, register


@register(aten.erfc)
def _complementary_error(call: Call, x: LazyTensor) -> LazyTensor:
    return cast(erfc(wide(cast(x, call.dtype))), call.dtype)


@register(aten.special_erfcx)
def _scaled_complementary_error(call: Call, x: LazyTensor) -> LazyTensor:
    return cast(erfcx(wide(cast(x, call.dtype))), call.dtype)


@register(aten.special_ndtr)
def _normal_distribution(call: Call, x: LazyTensor) -> LazyTensor:
    x = wide(cast(x, call.dtype))
    return cast(cnp.divide(erfc(-x * float(np.sqrt(0.5))), 2), call.dtype)


@register(aten.special_log_ndtr)
def _log_normal_distribution(call: Call, x: LazyTensor) -> LazyTensor:
    return cast(log_normal_distribution(wide(cast(x, call.dtype))), call.dtype)


@register(aten.logit)
def _log_odds(call: Call, x: LazyTensor, eps: float | None = None) -> LazyTensor:
    x = wide(cast(x, call.dtype))
    if eps is not None:
        x = cnp.where(x < eps, eps, cnp.where(x > 1 - eps, 1 - eps, x))
    return cast(cnp.log(x / (1 - x)), call.dtype)


@register(aten.special_entr)
def _entropy(call: Call, x: LazyTensor) -> LazyTensor:
    x = cast(x, call.dtype)
    is_inside = x > 0
    return cnp.where(is_inside, -x * cnp.log(cnp.where(is_inside, x, 1)), cnp.where(x < 0, -np.inf, 0 * x))
