"""Sets: unique, intersect1d, union1d, ..., computed at the call because the length depends on values; isin is lazy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from composit.apply import apply
from composit.errors import NoRuleError
from composit.numpy.arguments.normalizing import TensorLike, handle_of, truth
from composit.numpy.arguments.positions import positions_of
from composit.numpy.calls.array_function import ArrayFunction
from composit.numpy.calls.declarations import rule_for, without_rule
from composit.numpy.sorting import expressions  # noqa: F401  # registers what sets are differentiated as
from composit.operation import TensorType, tensor_type

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

__all__ = [
    "intersect1d",
    "isin",
    "setdiff1d",
    "setxor1d",
    "union1d",
    "unique",
    "unique_all",
    "unique_counts",
    "unique_inverse",
    "unique_values",
]

intersect1d = without_rule(np.intersect1d)
setdiff1d = without_rule(np.setdiff1d)
setxor1d = without_rule(np.setxor1d)
union1d = without_rule(np.union1d)
unique = without_rule(np.unique)
unique_all = without_rule(np.unique_all)
unique_counts = without_rule(np.unique_counts)
unique_inverse = without_rule(np.unique_inverse)
unique_values = without_rule(np.unique_values)


@dataclass(frozen=True, slots=True)
class IsIn(ArrayFunction):
    """Whether each element of the first operand is among those of the second. Reference: numpy.isin."""

    function = staticmethod(np.isin)
    no_derivative = "the result is boolean"
    assume_unique: bool
    invert: bool

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        return (tensor_type(operand_types[0].shape, np.bool),)


@rule_for(np.isin)
def isin(
    element: TensorLike,
    test_elements: TensorLike,
    assume_unique: bool = False,
    invert: bool = False,
    *,
    kind: str | None = None,
) -> LazyTensor:
    """Return for each element whether it is among the test elements. See np.isin."""
    is_tensor = hasattr(test_elements, "__lazy_tensor__")
    tensor = handle_of(element)
    tested = handle_of(test_elements) if is_tensor else positions_of(np.asarray(test_elements))
    if kind is not None or not tensor.ndim or any(part.dtype.kind not in "biuf" for part in (tensor, tested)):
        raise NoRuleError("isin: a way of computing, no axis, or elements that are no real numbers")
    return apply(IsIn(truth(assume_unique), truth(invert)), tensor, tested)
