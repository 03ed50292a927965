"""All errors that composit, flashlight and mosaic raise: each derives from `CompositError` and from the built-in that
fits, so that `except ValueError` written for numpy keeps working.
"""

from __future__ import annotations

import numpy as np


class CompositError(Exception):
    """The base of every error raised on purpose by composit, flashlight and mosaic."""


class ShapeError(CompositError, ValueError):
    """Shapes do not fit each other or the operation."""


class DtypeError(CompositError, TypeError):
    """A dtype does not fit the operation, or would be lost."""


class NoValueError(DtypeError):
    """A computation needs the value of a placeholder, which has none."""


class TracingError(CompositError, TypeError):
    """A function that is traced once and run many times does what only one call can do."""


class ScalarError(CompositError, TypeError, AttributeError):
    """A scalar was used as an array. It is an AttributeError too, so that `hasattr` answers False."""


class AxisError(CompositError, np.exceptions.AxisError):
    """An axis is out of range or given twice."""

    def __str__(self) -> str:
        """numpy's words, and what to do instead."""
        said = super().__str__()
        if self.axis is None:
            return said
        allowed = f"from {-self.ndim} to {self.ndim - 1}" if self.ndim else "of a value without axes: reshape it first"
        return f"{said}; expected an axis {allowed}"


class ParameterError(CompositError, ValueError):
    """A parameter has a value that the function does not know."""


class IntegerRangeError(CompositError, OverflowError):
    """An integer is beyond the range of the C type in which numpy takes it."""


class OperandError(CompositError, TypeError):
    """Something that is neither array, scalar nor tensor was given as an operand."""


class UnrepresentableTensorError(DtypeError, OperandError):
    """A tensor of another library that no array can stand for: sparse, without values, or of a dtype that numpy lacks."""


class IdentityError(CompositError, TypeError):
    """A parameter has no stable identity, so the operation that holds it can have no key."""


class AssignmentError(CompositError, TypeError):
    """composit cannot carry out a write without changing something else as well."""


class ReadOnlyError(CompositError, ValueError):
    """A write to a tensor that is read-only in numpy, such as a diagonal or a broadcast."""


class UnreachedInputError(CompositError, ValueError):
    """An input was given that no output depends on."""


class GuardError(CompositError, RuntimeError):
    """A value that Python read while the graph was built is different for the inputs given now."""


class DerivativeError(CompositError, TypeError):
    """The mathematical derivative does not exist (an integer result, an index, a discrete choice)."""


class GradientError(CompositError, AssertionError):
    """A derivative differs from finite differences (`check_gradients`)."""


class MissingDerivativeError(CompositError, NotImplementedError):
    """The derivative exists, but its rule is not written yet."""


class UnsupportedOperationError(CompositError, NotImplementedError):
    """An operation has no rule in the table that was asked (torch capture, a backend, C lowering)."""


class UnsupportedAlgorithmError(UnsupportedOperationError, ValueError):
    """An algorithm that was asked for by name cannot take the shapes or dtypes of an operation."""


class AlgorithmError(CompositError, AssertionError):
    """An algorithm gives other results than numpy (`mosaic.check_algorithm`)."""


class NoRuleError(UnsupportedOperationError):
    """A rule does not cover a call. numpy's own function then computes it, so users never see this error."""


class UnknownBackendError(CompositError, LookupError):
    """No backend of that name is installed or registered."""


class MissingLibraryError(CompositError, ModuleNotFoundError):
    """An optional library is needed and not installed."""


class KernelError(CompositError, TypeError):
    """A Python function is outside the language of kernels; the text shows the line and what to write instead."""


class KernelNameError(KernelError, NameError):
    """A kernel calls what is not defined when it is first used."""


class KernelAssertionError(CompositError, AssertionError):
    """An `assert` in a kernel does not hold for an element; the text shows its line."""


class CompileError(CompositError, RuntimeError):
    """The C compiler failed; the text shows the command and its output."""


class CompilerNotFoundError(CompileError):
    """There is no C compiler on this machine."""


class CodeStorageError(CompileError):
    """No directory of this machine takes compiled code, or lets it be executed."""


class FileFormatError(CompositError, ValueError):
    """A file cannot be read: it is cut off, changed, of a later version, or of another format."""


class OutOfMemoryError(CompositError, MemoryError):
    """A program needs more memory than this process can have."""


class InternalError(CompositError, AssertionError):
    """One of our own invariants does not hold: a bug in composit, never the caller's fault."""


class StaleTensorError(CompositError, RuntimeError):
    """Memory that a graph shares with torch was written to after the graph was built, so the graph's value is gone."""


class ExchangeError(CompositError, BufferError, RuntimeError):
    """Memory cannot be exchanged with another library: DLPack has no such dtype, or the owner refuses."""


class DrawingError(CompositError, RuntimeError):
    """graphviz's program dot failed; the text shows the command and its output."""


class OutOfBoundsError(CompositError, IndexError):
    """An index is out of bounds, of the wrong kind, or there are too many."""


class LinearAlgebraError(CompositError, np.linalg.LinAlgError):
    """A function of linear algebra needs matrices, or square ones, and was given others."""


class ReadNumberWarning(CompositError, UserWarning):
    """A gradient treats a number that Python read from an input as a constant. A warning, not an error."""
