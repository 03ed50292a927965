"""The Array API standard's own names: a tensor's namespace, what it can do, and the exchange of memory by DLPack.

All other names of the standard are numpy's, and stand with their families.
Reference: https://data-apis.org/array-api/2024.12/
May import guards, assignment, conversions, view_operations, numpy_call, handle.
"""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from composit.errors import NoRuleError
from composit.guards import read_value
from composit.handle import TensorHandle, described
from composit.numpy.calls.numpy_function import rule_for
from composit.numpy.creation.from_values import asarray
from composit.numpy.views.writes import is_writable

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

__all__ = ["__array_namespace_info__", "astype", "from_dlpack"]

# The dtypes are numpy's, and so is the one device.
__array_namespace_info__ = np.__array_namespace_info__

_NAMESPACE = "composit.numpy"


class ArrayApi(TensorHandle):
    """The methods that the standard asks for beyond numpy's operators."""

    __slots__ = ()

    # Any: numpy knows the versions by name, and says which it knows.
    def __array_namespace__(self, /, *, api_version: Any = None) -> ModuleType:
        """Return composit.numpy. See np.ndarray.__array_namespace__.

        Raises:  ValueError: numpy does not support that version of the standard
        """
        np.empty(0).__array_namespace__(api_version=api_version)
        return importlib.import_module(_NAMESPACE)

    def __dlpack__(
        self,
        /,
        *,
        stream: Any = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[Any, int] | None = None,
        copy: bool | None = None,
    ) -> object:
        """Return a capsule with the value, which is computed now: a copy, or read-only memory with copy=False.

        The copy of what is read-only is marked so, and consumers that cannot be told are refused, as by numpy's arrays.

        Raises:  BufferError: the consumer cannot take the dtype, or read-only memory; RuntimeError: a stream
        """
        value = np.asarray(read_value(self, "dlpack"))
        shared = value if copy is False else np.array(value, order="K", copy=True)
        if copy is None and not self._type.is_scalar:
            shared.flags.writeable = is_writable(self)
        return shared.__dlpack__(stream=stream, max_version=max_version, dl_device=dl_device, copy=copy)

    def __dlpack_device__(self) -> tuple[int, int]:
        """Return the number that stands for the CPU. See np.ndarray.__dlpack_device__."""
        return np.empty(0).__dlpack_device__()


@rule_for(np.astype)
def astype(x: Any, dtype: Any, /, *, copy: bool = True, device: Any = None) -> LazyTensor:
    """Return a tensor in another dtype; itself where nothing changes and copy=False. See np.astype."""
    if not isinstance(x, TensorHandle) or device not in (None, "cpu"):
        raise NoRuleError(f"astype: {described(x):.60} on device {device!r}; a tensor on the CPU has a rule")
    converted: LazyTensor = x.astype(dtype, copy=copy)
    return converted


@rule_for(np.from_dlpack)
def from_dlpack(x: Any, /, *, device: Any = None, copy: bool | None = None) -> Any:
    """Return a tensor with the elements of any object that speaks DLPack; of a tensor, a view. See np.from_dlpack."""
    if not isinstance(x, TensorHandle):
        if copy is False:
            return asarray(np.from_dlpack(x, device=device, copy=False), copy=False)
        # Memory that numpy shows as read-only may be written to by its owner all the same.
        return asarray(np.from_dlpack(x, device=device), copy=True)
    # numpy says no to devices and dtypes that cannot be exchanged.
    np.from_dlpack(np.empty((0,) * x.ndim, x.dtype), device=device)
    return x.copy() if copy else x.view()
