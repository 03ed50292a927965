"""Builtin functions of Python that call compiled code: the shortest way from `model(x)` to the machine code.

A builtin function is made of `builtin.c`, which is compiled with the runtime library, by CPython's stable ABI; the
functions of Python and numpy that it needs are found in the process, so that no header of either is needed. A call
costs 0.2 us, where the foreign function interface with a Python function around it costs 1 us.

Known weakness: it relies on where CPython and numpy keep an array's fields (see array_layout).
"""

import ctypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np

from composit.errors import InternalError
from mosaic.runtime.arguments import Signature
from mosaic.runtime.array_layout import input_types
from mosaic.runtime.call_memory import CallMemory
from mosaic.runtime.interrupts import listener
from mosaic.runtime.library import foreign_interface
from mosaic.runtime.outputs import output_maker, recycles
from mosaic.runtime.threads import runtime_library

Run = Callable[[Any], Any]  # of a tuple of arrays

MOST_ARRAYS: Final = 32
MOST_STATUS: Final = 32
"""As in builtin.c: its tables are on the stack."""

_PYTHON_FUNCTIONS: Final = {
    "tuple_item": "PyTuple_GetItem",
    "tuple_size": "PyTuple_Size",
    "as_pointer": "PyLong_AsVoidPtr",
    "call_with": "PyObject_CallObject",
    "new_tuple": "PyTuple_New",
    "set_tuple_item": "PyTuple_SetItem",
    "new_list": "PyList_New",
    "set_list_item": "PyList_SetItem",
    "leave": "PyEval_SaveThread",
    "enter": "PyEval_RestoreThread",
    "hold": "Py_IncRef",
    "drop": "Py_DecRef",
}
"""Fields of struct mosaic_python and the functions of CPython's stable ABI behind them."""

_NUMPY_FUNCTIONS: Final = {"empty_array": 184, "as_returned": 76}
_NUMPY_ARRAY_CLASS: Final = 2
"""Entries of numpy's table of functions: PyArray_Empty, PyArray_Return and PyArray_Type, as in its public headers."""


@dataclass(frozen=True, slots=True)
class Code:
    """What a builtin function runs: a function of generated code with its constants and its threads.

    owners: what must live as long as the function
    """

    function: Any
    constants: Any
    runtime: Any
    owners: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Fallbacks:
    """Python functions of a tuple of arrays for calls that do not fit at once."""

    run: Callable[[Sequence[Any]], Any]
    run_single: Callable[[Sequence[Any]], Any]


def builtin_functions(signature: Signature, code: Code, memory: CallMemory, fallbacks: Fallbacks) -> tuple[Run, Run]:
    """Two functions of a tuple of arrays: one returns the list of results, the other the only result."""
    interface = foreign_interface()
    types, makers = input_types(signature.inputs), []
    results = interface.new("struct mosaic_result[]", max(len(signature.outputs), 1))
    outputs = input_types(signature.outputs)
    for position, one in enumerate(signature.results):
        entry, described = results[position], outputs.table[position]
        entry.dtype, entry.shape, entry.ndim = interface.cast("void *", id(one.dtype)), described.shape, described.ndim
        entry.is_scalar = bool(getattr(one, "is_scalar", False))
        order = signature.order(position)
        entry.is_fortran = order is not None and order == tuple(reversed(range(len(one.shape))))
        if recycles(one) or (order is not None and not entry.is_fortran):
            makers.append(output_maker(one, memory.blocks, order))
            entry.maker = interface.cast("void *", id(makers[-1]))
    python = _python()
    builtin = interface.new("struct mosaic_builtin *")
    builtin.python, builtin.run, builtin.input_types, builtin.results = python, code.function, types.table, results
    builtin.num_inputs, builtin.num_outputs = len(signature.inputs), len(signature.results)
    builtin.num_status = signature.num_status
    builtin.constants, builtin.runtime = code.constants, code.runtime
    builtin.fallback = interface.cast("void *", id(fallbacks.run))
    builtin.single_fallback = interface.cast("void *", id(fallbacks.run_single))
    builtin.arenas, make_arena, stop = memory.in_c, memory.make_arena, listener().stop
    if signature.arena_bytes:
        builtin.arena_maker = interface.cast("void *", id(make_arena))
    builtin.hear, builtin.stopper = listener().callback, interface.cast("void *", id(stop))
    address = int(interface.cast("intptr_t", builtin))
    # What C points to lives as long as the builtin function, which holds this tuple.
    owned = (address, builtin, types, outputs, results, tuple(makers), fallbacks, code, make_arena, stop, memory)
    return _new_function(0, owned), _new_function(1, owned)


def _new_function(number: int, owned: tuple[Any, ...]) -> Run:
    method = runtime_library().function(
        "const void *mosaic_builtin_method(const struct mosaic_python *python, int number)", "mosaic_builtin_method"
    )
    definition = int(foreign_interface().cast("intptr_t", method(_python(), number)))
    new = ctypes.pythonapi.PyCFunction_NewEx
    new.restype, new.argtypes = ctypes.py_object, (ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p)
    made: Run = new(definition, owned, None)
    return made


@lru_cache(maxsize=1)
def _python() -> Any:
    """The struct mosaic_python of the process.

    Raises: InternalError: numpy's table of functions is not the one that its headers describe
    """
    interface = foreign_interface()
    python = interface.new("struct mosaic_python *")
    for field, name in _PYTHON_FUNCTIONS.items():
        address = ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value
        setattr(python, field, interface.cast(interface.typeof(getattr(python, field)), address))
    get_pointer = ctypes.pythonapi.PyCapsule_GetPointer
    get_pointer.restype, get_pointer.argtypes = ctypes.c_void_p, (ctypes.py_object, ctypes.c_char_p)
    table = interface.cast("void **", get_pointer(np._core._multiarray_umath._ARRAY_API, None))  # type: ignore[attr-defined]  # not in the stubs
    if int(interface.cast("intptr_t", table[_NUMPY_ARRAY_CLASS])) != id(np.ndarray):
        raise InternalError(
            f"call: numpy {np.__version__} has another class than ndarray at place {_NUMPY_ARRAY_CLASS} of its table of "
            "functions; compiled code needs numpy 2; use another backend with this numpy"
        )
    for field, place in _NUMPY_FUNCTIONS.items():
        setattr(python, field, interface.cast(interface.typeof(getattr(python, field)), table[place]))
    python.array_class, python.tuple_class = (
        interface.cast("void *", id(np.ndarray)),
        interface.cast("void *", id(tuple)),
    )
    python.head_bytes = object.__basicsize__
    return python
