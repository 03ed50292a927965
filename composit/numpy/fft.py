"""numpy.fft on tensors. One operation, `FourierTransform`, is the transform along one axis; all functions use it.

Defaults of n, s and axes are filled in here; wrong and deprecated arguments are left to numpy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, SupportsIndex, TypeAlias

import numpy as np

from composit.apply import apply
from composit.errors import NoRuleError, ParameterError
from composit.numpy.arguments.normalizing import (
    AxesLike,
    TensorLike,
    handle_of,
    integer,
    normalize_axis,
    normalize_shape,
)
from composit.numpy.calls.declarations import rule_for
from composit.numpy.creation.from_nothing import arange
from composit.numpy.elementwise.table import conjugate, multiply
from composit.numpy.manipulation.joining import concatenate
from composit.numpy.rearranging.flips_and_repeats import roll
from composit.operation import Array, Dtype, Operation, OperationKind, Results, TensorType, VjpContext, tensor_type

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

__all__ = [
    "fft",
    "fft2",
    "fftfreq",
    "fftn",
    "fftshift",
    "hfft",
    "ifft",
    "ifft2",
    "ifftn",
    "ifftshift",
    "ihfft",
    "irfft",
    "irfft2",
    "irfftn",
    "rfft",
    "rfft2",
    "rfftfreq",
    "rfftn",
]

Normalization: TypeAlias = str | None
Lengths: TypeAlias = Sequence[SupportsIndex] | None

_OPPOSITE = {None: "forward", "backward": "forward", "forward": "backward", "ortho": "ortho"}
_TRANSFORMS: dict[str, Callable[..., Any]] = {
    "fft": np.fft.fft,
    "ifft": np.fft.ifft,
    "rfft": np.fft.rfft,
    "irfft": np.fft.irfft,
}


@dataclass(frozen=True, slots=True)
class FourierTransform(Operation):
    """The discrete Fourier transform along one axis: complex, its inverse, or from or to real elements.

    length:      the number of points; the operand is cut or padded with zeros to it
    scaling:     the direction in which the result is divided by the length: "backward" the inverse, "forward" the
                 other; "ortho" divides both by its square root
    Dtype:       complex, or real for irfft, of the precision of the elements and a Python float
    Derivative:  the transform of g, since its matrix is symmetric; for irfft the rfft of g
    Reference:   https://numpy.org/doc/stable/reference/routines.fft.html
    """

    function: Literal["fft", "ifft", "rfft", "irfft"]
    length: int
    axis: int
    scaling: str
    kind = OperationKind.FUNCTION

    @property
    def name(self) -> str:
        return self.function

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        (x,) = operand_types
        if x.dtype.kind not in "biufc" or (self.function == "rfft" and x.dtype.kind == "c"):
            raise NoRuleError(f"{self.function}: no rule for dtype {x.dtype}")
        dtype: Dtype = np.result_type(x.dtype, 1j)
        if self.function == "irfft":
            dtype = np.empty((), dtype).real.dtype if x.dtype.kind == "c" else np.result_type(x.dtype, 1.0)
        length = self.length // 2 + 1 if self.function == "rfft" else self.length
        return (tensor_type((*x.shape[: self.axis], length, *x.shape[self.axis + 1 :]), dtype),)

    def cost(self, operand_types: Sequence[TensorType], result_types: Sequence[TensorType]) -> int:
        return max(1, result_types[0].size * self.length.bit_length())

    def evaluate(self, *operands: Array) -> Results:
        return self.evaluator()(*operands)

    def evaluator(self) -> Callable[..., Results]:
        return partial(_TRANSFORMS[self.function], n=self.length, axis=self.axis, norm=self.scaling)

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        xp = context.xp
        (g,), given = context.cotangents, xp.shape(context.operands[0])[self.axis]
        if self.function == "irfft":
            return [_fitted(xp, self._of_half_spectrum(xp, g), given, self.axis)]
        # g of rfft is the first half of the spectrum; the transform pads it with zeros.
        transform = xp.fft.ifft if self.function == "ifft" else xp.fft.fft
        result = transform(g, n=self.length, axis=self.axis, norm=self.scaling)
        if context.operands[0].dtype.kind != "c":
            result = xp.real(result)
        return [_fitted(xp, result, given, self.axis)]

    def _of_half_spectrum(self, xp: Any, g: Any) -> Any:
        """Return the cotangent of irfft's operand: all elements count twice, except the first and the middle one."""
        spectrum = xp.conjugate(xp.fft.rfft(g, n=self.length, axis=self.axis, norm=_OPPOSITE[self.scaling]))
        before = (slice(None),) * self.axis
        alone = 1 + (self.length % 2 == 0 and self.length > 1)
        count = self.length // 2 + 1
        first, last = spectrum[(*before, slice(0, 1))], spectrum[(*before, slice(count - alone + 1, count))]
        twice = 2 * spectrum[(*before, slice(1, count - alone + 1))]
        return xp.concatenate([first, twice, last], axis=self.axis)


