"""`Astype`: elements in another dtype, an elementwise operation that is no row of the table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from composit.apply import apply
from composit.operation import Array, Dtype, Operation, OperationKind, Results, TensorType, VjpContext, tensor_type

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor


@dataclass(frozen=True, slots=True)
class Astype(Operation):
    """The same elements in another dtype.

    Derivative:  g, cast back
    Reference:   numpy.ndarray.astype
    """

    dtype: Dtype
    keeps_c_order = True
    kind = OperationKind.ELEMENTWISE

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        (operand,) = operand_types
        return (tensor_type(operand.shape, self.dtype, operand.is_scalar),)

    def evaluate(self, *operands: Array) -> Results:
        operand: Any = operands[0]  # Any: an array, or a Python scalar
        if not isinstance(operand, np.ndarray | np.generic):
            return np.asarray(operand).astype(self.dtype)[()]
        return operand.astype(self.dtype)

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        # Nothing else to do here: the sweep casts each cotangent to the dtype of its operand.
        return [context.cotangents[0] if self.dtype.kind in "fc" else None]


def astype(
    x: Any, dtype: Any, /, *, copy: bool = True, device: str | None = None
) -> LazyTensor:  # Any: array_like, dtype_like
    """Return x in another dtype. Reference: numpy.astype."""
    return apply(Astype(np.dtype(dtype)), x)


def in_dtype(tensor: Any, dtype: Dtype) -> LazyTensor:
    """Return the tensor in the dtype, byte order included; the tensor itself if it has that dtype."""
    return tensor if tensor.dtype == dtype else apply(Astype(dtype), tensor)
