"""ndarray's methods about memory: views, bytes, size, files."""

from __future__ import annotations

from types import GenericAlias
from typing import TYPE_CHECKING, Any

import numpy as np

from composit.apply import input_of
from composit.guards import from_outside, read_value
from composit.handle import TensorHandle, become, described
from composit.numpy.calls.fallback import call_numpy
from composit.numpy.manipulation.reinterpreting import field_at, resize_in_place, viewed_as
from composit.numpy.manipulation.reshaping import reshape
from composit.numpy.tensor.array_methods import numpys
from composit.numpy.views.writes import assign_result, writing_to
from composit.storage import root_of

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

# inspect.BufferFlags.WRITABLE. Python calls `__buffer__` from 3.12 on, which is also where that name exists.
_WRITABLE = 1


def _is_array_class(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, np.ndarray | TensorHandle)


class MemoryMethods(TensorHandle):
    """ndarray's methods that work on the bytes of the elements."""

    __slots__ = ()

    dump = numpys(np.ndarray.dump)
    dumps = numpys(np.ndarray.dumps)
    tobytes = numpys(np.ndarray.tobytes)
    tofile = numpys(np.ndarray.tofile)
    _byteswapped = numpys(np.ndarray.byteswap)

    def view(self, *args: Any, **kwargs: Any) -> Any:
        """Return a view of the whole tensor, its memory read as `dtype` if one is given. See np.ndarray.view.

        For a subclass of numpy's ndarray, return an array of that class with a copy of the value.
        """
        dtype, kind = _view_arguments(*args, **kwargs)
        if kind is not None and not issubclass(kind, TensorHandle) and kind is not np.ndarray:
            return np.array(from_outside(read_value(self, "view"))).view(*([] if dtype is None else [dtype]), type=kind)
        if dtype is not None:
            return viewed_as(self, dtype)
        return reshape(self, self.shape)

    def getfield(self, /, dtype: Any, offset: int = 0) -> LazyTensor:
        """Return part of the bytes of each element, as a view. See np.ndarray.getfield."""
        return field_at(self, dtype, offset)

    def setfield(self, val: Any, /, dtype: Any, offset: int = 0) -> None:
        """Replace part of the bytes of each element. See np.ndarray.setfield."""
        call_numpy(np.ndarray.setfield, (self, val), {"dtype": dtype, "offset": offset}, ("self",))

    def byteswap(
        self, /, inplace: bool = False
    ) -> Any:  # Any: the tensor itself, whose class derives from this one, or another
        """Return the elements with their bytes reversed; in place if asked. See np.ndarray.byteswap."""
        if not inplace:
            return self._byteswapped()
        with writing_to(self):
            assign_result(self, self._byteswapped())
        return self

    def resize(self, /, *new_shape: Any, refcheck: bool = True) -> None:
        """Change the number of elements in place; a scalar is left as it is, as in numpy. See np.ndarray.resize."""
        if not self._type.is_scalar:
            resize_in_place(self, new_shape, refcheck)

    def __buffer__(self, flags: int, /) -> memoryview:
        if flags & _WRITABLE:
            raise BufferError(
                f"buffer: memory to write to was asked of {described(self)}, which would not see what is written; give x.to_numpy(), a"
                " copy, and assign it to x[...] afterwards"
            )
        return np.asarray(self).data

    def __sizeof__(self) -> int:
        owned = self.nbytes if root_of(self) is None else 0
        # numpy's size counts a length and a stride (8 bytes each) per axis.
        return object.__sizeof__(self) + 16 * self.ndim + owned

    def __delitem__(self, index: Any, /) -> None:
        raise ValueError(
            f"cannot delete array elements: {described(index):.40} of {described(self)}; use delete, which returns a new one"
        )

    def __array_wrap__(self, array: Any, context: Any = None, return_scalar: bool = False, /) -> Any:
        if return_scalar and not np.ndim(array):
            # Only numpy calls this for a scalar, and it takes its own scalar.
            return np.asarray(array)[()]
        return array if isinstance(array, TensorHandle) else input_of(np.array(array, copy=True, order="K"))

    def __array_finalize__(self, obj: Any, /) -> None:
        """Do nothing: numpy's hook for subclasses, and tensors need none."""

    def __setstate__(self, state: Any, /) -> None:
        array = np.empty(0)
        array.__setstate__(state)
        become(self, input_of(array))

    @classmethod
    def __class_getitem__(cls, parameters: Any, /) -> GenericAlias:
        # numpy's call raises its error for a wrong number of parameters.
        return GenericAlias(cls, np.ndarray.__class_getitem__(parameters).__args__)


def _view_arguments(dtype: Any = None, type: Any = None) -> tuple[Any, Any]:  # numpy's name
    if type is None and _is_array_class(dtype):
        return None, dtype
    if type is not None and not _is_array_class(type):
        raise ValueError(f"Type must be a sub-type of ndarray type: view was given {type!r:.60}; give numpy.ndarray")
    return dtype, type
