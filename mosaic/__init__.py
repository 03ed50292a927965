"""Graphs to C: tiles, buffers, kernels, machine code. `mosaic.compile(outputs, inputs=[...])` is the way in."""

from mosaic.api import CompiledModel, compile, emit
from mosaic.tiling.layout import Layout, TileLevel, panels, tilize, untilize

__all__ = ["CompiledModel", "Layout", "TileLevel", "compile", "emit", "panels", "tilize", "untilize"]
