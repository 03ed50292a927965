"""Algorithms of convolutions and of their gradients; each file holds one and registers it for one, two and three axes."""

from mosaic.algorithms.convolution import (
    depthwise,
    direct,
    direct_gradient,
    gemm,
    implicit_gemm,
    implicit_precomp_gemm,
    lines,
    smm,
    winograd,
)

__all__ = [
    "depthwise",
    "direct",
    "direct_gradient",
    "gemm",
    "implicit_gemm",
    "implicit_precomp_gemm",
    "lines",
    "smm",
    "winograd",
]
