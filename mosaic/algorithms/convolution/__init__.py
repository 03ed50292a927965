"""Algorithms of convolutions and of their gradients; each file holds one and registers it for one, two and three axes."""

from mosaic.algorithms.convolution import gemm, implicit_gemm, implicit_precomp_gemm, smm, winograd

__all__ = ["gemm", "implicit_gemm", "implicit_precomp_gemm", "smm", "winograd"]
