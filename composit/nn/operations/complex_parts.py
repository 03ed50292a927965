"""`complex_from_parts`: complex numbers from their real and imaginary parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from composit.apply import apply
from composit.derivative_types import Namespace
from composit.nn.arguments import floating
from composit.nn.composition import Composition, Value
from composit.numpy.arguments.normalizing import TensorLike, broadcast_shapes
from composit.operation import Array, OperationKind, Results, TensorType, VjpContext, tensor_type

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

__all__ = ["complex_from_parts"]


@dataclass(frozen=True, slots=True)
class ComplexFromParts(Composition):
    """a + ib, with both parts kept as they are: numpy's 1j * b makes NaN of an infinite b.

    Derivative:  by a, the real part of g; by b, minus its imaginary part
    Reference:   torch.complex
    """

    kind = OperationKind.ELEMENTWISE

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        real, imaginary = operand_types
        shape = broadcast_shapes(real.shape, imaginary.shape)
        dtype = np.result_type(real.dtype, imaginary.dtype, np.complex64)
        return (tensor_type(shape, dtype, is_scalar=not shape),)

    def compose(self, xp: Namespace, *operands: Value) -> Value:
        real, imaginary = operands
        return real + 1j * imaginary

    def evaluate(self, *operands: Array) -> Results:
        real, imaginary = operands
        shape = np.broadcast_shapes(np.shape(real), np.shape(imaginary))
        result = np.empty(shape, np.result_type(real, imaginary, np.complex64))
        result.real, result.imag = real, imaginary
        return result if result.ndim else result[()]

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        xp, (g,) = context.xp, context.cotangents
        parts = zip((xp.real(g), -xp.imag(g)), context.operands, strict=True)
        return [_summed(xp, part, xp.shape(operand)) for part, operand in parts]


def _summed(xp: Any, g: Any, shape: tuple[int, ...]) -> Any:
    """Return g summed along the axes that its operand was broadcast along."""
    extra = xp.ndim(g) - len(shape)
    axes = (
        *range(extra),
        *(extra + axis for axis, length in enumerate(shape) if length == 1 != xp.shape(g)[extra + axis]),
    )
    return xp.reshape(xp.sum(g, axis=axes), shape) if axes else g


def complex_from_parts(real: TensorLike, imaginary: TensorLike) -> LazyTensor:
    """Return complex numbers with these real and imaginary parts, which broadcast.

    Dtype:       complex64 for float32, else complex128
    Derivative:  by both
    Raises:      DtypeError: a part is complex
    Reference:   torch.complex
    Example:
        >>> import composit.numpy as cnp
        >>> cnp.evaluate(complex_from_parts([1.0], [np.inf]))
        array([1.+infj])
    """
    parts = [floating("complex_from_parts", each, name) for each, name in ((real, "real"), (imaginary, "imaginary"))]
    return apply(ComplexFromParts(), *parts)
