"""Graphs to C: tiles, buffers, kernels, machine code. `mosaic.compile(outputs, inputs=[...])` is the way in."""

from mosaic.api import CompiledModel, compile, emit

__all__ = ["CompiledModel", "compile", "emit"]
