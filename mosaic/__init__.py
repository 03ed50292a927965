"""Graphs to C: tiles, buffers, kernels, machine code. `mosaic.compile(outputs, inputs=[...])` is the way in."""

from mosaic.api import CompiledModel, compile

__all__ = ["CompiledModel", "compile"]
