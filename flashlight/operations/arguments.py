"""Arguments of torch as arguments of numpy, for all rows: dtypes by torch's promotion, `dim` as axes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
import torch

import composit.numpy as cnp
from composit import nn
from composit.evaluation import evaluate
from composit.handle import TensorHandle
from composit.operation import Axes, Dtype, Input, Shape
from composit.program import ancestors_in_order
from composit.types import LazyTensor
from flashlight.conversion import HALVES
from flashlight.half_precision import nearest_half, round_as
from flashlight.table import Call

# torch takes Python numbers in many places where it takes tensors.
Operand = TypeVar("Operand", bound=LazyTensor | complex)

aten = torch.ops.aten

# By kind of a tensor's dtype: the Python numbers that leave the dtype as it is, in torch and in numpy.
_NEEDS_NO_CAST: dict[str, tuple[type, ...]] = {"f": (int, float), "c": (int, float, complex)}


def cast(x: Operand, dtype: Dtype) -> Operand:
    """Return the tensor cast to a dtype; Python numbers stay as they are, because they never decide a dtype."""
    if not isinstance(x, TensorHandle) or x.dtype == dtype:
        return x
    return cnp.astype(x, dtype)  # type: ignore[return-value]  # a tensor for a tensor


def typed(value: complex, dtype: Dtype) -> Any:  # Any: numpy's scalar of the dtype
    """Return a Python number in a dtype; integers out of its range wrap, as in torch."""
    with np.errstate(all="ignore"):
        return np.asarray(value).astype(dtype)[()]


def constant_of(x: LazyTensor) -> Any:  # Any: a Python number, or an array; None
    """Return the value of a tensor that depends on no input of the graph, else None."""
    nodes = ancestors_in_order([x.node])
    if any(isinstance(node.operation, Input) for node in nodes):
        return None
    value = np.asarray(evaluate(x))
    return value.item() if not value.ndim else value


def per_axis(value: Sequence[int], rank: int) -> Shape:
    """Return torch's argument for spatial axes with one number for each: a single number stands for all."""
    numbers = tuple(value)
    return numbers * rank if len(numbers) == 1 else numbers


def pulled_back(function: Callable[..., Any], operands: Sequence[LazyTensor], g: Any) -> Sequence[LazyTensor]:
    """Return the gradients of a function's operands from g, the cotangent of its result: torch's `..._backward` operations."""
    _, pull = nn.vjp(function, *operands)
    gradients: Sequence[LazyTensor] = pull(g)
    return gradients


def _needs_no_cast(dtype: Dtype, number: object) -> bool:
    if dtype.kind == "i":
        return type(number) is int and -128 <= number < 128
    return type(number) in _NEEDS_NO_CAST.get(dtype.kind, ())


def promote(call: Call, *operands: LazyTensor | complex) -> list[Any]:  # Any: as given, tensors and numbers
    """Return the call's first operands, cast to the dtype in which torch computes.

    torch promotes differently from numpy: a tensor of rank 0 is weak, and int64 with float32 gives float32. Python numbers
    stay; among integers they wrap to the range of the dtype, beside half precision they are rounded.
    """
    if any(isinstance(each, torch.Tensor) and each.dtype in HALVES for each in call.arguments[: len(operands)]):
        common_half = call.promoted(*range(len(operands)))
        if common_half in HALVES:
            given = zip(operands, call.arguments, strict=False)
            return [_in_half(call, operand, argument, common_half) for operand, argument in given]
    dtype = operands[0].dtype if isinstance(operands[0], TensorHandle) else None
    if all(isinstance(operand, TensorHandle) and operand.dtype == dtype for operand in operands):
        return list(operands)
    if len(operands) == 2 and dtype is not None and _needs_no_cast(dtype, operands[1]):
        return list(operands)
    common = call.common_dtype(*range(len(operands)))
    if common.kind in "iu":
        return [cast(each, common) if isinstance(each, TensorHandle) else typed(each, common) for each in operands]
    return [cast(operand, common) for operand in operands]


# Of these torch takes numbers and tensors of rank 0 as they are, also beside half precision.
_EXACT_NUMBERS = frozenset(
    getattr(aten, name)
    for name in "mul mul_ multiply multiply_ div div_ divide divide_ floor_divide floor_divide_".split()
)


def _in_half(call: Call, operand: Any, argument: Any, half: torch.dtype) -> Any:  # Any: tensors and numbers
    """Return an operand, which may be a number, in half precision; as float32, in which rows compute."""
    is_number = not isinstance(operand, TensorHandle)
    if not is_number and argument.dtype is half:
        return operand
    if call.operation.overloadpacket in _EXACT_NUMBERS and (is_number or not operand.shape):
        return cast(operand, np.dtype(np.float32))
    return float(nearest_half(operand, half)) if is_number else round_as(cast(operand, np.dtype(np.float32)), half)


def as_half(call: Call, number: complex) -> complex:
    """Return a Python number in the half precision of the call's first tensor; as it is, beside other dtypes."""
    return number if call.half is None else float(nearest_half(number, call.half))


def axes_of(dim: int | list[int] | None, ndim: int) -> Axes | None:
    """Return torch's `dim` argument as numpy's axes; None and the empty list mean all axes."""
    if dim is None:
        return None
    dims = [dim] if isinstance(dim, int) else list(dim)
    if not dims or ndim == 0:
        return None
    return tuple(axis % ndim for axis in dims)
