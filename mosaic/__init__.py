"""Graphs to C: tiles, buffers, kernels, machine code. `mosaic.compile(outputs, inputs=[...])` is the way in."""

from mosaic.algorithms.checking import AlgorithmCheck, check_algorithm
from mosaic.algorithms.chosen import ChosenAlgorithms
from mosaic.algorithms.from_outside import algorithm, c_algorithm
from mosaic.algorithms.record import Algorithm, Case
from mosaic.algorithms.registry import algorithms_of
from mosaic.api import CompiledModel, compile, stages
from mosaic.backend import MosaicBackend
from mosaic.exporting.library import ExportedLibrary, export
from mosaic.passes.stages import Stage
from mosaic.recompiles import clear_recompiles, explain_recompiles
from mosaic.tiling.layout import Layout, TileLevel, panels, tilize, untilize

__all__ = [
    "Algorithm",
    "AlgorithmCheck",
    "Case",
    "ChosenAlgorithms",
    "algorithm",
    "algorithms_of",
    "c_algorithm",
    "CompiledModel",
    "ExportedLibrary",
    "Layout",
    "MosaicBackend",
    "Stage",
    "TileLevel",
    "check_algorithm",
    "clear_recompiles",
    "compile",
    "explain_recompiles",
    "export",
    "panels",
    "stages",
    "tilize",
    "untilize",
]
