"""The errors that flashlight raises, under the names that torch users look for; all are composit's (composit/errors.py)."""

from composit.errors import (
    CompositError,
    DtypeError,
    GuardError,
    OperandError,
    ParameterError,
    ShapeError,
    UnrepresentableTensorError,
    UnsupportedAlgorithmError,
    UnsupportedOperationError,
)

# The name that it has in ai3: a module or function that cannot be converted.
UnsupportedCallableError = UnsupportedOperationError

__all__ = [
    "CompositError",
    "DtypeError",
    "GuardError",
    "OperandError",
    "ParameterError",
    "ShapeError",
    "UnrepresentableTensorError",
    "UnsupportedAlgorithmError",
    "UnsupportedCallableError",
    "UnsupportedOperationError",
]