def _fitted(xp: Any, x: Any, length: int, axis: int) -> Any:
    """Return x cut, or padded with zeros, to a length along the axis."""
    found = xp.shape(x)[axis]
    if found > length:
        return x[((slice(None),) * axis) + (slice(0, length),)]
    widths = [(0, 0)] * xp.ndim(x)
    widths[axis] = (0, length - found)
    return xp.pad(x, widths) if found < length else x


def _transform(
    function: Any, a: TensorLike, n: SupportsIndex | None, axis: SupportsIndex, norm: Normalization
) -> LazyTensor:
    tensor = handle_of(a)
    position = normalize_axis(axis, tensor.ndim)
    given = tensor.shape[position]
    length = (2 * (given - 1) if function == "irfft" else given) if n is None else integer(n)
    if length < 1:
        raise ParameterError(
            f"Invalid number of FFT data points ({length}) specified.: {function} was given n={n} and shape"
            f" {tensor.shape}; at least one point is needed along axis {position}"
        )
    return apply(FourierTransform(function, length, position, _scaling(norm)), tensor)


def _scaling(norm: Normalization) -> str:
    if norm not in _OPPOSITE:
        raise ParameterError(
            f'Invalid norm value {norm}; should be "backward","ortho" or "forward".: it says which way is divided by the'
            " number of points"
        )
    return norm or "backward"


@rule_for(np.fft.fft)
def fft(
    a: TensorLike, n: SupportsIndex | None = None, axis: SupportsIndex = -1, norm: Normalization = None
) -> LazyTensor:
    """Return the discrete Fourier transform along an axis. See np.fft.fft."""
    return _transform("fft", a, n, axis, norm)


@rule_for(np.fft.ifft)
def ifft(
    a: TensorLike, n: SupportsIndex | None = None, axis: SupportsIndex = -1, norm: Normalization = None
) -> LazyTensor:
    """Return the inverse transform along an axis. See np.fft.ifft."""
    return _transform("ifft", a, n, axis, norm)


@rule_for(np.fft.rfft)
def rfft(
    a: TensorLike, n: SupportsIndex | None = None, axis: SupportsIndex = -1, norm: Normalization = None
) -> LazyTensor:
    """Return the first half of the transform of real elements along an axis. See np.fft.rfft."""
    return _transform("rfft", a, n, axis, norm)


@rule_for(np.fft.irfft)
def irfft(
    a: TensorLike, n: SupportsIndex | None = None, axis: SupportsIndex = -1, norm: Normalization = None
) -> LazyTensor:
    """Return the real elements whose rfft is given. See np.fft.irfft."""
    return _transform("irfft", a, n, axis, norm)


@rule_for(np.fft.hfft)
def hfft(
    a: TensorLike, n: SupportsIndex | None = None, axis: SupportsIndex = -1, norm: Normalization = None
) -> LazyTensor:
    """Return the real transform of a Hermitian signal, given by its first half. See np.fft.hfft."""
    return _transform("irfft", conjugate(a), n, axis, _OPPOSITE[_scaling(norm)])


