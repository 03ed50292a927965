"""Algorithms of convolutions and of their gradients; each file holds one and registers it for one, two and three axes."""

from mosaic.algorithms.convolution import implicit_gemm, winograd

__all__ = ["implicit_gemm", "winograd"]
