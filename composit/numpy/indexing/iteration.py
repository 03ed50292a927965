"""numpy's iterators over arrays: `nditer` and `nested_iters`.

They return numpy's own arrays, views of memory that is held while the iterator lives. Tensors that they write to show
that memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from composit.apply import input_of
from composit.containers import flatten
from composit.guards import read_value
from composit.handle import TensorHandle
from composit.numpy.arguments.signatures import signature_of
from composit.numpy.views.live_memory import LiveMemory, hold, memory_of, release
from composit.numpy.views.writes import is_writable

__all__ = ["nditer", "nested_iters"]

# Any, everywhere here: what numpy's iterators take and return.


def _fact(descriptor: Any) -> property:
    """Return a property that reads the attribute of numpy's own iterator."""

    def get(self: nditer) -> object:
        return descriptor.__get__(self._numpys)

    def set_to(self: nditer, value: Any) -> None:
        descriptor.__set__(self._numpys, value)

    def delete(self: nditer) -> None:
        descriptor.__delete__(self._numpys)

    return property(get, set_to, delete)


class _Operands:
    """The operands of an iterator as arrays, whose memory is held while the iterator lives.

    tensors: operand and array, by the id of the array
    held:    the memories that are written to
    open:    the number of iterators over them that have not been closed
    """

    __slots__ = ("arrays", "held", "open", "tensors")

    def __init__(self, op: Any, op_flags: Any) -> None:
        self.open = 0
        self.tensors: dict[int, tuple[Any, Any]] = {}
        self.held: list[LiveMemory] = []
        several = isinstance(op, tuple | list)
        given = list(op) if several else [op]
        written = [_is_written(op_flags, position) for position in range(len(given))]
        # Hold all targets before reading any operand, since operands may share memory.
        for operand, is_target in zip(given, written, strict=True):
            if is_target and isinstance(operand, TensorHandle) and is_writable(operand):
                self.held.append(hold(operand))
        arrays = [self._array_of(operand) for operand in given]
        self.arrays = arrays if several else arrays[0]

    def _array_of(self, operand: Any) -> Any:
        if not isinstance(operand, TensorHandle):
            handles, rebuild = flatten(operand) if isinstance(operand, list | tuple) else ([], None)
            return rebuild([read_value(handle, "nditer") for handle in handles]) if rebuild and handles else operand
        if operand.type.is_scalar:
            return np.asarray(read_value(operand, "nditer"))
        array = memory_of(operand)
        self.tensors[id(array)] = (operand, array)
        return array

    def tensor_of(self, array: Any) -> Any:
        """Return the tensor of an operand; an array that numpy allocated becomes a tensor that shows its memory."""
        if type(array) is not np.ndarray:
            return array
        known = self.tensors.get(id(array))
        if known is None:
            tensor = input_of(array.copy(order="K"))
            self.held.append(hold(tensor, array))
            known = self.tensors[id(array)] = (tensor, array)
        return known[0]

    def __del__(self) -> None:
        self.let_go()

    def let_go(self) -> None:
        """Release the memory: the tensors keep what was written, as ordinary tensors."""
        while self.held:
            release(self.held.pop())


def _is_written(op_flags: Any, position: int) -> bool:
    flags = op_flags if isinstance(op_flags, tuple | list) else ()
    if not all(isinstance(flag, str) for flag in flags):
        flags = flags[position] if position < len(flags) else ()
    return "readwrite" in flags or "writeonly" in flags


