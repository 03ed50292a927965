"""Elements of traced tensors that leave through their storages and addresses: `tensor.untyped_storage()[0]`, `tensor.data_ptr()`.

No operation reaches the dispatcher. What is read is guarded; what is written, the recorder finds when the elements are next
used (`Memory.was_written_outside`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from types import FrameType
from typing import Any

import torch

from composit.guards import Guard
from composit.source import is_internal
from flashlight.capture.active import active_recorder, paused
from flashlight.capture.handed_out import hand_out
from flashlight.capture.patches import Patch
from flashlight.capture.read_guards import withdraw
from flashlight.capture.recorder import Recorder
from flashlight.conversion import can_be_read

STORAGE = "storage"
ADDRESS = "data_ptr"
# Methods of a storage that give its elements to Python or to another storage, and methods that write to it.
_READING = ("__getitem__", "__repr__", "tolist", "clone", "_to", "to", "type", "__reduce__", "_write_file")
_WRITING = ("__setitem__", "fill_", "copy_", "byteswap", "_set_from_file")
_KIND = torch.UntypedStorage


def storage_patches() -> tuple[Patch, ...]:
    """Return the patches by which a trace sees reads and writes of storages, and addresses that leave torch."""
    return (
        Patch(torch.Tensor, "untyped_storage", _of_tensor),
        *(Patch(_KIND, name, _touching) for name in (*_READING, *_WRITING)),
        Patch(torch._C.PyTorchFileWriter, "write_record", _saving),
        *(Patch(torch.Tensor, name, _address_of_tensor) for name in ("data_ptr", "const_data_ptr")),
        Patch(_KIND, "data_ptr", _address_of_storage),
    )


def _comparing(compare: Callable[[int, Any], Any]) -> Callable[[Address, object], Any]:
    """Return a comparison of two addresses, which says which memory they are and withdraws both guards."""

    @wraps(compare)
    def method(address: Address, other: object) -> Any:
        if isinstance(other, Address):
            address.withdraw()
            other.withdraw()
        return compare(address, other)

    return method


class Address(int):
    """An address of elements that were guarded, since C code or ctypes may read there.

    One that is compared with another address, or is a key, says which memory a tensor has. Then its guard is withdrawn.
    """

    guards: tuple[Guard, ...]

    def __new__(cls, value: int, guards: tuple[Guard, ...]) -> Address:
        """Make an address. guards: of the reads that it makes possible"""
        made = super().__new__(cls, value)
        made.guards = guards
        return made

    def withdraw(self) -> None:
        """Take the guards back."""
        for guard in self.guards:
            withdraw(guard)

    def __hash__(self) -> int:
        """Return the hash of the number."""
        self.withdraw()
        return super().__hash__()

    def __mod__(self, other: int) -> int:
        """Return the distance from a multiple, which says how elements are aligned."""
        self.withdraw()
        return super().__mod__(other)

    __eq__ = _comparing(int.__eq__)
    __ne__ = _comparing(int.__ne__)
    __lt__ = _comparing(int.__lt__)
    __le__ = _comparing(int.__le__)
    __gt__ = _comparing(int.__gt__)
    __ge__ = _comparing(int.__ge__)


def _of_tensor(original: Callable[[torch.Tensor], Any]) -> Callable[[torch.Tensor], Any]:
    @wraps(original)
    def untyped_storage(tensor: torch.Tensor) -> Any:
        recorder = _recorder()
        if recorder is not None:
            _meet(recorder, tensor)
        return original(tensor)

    return untyped_storage


def _touching(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def touch(storage: torch.UntypedStorage, *args: Any, **kwargs: Any) -> Any:
        recorder = _recorder()
        if recorder is None:
            return original(storage, *args, **kwargs)
        for each in (storage, *args):
            if isinstance(each, _KIND):
                hand_out(recorder, each, STORAGE)
        with paused(recorder):
            return original(storage, *args, **kwargs)

    return touch


def _saving(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def write_record(writer: Any, name: str, data: Any, *args: Any) -> Any:
        recorder = _recorder()
        if recorder is not None and isinstance(data, _KIND):
            hand_out(recorder, data, STORAGE)
        return original(writer, name, data, *args)

    return write_record


def _address_of_tensor(original: Callable[[torch.Tensor], int]) -> Callable[[torch.Tensor], int]:
    @wraps(original)
    def data_ptr(tensor: torch.Tensor) -> int:
        recorder = _recorder()
        if recorder is None or _is_of_torch(sys._getframe(1)):
            return original(tensor)
        if not can_be_read(tensor):
            return original(tensor)
        _meet(recorder, tensor)
        return _handed_out(recorder, original(tensor), torch._C.TensorBase.untyped_storage(tensor))

    return data_ptr


def _address_of_storage(original: Callable[[torch.UntypedStorage], int]) -> Callable[[torch.UntypedStorage], int]:
    @wraps(original)
    def data_ptr(storage: torch.UntypedStorage) -> int:
        recorder = _recorder()
        if recorder is None or _is_of_torch(sys._getframe(1)):
            return original(storage)
        return _handed_out(recorder, original(storage), storage)

    return data_ptr


def _recorder() -> Recorder | None:
    recorder = active_recorder()
    return None if recorder is None or recorder.is_paused else recorder


def _is_of_torch(frame: FrameType) -> bool:
    """Return whether torch asks for itself, which compares addresses. Its TypedStorage asks for its user."""
    return is_internal(frame.f_code) and frame.f_code.co_filename != torch.storage.__file__


def _meet(recorder: Recorder, tensor: torch.Tensor) -> None:
    """Have the recorder know a tensor whose storage or address leaves, so that reads of its elements are found from it."""
    if can_be_read(tensor):
        recorder.lazy_of(tensor)


def _handed_out(recorder: Recorder, address: int, storage: torch.UntypedStorage) -> int:
    guards = hand_out(recorder, storage, ADDRESS)
    return Address(address, guards) if guards else address