@rule_for(np.fft.ihfft)
def ihfft(
    a: TensorLike, n: SupportsIndex | None = None, axis: SupportsIndex = -1, norm: Normalization = None
) -> LazyTensor:
    """Return the first half of the Hermitian signal with a real spectrum. See np.fft.ihfft."""
    return conjugate(_transform("rfft", a, n, axis, _OPPOSITE[_scaling(norm)]))


def _axes_and_lengths(tensor: LazyTensor, s: Lengths, axes: AxesLike | None) -> tuple[list[int], list[int | None]]:
    """Return the axes, and for each the length asked for, or None for the default."""
    if s is not None and axes is None:
        raise NoRuleError("axes: lengths without axes, of which numpy warns")
    if isinstance(axes, SupportsIndex) or not tensor.ndim:
        raise NoRuleError(f"axes: no rule for {axes!r} of rank {tensor.ndim}")
    chosen = [normalize_axis(axis, tensor.ndim) for axis in (range(tensor.ndim) if axes is None else axes)]
    if len(set(chosen)) != len(chosen):
        raise NoRuleError("axes: an axis is listed twice, with two lengths")
    if s is None:
        return chosen, [None] * len(chosen)
    lengths = list(s)
    if None in lengths:
        raise NoRuleError("s: a length of None, of which numpy warns")
    if len(lengths) != len(chosen):
        raise ParameterError(
            f"Shape and axes have different lengths.: s={lengths} and axes={chosen} were given; each axis has a length"
        )
    found = [integer(length) for length in lengths]
    return chosen, [tensor.shape[axis] if length == -1 else length for axis, length in zip(chosen, found, strict=True)]


def _transform_all(function: Any, a: TensorLike, s: Lengths, axes: AxesLike | None, norm: Normalization) -> LazyTensor:
    """Return the transform along each axis, beginning with the last."""
    result = handle_of(a)
    for axis, length in reversed(list(zip(*_axes_and_lengths(result, s, axes), strict=True))):
        result = _transform(function, result, length, axis, norm)
    return result


@rule_for(np.fft.fftn)
def fftn(a: TensorLike, s: Lengths = None, axes: AxesLike | None = None, norm: Normalization = None) -> LazyTensor:
    """Return the transform along several axes. See np.fft.fftn."""
    return _transform_all("fft", a, s, axes, norm)


@rule_for(np.fft.ifftn)
def ifftn(a: TensorLike, s: Lengths = None, axes: AxesLike | None = None, norm: Normalization = None) -> LazyTensor:
    """Return the inverse transform along several axes. See np.fft.ifftn."""
    return _transform_all("ifft", a, s, axes, norm)


@rule_for(np.fft.fft2)
def fft2(a: TensorLike, s: Lengths = None, axes: AxesLike | None = (-2, -1), norm: Normalization = None) -> LazyTensor:
    """Return the transform along two axes. See np.fft.fft2."""
    return _transform_all("fft", a, s, axes, norm)


@rule_for(np.fft.ifft2)
def ifft2(a: TensorLike, s: Lengths = None, axes: AxesLike | None = (-2, -1), norm: Normalization = None) -> LazyTensor:
    """Return the inverse transform along two axes. See np.fft.ifft2."""
    return _transform_all("ifft", a, s, axes, norm)


def _from_reals(a: TensorLike, s: Lengths, axes: AxesLike | None, norm: Normalization) -> LazyTensor:
    result = handle_of(a)
    chosen, lengths = _axes_and_lengths(result, s, axes)
    result = _transform("rfft", result, lengths[-1], chosen[-1], norm)
    for axis, length in reversed(list(zip(chosen[:-1], lengths[:-1], strict=True))):
        result = _transform("fft", result, length, axis, norm)
    return result


@rule_for(np.fft.rfftn)
def rfftn(a: TensorLike, s: Lengths = None, axes: AxesLike | None = None, norm: Normalization = None) -> LazyTensor:
    """Return the transform of real elements along several axes: half of it along the last. See np.fft.rfftn."""
    return _from_reals(a, s, axes, norm)


