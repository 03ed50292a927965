"""Unmodified torch programs as composit graphs, and composit graphs run by torch."""

from flashlight import operations, tracer
from flashlight.capture.torch_modes import DataLeavesWarning
from flashlight.comparison import Comparison, Difference, compare
from flashlight.parameters import parameters_of
from flashlight.table import Call, register, registered_operations
from flashlight.tracer import lazy_tensor

__all__ = [
    "Call",
    "Comparison",
    "DataLeavesWarning",
    "Difference",
    "compare",
    "lazy_tensor",
    "operations",
    "parameters_of",
    "register",
    "registered_operations",
    "tracer",
]
