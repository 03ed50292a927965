"""Operations whose answer Python gets: truth values. The row builds the answer, and a guard compares it for other inputs."""

from __future__ import annotations

import composit.numpy as cnp
from composit.types import LazyTensor
from flashlight.operations.arguments import aten
from flashlight.table import Call, register


@register(aten.equal)
def _equal(call: Call, x: LazyTensor, y: LazyTensor) -> LazyTensor:
    # Shapes differ for other values too, since a graph is built for its shapes.
    return cnp.all(x == y) if x.shape == y.shape else cnp.asarray(False)


@register(aten.allclose)
def _allclose(
    call: Call, x: LazyTensor, y: LazyTensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> LazyTensor:
    return cnp.all(cnp.isclose(x, y, rtol=rtol, atol=atol, equal_nan=equal_nan))


@register(aten._nested_tensor_from_mask_left_aligned)
def _is_left_aligned(call: Call, x: LazyTensor, mask: LazyTensor) -> LazyTensor:
    return cnp.all(mask[:, :-1] | ~mask[:, 1:])
