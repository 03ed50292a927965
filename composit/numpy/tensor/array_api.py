"""The names that only the Array API standard has: `__array_namespace__`, astype, DLPack (exchange of memory).

Its other names are numpy's, and are in the files of these functions.
Reference: https://data-apis.org/array-api/2024.12/
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from composit.errors import CompositError, ExchangeError, NoRuleError
from composit.guards import read_value
from composit.handle import TensorHandle, described
from composit.numpy.calls.declarations import rule_for
from composit.numpy.creation.from_values import asarray
from composit.numpy.views.writes import is_writable

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

__all__ = ["__array_namespace_info__", "astype", "from_dlpack"]

# numpy's own answer: the dtypes and the one device are numpy's.
__array_namespace_info__ = np.__array_namespace_info__

_NAMESPACE = "composit.numpy"


class ArrayApi(TensorHandle):
    """The methods of the standard that numpy's arrays have besides operators."""

    __slots__ = ()

    # Any: numpy checks the version, and its error lists those that it knows.
    def __array_namespace__(self, /, *, api_version: Any = None) -> ModuleType:
        """Return composit.numpy. See np.ndarray.__array_namespace__.

        Raises:  ValueError: numpy does not support this version of the standard
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
        """Return a capsule with the value, computed now: a copy, or with copy=False the memory itself, read-only.

        The capsule of a read-only array says so. A consumer that cannot be told so is refused, as in numpy.

        Raises:  ExchangeError: the consumer cannot take the dtype or read-only memory, or gave a stream
        """
        value = np.asarray(read_value(self, "dlpack"))
        shared = value if copy is False else np.array(value, order="K", copy=True)
        if copy is None and not self._type.is_scalar:
            shared.flags.writeable = is_writable(self)
        with _explained("__dlpack__", self):
            return shared.__dlpack__(stream=stream, max_version=max_version, dl_device=dl_device, copy=copy)

    def __dlpack_device__(self) -> tuple[int, int]:
        """Return the device number of the CPU. See np.ndarray.__dlpack_device__."""
        return np.empty(0).__dlpack_device__()


@contextmanager
def _explained(asked: str, subject: Any) -> Iterator[None]:  # Any: whose memory it is
    """Add to an error what may be exchanged, and what to do."""
    try:
        yield
    except CompositError:
        raise
    except (BufferError, RuntimeError) as error:
        raise ExchangeError(
            f"{asked}: {described(subject)!s:.60} cannot be exchanged; expected numbers in dense memory of the CPU, of a dtype that numpy "
            "has, and no stream; convert them first: astype here, in torch detach(), cpu(), float(), to_dense() or resolve_conj(). The "
            f"owner of the memory says: {error}"
        ) from error


@rule_for(np.astype)
def astype(x: Any, dtype: Any, /, *, copy: bool = True, device: Any = None) -> LazyTensor:
    """Return a tensor in another dtype; with copy=False the tensor itself if it has that dtype. See np.astype."""
    if not isinstance(x, TensorHandle) or device not in (None, "cpu"):
        raise NoRuleError(f"astype: {described(x):.60} on device {device!r}; a tensor on the CPU has a rule")
    converted: LazyTensor = x.astype(dtype, copy=copy)
    return converted


@rule_for(np.from_dlpack)
def from_dlpack(x: Any, /, *, device: Any = None, copy: bool | None = None) -> Any:
    """Return a tensor with the elements of an object that supports DLPack; for a tensor, a view. See np.from_dlpack.

    copy: False shares the memory: what its owner writes to it later is what the tensor then stands for

    Raises:  ExchangeError: the owner does not share such memory: with a gradient, on another device, of a dtype that DLPack has not
    """
    if not isinstance(x, TensorHandle):
        with _explained("from_dlpack", x):
            # Copied by default, since the owner may still write to the memory, even if numpy shows it as read-only.
            array = np.from_dlpack(x, device=device, copy=False if copy is False else None)
        return asarray(array, copy=copy is not False)
    # This call raises numpy's errors for wrong devices and dtypes.
    np.from_dlpack(np.empty((0,) * x.ndim, x.dtype), device=device)
    return x.copy() if copy else x.view()