@rule_for(np.fft.rfft2)
def rfft2(a: TensorLike, s: Lengths = None, axes: AxesLike | None = (-2, -1), norm: Normalization = None) -> LazyTensor:
    """Return the transform of real elements along two axes: half of it along the last. See np.fft.rfft2."""
    return _from_reals(a, s, axes, norm)


def _to_reals(a: TensorLike, s: Lengths, axes: AxesLike | None, norm: Normalization) -> LazyTensor:
    result = handle_of(a)
    chosen, lengths = _axes_and_lengths(result, s, axes)
    for axis, length in zip(chosen[:-1], lengths[:-1], strict=True):
        result = _transform("ifft", result, length, axis, norm)
    return _transform("irfft", result, lengths[-1], chosen[-1], norm)


@rule_for(np.fft.irfftn)
def irfftn(a: TensorLike, s: Lengths = None, axes: AxesLike | None = None, norm: Normalization = None) -> LazyTensor:
    """Return the real elements of a half spectrum over several axes. See np.fft.irfftn."""
    return _to_reals(a, s, axes, norm)


@rule_for(np.fft.irfft2)
def irfft2(
    a: TensorLike, s: Lengths = None, axes: AxesLike | None = (-2, -1), norm: Normalization = None
) -> LazyTensor:
    """Return the real elements of a half spectrum over two axes. See np.fft.irfft2."""
    return _to_reals(a, s, axes, norm)


def _shifted(x: TensorLike, axes: AxesLike | None, sign: int) -> LazyTensor:
    tensor = handle_of(x)
    chosen: Sequence[SupportsIndex] = range(tensor.ndim) if axes is None else _sequence(axes)
    positions = tuple(normalize_axis(axis, tensor.ndim) for axis in chosen)
    shifts = tuple(sign * (tensor.shape[axis] // 2) for axis in positions)
    return roll(tensor, shifts, positions)


def _sequence(axes: AxesLike) -> Sequence[SupportsIndex]:
    return (axes,) if isinstance(axes, SupportsIndex) else tuple(axes)


@rule_for(np.fft.fftshift)
def fftshift(x: TensorLike, axes: AxesLike | None = None) -> LazyTensor:
    """Return the elements with frequency 0 moved to the middle. See np.fft.fftshift."""
    return _shifted(x, axes, 1)


@rule_for(np.fft.ifftshift)
def ifftshift(x: TensorLike, axes: AxesLike | None = None) -> LazyTensor:
    """Return the elements with the middle moved back to frequency 0. See np.fft.ifftshift."""
    return _shifted(x, axes, -1)


def _spacing(n: SupportsIndex, d: Any, device: Literal["cpu"] | None) -> Any:  # Any: a number, or a lazy one as `d`
    if not isinstance(n, int | np.integer) or device not in (None, "cpu"):
        raise NoRuleError(f"frequencies: no rule for n={n!r} on device {device!r}")
    return 1.0 / (n * d)


@rule_for(np.fft.fftfreq)
def fftfreq(n: int, d: Any = 1.0, device: Literal["cpu"] | None = None) -> LazyTensor:
    """Return the frequencies of a transform of n points at distance d. See np.fft.fftfreq."""
    spacing = _spacing(n, d, device)
    (count,) = normalize_shape(n)
    counts = [arange(0, (count - 1) // 2 + 1, dtype=int), arange(-(count // 2), 0, dtype=int)]
    return multiply(concatenate(counts), spacing)


@rule_for(np.fft.rfftfreq)
def rfftfreq(n: int, d: Any = 1.0, device: Literal["cpu"] | None = None) -> LazyTensor:
    """Return the frequencies of a transform of n real points at distance d. See np.fft.rfftfreq."""
    spacing = _spacing(n, d, device)
    return multiply(arange(0, n // 2 + 1, dtype=int), spacing)
