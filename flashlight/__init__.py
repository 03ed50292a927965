"""Unmodified torch programs as composit graphs, and composit graphs run by torch."""

from composit.errors import MissingLibraryError

try:
    import torch  # noqa: F401  # first, since everything below needs it
except ModuleNotFoundError as error:
    if error.name != "torch":
        raise
    raise MissingLibraryError(
        "flashlight: torch was asked for, by `import flashlight` or backend='torch', and is not installed; expected torch 2.6 or newer; "
        "install it with pip install composit[torch]",
        name="torch",
    ) from error

from composit import __version__
from flashlight import errors, operations, tracer
from flashlight.algorithms.backends import DEFAULT_ALGOS, SUPPORTED_ALGORITHMS
from flashlight.algorithms.models import Model, convert
from flashlight.algorithms.selectors import Selector
from flashlight.algorithms.swap import swap_back, swap_conv2d, swap_operation
from flashlight.algorithms.swapped import SwappedModule
from flashlight.backend import TorchBackend
from flashlight.capture.torch_modes import DataLeavesWarning
from flashlight.captured.captured import Captured, capture
from flashlight.comparison import Comparison, Difference, compare
from flashlight.export.exported_programs import ExportedGraph, from_export
from flashlight.export.modules import ProgramModule, to_module
from flashlight.export.training import TrainingStep, training_step
from flashlight.parameters import load_parameters, parameters_of, put_parameters, save_parameters
from flashlight.report import Report, report
from flashlight.table import Call, register, registered_operations
from flashlight.tracer import lazy_tensor

AlgorithmicSelector = Selector
# What swap_operation and convert take models of.
SUPPORTED_FROM_BACKENDS = ("torch",)

__all__ = [
    "__version__",
    "AlgorithmicSelector",
    "SUPPORTED_FROM_BACKENDS",
    "DEFAULT_ALGOS",
    "Model",
    "SUPPORTED_ALGORITHMS",
    "SwappedModule",
    "convert",
    "errors",
    "swap_back",
    "swap_conv2d",
    "swap_operation",
    "Call",
    "Captured",
    "Comparison",
    "DataLeavesWarning",
    "Difference",
    "ExportedGraph",
    "ProgramModule",
    "Report",
    "TrainingStep",
    "TorchBackend",
    "capture",
    "compare",
    "from_export",
    "lazy_tensor",
    "load_parameters",
    "operations",
    "parameters_of",
    "put_parameters",
    "register",
    "registered_operations",
    "report",
    "save_parameters",
    "to_module",
    "tracer",
    "training_step",
]
