"""pad.

Modes that repeat elements (edge, reflect, symmetric, wrap) index by known integers, so they need no operation,
derivative or lowering of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from composit.apply import apply, contains_tensor
from composit.errors import NoRuleError, ParameterError
from composit.numpy.arguments.normalizing import TensorLike, handle_of, new_handle
from composit.numpy.calls.declarations import rule_for
from composit.numpy.calls.expressions import pulled_back
from composit.numpy.indexing.taking import take
from composit.numpy.manipulation.broadcasting import broadcast_to
from composit.numpy.rearranging.borders import padded
from composit.numpy.rearranging.editing import take_in_order
from composit.numpy.views.layout import is_given_in_fortran_order
from composit.operation import Array, Operation, OperationKind, TensorType, VjpContext, tensor_type

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

__all__ = ["pad"]

_REPEATING = ("edge", "reflect", "symmetric", "wrap")
_COMPUTING = ("linear_ramp", "maximum", "mean", "median", "minimum")


@dataclass(frozen=True, slots=True)
class Pad(Operation):
    """The operand with borders around it.

    widths:      (before, after) per axis
    mode:        "constant", with `constant` as the value, or a mode that computes the border, such as "mean"
    Derivative:  g without the borders; of a border that is computed, that of what computes it
    Reference:   https://numpy.org/doc/stable/reference/generated/numpy.pad.html
    """

    widths: tuple[tuple[int, int], ...]
    mode: str
    constant: Any  # a Python or numpy scalar
    kind = OperationKind.MOVEMENT

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        shape = operand_types[0].shape
        lengths = [before + length + after for (before, after), length in zip(self.widths, shape, strict=True)]
        return (tensor_type(tuple(lengths), operand_types[0].dtype),)

    def evaluate(self, *operands: Array) -> Array:
        if self.mode != "constant":
            mode: Any = self.mode  # numpy declares literals
            return np.pad(operands[0], self.widths, mode=mode)
        return np.pad(operands[0], self.widths, constant_values=self.constant)

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        if self.mode != "constant":
            xp = context.xp
            return pulled_back(context, lambda x: padded(xp, x, self.widths, self.mode, {}))
        lengths = context.xp.shape(context.operands[0])
        inner = tuple([slice(before, before + n) for (before, _), n in zip(self.widths, lengths, strict=True)])
        return [context.cotangents[0][inner]]


@rule_for(np.pad)
def pad(array: TensorLike, pad_width: Any, mode: str = "constant", **options: Any) -> LazyTensor:
    """Return the tensor with borders added. See np.pad.

    Lazy modes: constant (option constant_values), edge, wrap, reflect and symmetric (option reflect_type="even"), and
    without options linear_ramp, maximum, mean, median and minimum.
    """
    tensor = handle_of(array)
    widths = _pairs(pad_width, tensor.ndim, "pad_width")
    if any(width < 0 for pair in widths for width in pair):
        raise ParameterError(
            f"index can't contain negative values: pad was given widths {widths}; slice the tensor to crop it"
        )
    if not tensor.ndim and mode in ("constant", *_REPEATING, *_COMPUTING):
        return new_handle(broadcast_to(tensor, ()))
    if contains_tensor(options.get("constant_values")):
        raise NoRuleError("pad: lazy values")
    if mode == "constant":
        return _pad_constant(tensor, widths, **options)
    if mode in _REPEATING:
        return _pad_repeating(tensor, widths, mode, options)
    if mode in _COMPUTING and not options:
        return apply(Pad(widths, mode, 0), tensor)
    known = ", ".join(("constant", *_REPEATING, *_COMPUTING))
    raise ParameterError(f"mode {mode!r} is not supported: pad with options {sorted(options)}; expected one of {known}")


def _pairs(value: Any, ndim: int, argument: str) -> tuple[tuple[Any, Any], ...]:
    """Return (before, after) for each axis, from numpy's forms: a dict by axis, or a number, pair or pairs."""
    if isinstance(value, dict):
        rows: list[Any] = [0] * ndim
        for axis, entry in value.items():
            rows[axis] = entry
        return tuple(_pairs(row, 1, argument)[0] for row in rows)
    values = np.asarray(value)
    if values.dtype.kind not in "biufc":
        raise NoRuleError(f"pad: {argument} that are no numbers")
    if argument == "pad_width" and values.dtype.kind not in "iu":
        raise TypeError("`pad_width` must be of integral type.")
    return tuple((row[0].item(), row[1].item()) for row in np.broadcast_to(values, (ndim, 2)))


def _pad_constant(tensor: LazyTensor, widths: tuple[tuple[int, int], ...], constant_values: Any = 0) -> LazyTensor:
    constants = _pairs(constant_values, tensor.ndim, "constant_values")
    first = constants[0][0] if constants else 0
    if all(value == first for pair in constants for value in pair):
        return apply(Pad(widths, "constant", first), tensor)
    # Pad axis after axis: the values of later axes fill the corners, as in numpy.
    for axis, (pair, values) in enumerate(zip(widths, constants, strict=True)):
        for side, (width, value) in enumerate(zip(pair, values, strict=True)):
            border = [(0, 0)] * tensor.ndim
            border[axis] = (width, 0) if side == 0 else (0, width)
            tensor = apply(Pad(tuple(border), "constant", value), tensor)
    return tensor


def _pad_repeating(
    tensor: LazyTensor, widths: tuple[tuple[int, int], ...], mode: Any, options: dict[str, Any]
) -> LazyTensor:
    known = {"reflect_type"} if mode in ("reflect", "symmetric") else set()
    if options.get("reflect_type", "even") != "even" or set(options) - known:
        raise ParameterError(
            f"unsupported keyword arguments for mode {mode!r}: {options}; expected reflect_type='even' or none"
        )
    choose = take_in_order if is_given_in_fortran_order(tensor) else take
    for axis, width in enumerate(widths):
        if width != (0, 0):
            if not tensor.shape[axis]:
                raise ParameterError(
                    f"can't extend empty axis {axis} using modes other than 'constant' or 'empty': pad was given mode"
                    f" {mode!r} for shape {tensor.shape}"
                )
            # Padding the positions with numpy gives for each element of the result its position in the operand.
            positions = np.pad(np.arange(tensor.shape[axis]), width, mode=mode)
            tensor = choose(tensor, positions, axis)
    return tensor
