"""ndarray's attributes on tensors: layout (strides, flags, base), and views (T, real, imag, flat).

Setting `shape`, `dtype` or `strides` changes how the tensor shows its memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np

from composit.guards import read_value
from composit.handle import TensorHandle, described, reinterpret
from composit.numpy.assignment.flat_iterator import FlatIterator, set_flat
from composit.numpy.elementwise import composites
from composit.numpy.indexing.strided_views import set_strides
from composit.numpy.manipulation import reshaping
from composit.numpy.manipulation.reinterpreting import viewed_as
from composit.numpy.manipulation.reshaping import Reshape
from composit.numpy.tensor.array_flags import Flags, set_flags
from composit.numpy.views.layout import stand_in_of, strides_of
from composit.numpy.views.view_operations import ViewAs
from composit.numpy.views.writes import base_of, writing_to
from composit.operation import Dtype, Shape

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor


def _check_settable(tensor: TensorHandle, name: str) -> None:
    if tensor._type.is_scalar:
        raise AttributeError(
            f"attribute {name!r} of 'numpy.generic' objects is not writable: {described(tensor)} is a scalar, which never"
            " changes; make an array of it with asarray"
        )


def _as_array(values: Any) -> Any:
    # numpy casts an array of complex numbers to real ones with a warning, and refuses a complex number.
    return values if hasattr(values, "__lazy_tensor__") else np.asarray(values)


class ArrayAttributes(TensorHandle):
    """ndarray's attributes. `size`, `ndim`, `nbytes` and `itemsize` are defined in TensorHandle."""

    __slots__ = ()

    @property
    def shape(self) -> Shape:
        """The lengths of the axes; setting them reshapes the tensor itself."""
        return self._type.shape

    @shape.setter
    def shape(self, lengths: Any) -> None:
        _check_settable(self, "shape")
        probe: Any = stand_in_of(self)  # Any: numpy types its attributes as read-only
        probe.shape = lengths
        if probe.shape != self._type.shape:
            with writing_to(self):
                reinterpret(self, Reshape(probe.shape), reshaping.reshape(self, probe.shape))

    @property
    def dtype(self) -> Dtype:
        """The dtype. Setting it reads the same memory as another dtype."""
        return self._type.dtype

    @dtype.setter
    def dtype(self, dtype: Any) -> None:
        _check_settable(self, "dtype")
        probe: Any = stand_in_of(self)  # Any: as in shape
        probe.dtype = dtype
        if probe.dtype != self._type.dtype or probe.shape != self._type.shape:
            with writing_to(self):
                reinterpret(self, ViewAs(probe.dtype), viewed_as(self, probe.dtype))

    @property
    def strides(self) -> tuple[int, ...]:
        """The bytes from one element to the next along each axis, in numpy's layout of the array."""
        return strides_of(self)

    @strides.setter
    def strides(self, strides: Any) -> None:
        _check_settable(self, "strides")
        set_strides(self, strides)

    @property
    def flags(self) -> Flags:
        """The flags of the array's memory, as numpy would set them. See np.ndarray.flags."""
        return Flags(self)

    def setflags(self, /, write: Any = None, align: Any = None, uic: Any = None) -> None:
        """Set flags. See np.ndarray.setflags."""
        set_flags(self, write, align, uic)

    @property
    def base(self) -> TensorHandle | None:
        """The tensor whose memory this one shares; None if it has memory of its own."""
        return base_of(self)

    @property
    def flat(self) -> FlatIterator:
        """The elements in C order along one axis. See np.ndarray.flat."""
        return FlatIterator(self)

    @flat.setter
    def flat(self, values: Any) -> None:
        set_flat(self, values)

    @property
    def data(self) -> memoryview:
        """A copy of the value as a buffer. Writing to it does not change the tensor, unlike numpy."""
        return np.array(read_value(self, "data"), copy=True, order="K").data

    @property
    def ctypes(self) -> Any:
        """numpy's helper for ctypes, for a copy of the value that lives as long as the helper."""
        return np.array(read_value(self, "ctypes"), copy=True, order="K").ctypes

    @property
    def device(self) -> str:
        """Always "cpu"."""
        return "cpu"

    def to_device(self, device: Any, /, *, stream: Any = None) -> Self:
        """Return the tensor: there is only one device. See np.ndarray.to_device."""
        np.empty(0).to_device(device, stream=stream)
        return self

    @property
    def T(self) -> LazyTensor:
        """The tensor with its axes reversed."""
        return reshaping.transpose(self)

    @property
    def mT(self) -> LazyTensor:
        """The tensor with its last two axes swapped."""
        if self.ndim < 2:
            raise ValueError(
                f"matrix transpose with ndim < 2 is undefined: {described(self)} has {self.ndim} axes; insert one with"
                " expand_dims first"
            )
        return reshaping.matrix_transpose(self)

    @property
    def real(self) -> Any:  # Any: the tensor itself, whose class derives from this one, or another
        """The real part, a view; for real numbers the tensor itself."""
        if self.dtype.kind != "c":
            return self
        return composites.real(self)

    @real.setter
    def real(self, values: Any) -> None:
        _check_settable(self, "real")
        self.real[...] = _as_array(values)

    @property
    def imag(self) -> LazyTensor:
        """The imaginary part, a view; for real numbers zeros that are read-only."""
        if self.dtype.kind != "c":
            return self._no_imaginary_part()
        return composites.imag(self)

    @imag.setter
    def imag(self, values: Any) -> None:
        _check_settable(self, "imag")
        if self.dtype.kind != "c":
            raise TypeError(
                f"array does not have imaginary part to set: {described(self)} holds real numbers; convert it with"
                " astype(complex)"
            )
        self.imag[...] = _as_array(values)

    def _no_imaginary_part(self) -> LazyTensor:
        zeros = composites.imag(self)
        if not zeros.type.is_scalar:
            set_flags(zeros, False, None, None)
        return zeros
