"""Kernels of `composit.kernels` in C: their functions, the loop over elements, and the lowering."""