class nditer:  # numpy's name
    """numpy's iterator over several arrays at once. See np.nditer.

    The iterator returns numpy's arrays. A tensor that it writes to shows what has been written at any moment.

    Example:
        >>> import composit.numpy as np
        >>> x = np.arange(3)
        >>> for element in np.nditer(x, op_flags=["readwrite"]):
        ...     element[...] = 2 * element
        >>> x.tolist()
        [0, 2, 4]
    """

    __slots__ = ("_is_open", "_numpys", "_operands")
    __signature__ = signature_of(np.nditer)

    def __init__(self, op: Any, flags: Any = None, op_flags: Any = None, *args: Any, **kwargs: Any) -> None:
        operands = _Operands(op, op_flags)
        try:
            self._follow(np.nditer(operands.arrays, flags, op_flags, *args, **kwargs), operands)
        except BaseException:
            operands.let_go()
            raise

    def _follow(self, numpys: Any, operands: _Operands) -> nditer:
        self._numpys, self._operands, self._is_open = numpys, operands, True
        operands.open += 1
        return self

    dtypes = _fact(np.nditer.dtypes)
    finished = _fact(np.nditer.finished)
    has_delayed_bufalloc = _fact(np.nditer.has_delayed_bufalloc)
    has_index = _fact(np.nditer.has_index)
    has_multi_index = _fact(np.nditer.has_multi_index)
    index = _fact(np.nditer.index)
    iterationneedsapi = _fact(np.nditer.iterationneedsapi)
    iterindex = _fact(np.nditer.iterindex)
    iterrange = _fact(np.nditer.iterrange)
    itersize = _fact(np.nditer.itersize)
    itviews = _fact(np.nditer.itviews)
    multi_index = _fact(np.nditer.multi_index)
    ndim = _fact(np.nditer.ndim)
    nop = _fact(np.nditer.nop)
    shape = _fact(np.nditer.shape)
    value = _fact(np.nditer.value)

    @property
    def operands(self) -> tuple[Any, ...]:
        """The operands as tensors; those that numpy allocated show what has been written to them."""
        return tuple(self._operands.tensor_of(array) for array in self._numpys.operands)

    def __iter__(self) -> nditer:
        return self

    def __next__(self) -> Any:
        return next(self._numpys)

    def __len__(self) -> int:
        return len(self._numpys)

    def __getitem__(self, index: Any) -> Any:
        return self._numpys[index]

    def __setitem__(self, index: Any, value: Any) -> None:
        self._numpys[index] = np.asarray(value) if isinstance(value, TensorHandle) else value

    def __delitem__(self, index: Any) -> None:
        del self._numpys[index]

    def __enter__(self) -> nditer:
        self._numpys.__enter__()
        return self

    def __exit__(self, *reason: Any) -> None:
        self.close()

    def __del__(self) -> None:
        # Deleting numpy's iterator writes its buffers back, so it goes before the memory is released.
        self._numpys = None

    def __copy__(self) -> nditer:
        return self.copy()

    def close(self, /) -> None:
        """Write the buffers back and make the tensors ordinary ones again. See np.nditer.close."""
        self._numpys.close()
        self._operands.open -= self._is_open
        self._is_open = False
        if not self._operands.open:
            self._operands.let_go()

    def copy(self, /) -> nditer:
        """Return another iterator over the same operands, at the same position. See np.nditer.copy."""
        return nditer.__new__(nditer)._follow(self._numpys.copy(), self._operands)

    def debug_print(self, /) -> None:
        """Print the state of numpy's iterator. See np.nditer.debug_print."""
        self._numpys.debug_print()

    def enable_external_loop(self, /) -> None:
        """Return one-dimensional chunks in place of single elements from now on. See np.nditer.enable_external_loop."""
        self._numpys.enable_external_loop()

    def iternext(self, /) -> bool:
        """Move to the next element; return False at the end. See np.nditer.iternext."""
        return bool(self._numpys.iternext())

    def remove_axis(self, i: int, /) -> None:
        """Remove an axis from iteration. See np.nditer.remove_axis."""
        self._numpys.remove_axis(i)

    def remove_multi_index(self, /) -> None:
        """Stop tracking the multi-index. See np.nditer.remove_multi_index."""
        self._numpys.remove_multi_index()

    def reset(self, /) -> None:
        """Go back to the start. See np.nditer.reset."""
        self._numpys.reset()


def nested_iters(
    op: Any, axes: Sequence[Any], flags: Any = None, op_flags: Any = None, *args: Any, **kwargs: Any
) -> Any:
    """Return iterators for nested loops, each over some of the axes. See np.nested_iters."""
    operands = _Operands(op, op_flags)
    try:
        made = np.nested_iters(operands.arrays, axes, flags, op_flags, *args, **kwargs)
    except BaseException:
        operands.let_go()
        raise
    return tuple(nditer.__new__(nditer)._follow(one, operands) for one in made)


nested_iters.__signature__ = signature_of(np.nested_iters)  # type: ignore[attr-defined]  # for inspect
