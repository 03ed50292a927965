"""Discrete Fourier transforms, in the three forms to which torch brings all of fft and stft."""

from __future__ import annotations

import math
from collections.abc import Sequence

import composit.numpy as cnp
from composit.operation import Shape
from composit.types import LazyTensor
from flashlight.operations.arguments import aten, cast
from flashlight.table import Call, register

# torch's numbers: the result is not scaled, divided by the root of the number of elements, or by the number.
_SCALES = (lambda count: 1.0, lambda count: 1 / math.sqrt(count), lambda count: 1 / count)


def _scaled(x: LazyTensor, lengths: Shape, normalization: int) -> LazyTensor:
    scale = _SCALES[normalization](max(math.prod(lengths), 1))
    return x if scale == 1 else x * scale


@register(aten._fft_c2c)
def _complex_to_complex(call: Call, x: LazyTensor, dim: Sequence[int], normalization: int, forward: bool) -> LazyTensor:
    if not dim or not x.size:
        return x
    axes = tuple(dim)
    lengths = tuple(x.shape[axis] for axis in axes)
    if forward:
        spectrum = cnp.fft.fftn(x, axes=axes)
    else:
        # numpy's inverse transform is divided by the number of elements.
        spectrum = cnp.fft.ifftn(x, axes=axes, norm="forward")
    return cast(_scaled(spectrum, lengths, normalization), call.dtype)


@register(aten._fft_r2c)
def _real_to_complex(call: Call, x: LazyTensor, dim: Sequence[int], normalization: int, onesided: bool) -> LazyTensor:
    axes = tuple(dim)
    lengths = tuple(x.shape[axis] for axis in axes)
    transform = cnp.fft.rfftn if onesided else cnp.fft.fftn
    spectrum = transform(x, axes=axes)
    return cast(_scaled(spectrum, lengths, normalization), call.dtype)


@register(aten._fft_c2r)
def _complex_to_real(
    call: Call, x: LazyTensor, dim: Sequence[int], normalization: int, last_dim_size: int
) -> LazyTensor:
    axes = tuple(dim)
    lengths = (*(x.shape[axis] for axis in axes[:-1]), last_dim_size)
    signal = cnp.fft.irfftn(x, s=lengths, axes=axes, norm="forward")
    return cast(_scaled(signal, lengths, normalization), call.dtype)
