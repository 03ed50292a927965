"""`ufunc(x, where=mask, out=y)`: where the mask is true, elements of y are replaced by the function of those of x."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from composit.apply import apply, as_tensor
from composit.errors import NoRuleError
from composit.handle import TensorHandle
from composit.numpy.elementwise.functions import Elementwise, ElementwiseFunction, common_shape
from composit.numpy.views.writes import assign_result, copied, is_writable, writing_to
from composit.operation import Array, Operation, OperationKind, TensorType, VjpContext, tensor_type

# In the domain of nearly all functions, and no pole of any of these.
_HARMLESS = 0.5


@dataclass(frozen=True, slots=True)
class MaskedElementwise(Operation):
    """The first operand with the function's results where the second, a mask, is true. The function's operands follow.

    index:       which result, of a function with several
    Derivative:  g where the mask is false; the function's derivative where it is true
    Reference:   https://numpy.org/doc/stable/reference/ufuncs.html#optional-keyword-arguments
    """

    operation: Elementwise
    index: int = 0
    updates_operand = True
    kind = OperationKind.WRITE

    @property
    def raises_by_value(self) -> bool:  # type: ignore[override]  # read of instances only, and each has its own
        return self.operation.raises_by_value

    def may_raise(self, operand_types: Sequence[TensorType], are_known: Sequence[bool]) -> bool:
        return self.operation.may_raise(operand_types[2:], are_known[2:])

    @property
    def name(self) -> str:
        return self.operation.name

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        target, mask, *given = operand_types
        name = self.name
        result = self.operation.result_types(*given)[self.index]
        if common_shape(name, [target.shape, mask.shape, result.shape]) != target.shape or mask.dtype != np.bool:
            raise NoRuleError(f"{name}: out of shape {target.shape} is too small, or where is not boolean")
        if not np.can_cast(result.dtype, target.dtype, "same_kind"):
            raise NoRuleError(f"{name}: {result.dtype} is not cast to {target.dtype}")
        return (tensor_type(target.shape, target.dtype),)

    def evaluate(self, *operands: Array) -> Array:
        return self.update_in_place(copied(operands[0]), *operands[1:])

    def update_in_place(self, target: Array, *operands: Any) -> Array:
        """Write to the target itself and return it."""
        mask, *given = operands
        function = self.operation.function
        # numpy allocates the other results itself.
        outs = tuple([target if index == self.index else None for index in range(function.nout)])
        function.ufunc(*given, out=outs, where=mask)
        return target

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        xp, (g,), (_, mask, *given) = context.xp, context.cotangents, context.operands
        # Where the mask is false, operands may be outside the domain (log of -1): replace them before using the rule.
        inside = [xp.where(mask, each, _HARMLESS) if _has_elements(each) else each for each in given]
        of_result = xp.where(mask, g, 0)
        if self.operation.num_results == 1:
            cotangents, made = [of_result], [xp.where(mask, result, _HARMLESS) for result in context.results]
        else:
            made = xp.apply(self.operation, *inside)
            cotangents = [of_result if index == self.index else None for index in range(len(made))]
        parts = self.operation.vjp(VjpContext(xp, cotangents, inside, made, context.needs[2:]))
        to_given = [None if part is None else xp.where(mask, part, 0) for part in parts]
        return [xp.where(mask, 0, g) if context.needs[0] else None, None, *to_given]


def _has_elements(operand: Any) -> bool:
    return np.ndim(operand) > 0 and operand.dtype.kind in "fc"


def write_where(function: Any, operands: Sequence[Any], out: Sequence[Any], options: Mapping[str, Any]) -> object:
    """Write a function's results to `out` where `where=` is true, and return `out`.

    Raises:  NoRuleError: `out` is no writable tensor, there are other options, or the function has no rule
    """
    mask = options["where"]
    if not isinstance(function, ElementwiseFunction) or len(out) != function.nout or len(options) > 1:
        raise NoRuleError("where: the function is no elementwise one, or there are other options")
    if not all(isinstance(target, TensorHandle) and is_writable(target) for target in out):
        raise NoRuleError(f"{function.name}: out is no writable tensor")
    with writing_to(*out):
        given = [as_tensor(operand) for operand in (mask, *operands)]
        # All are made before any is written, since an operand may be one of them.
        written = [
            apply(MaskedElementwise(function.operation, index), target, *given) for index, target in enumerate(out)
        ]
        for target, result in zip(out, written, strict=True):
            assign_result(target, result)
    return tuple(out) if len(out) > 1 else out[0]
