"""Arrays as text, in files and in buffers: these functions need the values, so they compute at the call.

The print options are numpy's own, so that `print` of a tensor obeys them.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy import get_printoptions, printoptions, set_printoptions

from composit.errors import ParameterError
from composit.guards import from_outside
from composit.numpy.calls.declarations import without_rule

__all__ = [
    "array2string",
    "array_repr",
    "array_str",
    "asarray_chkfinite",
    "base_repr",
    "binary_repr",
    "format_float_positional",
    "format_float_scientific",
    "frombuffer",
    "fromfile",
    "fromfunction",
    "fromiter",
    "fromregex",
    "fromstring",
    "genfromtxt",
    "get_printoptions",
    "load",
    "loadtxt",
    "printoptions",
    "save",
    "savetxt",
    "savez",
    "savez_compressed",
    "set_printoptions",
]


def _showing(function: Callable[..., str]) -> Callable[..., str]:
    @wraps(function)
    def shown(*args: Any, **kwargs: Any) -> str:
        return function(*map(from_outside, args), **{name: from_outside(value) for name, value in kwargs.items()})

    return shown


array2string = without_rule(_showing(np.array2string))
array_repr = without_rule(_showing(np.array_repr))
array_str = without_rule(_showing(np.array_str))
base_repr = without_rule(np.base_repr)
binary_repr = without_rule(np.binary_repr)
format_float_positional = without_rule(np.format_float_positional)
format_float_scientific = without_rule(np.format_float_scientific)


frombuffer = without_rule(np.frombuffer)
fromfile = without_rule(np.fromfile)
fromfunction = without_rule(np.fromfunction)
fromiter = without_rule(np.fromiter)
fromregex = without_rule(np.fromregex)
fromstring = without_rule(np.fromstring)
genfromtxt = without_rule(np.genfromtxt)
loadtxt = without_rule(np.loadtxt)
savetxt = without_rule(np.savetxt)
savez = without_rule(np.savez)
savez_compressed = without_rule(np.savez_compressed)
asarray_chkfinite = without_rule(np.asarray_chkfinite)
_save_array = without_rule(np.save)
_load_array = without_rule(np.load)


def save(
    file: Any,
    arr: Any,
    *args: Any,
    inputs: Sequence[Any] | Mapping[str, Any] | None = None,
    guards: str = "check",
    metadata: Mapping[str, str] | None = None,
    **kwargs: Any,
) -> None:
    """Write an array to a .npy file, as numpy.save does; with `inputs=`, write the graph itself, for `load`.

    A file of a graph has operations, parameters, names, scopes and arrays, and no Python code: JSON in a safetensors file.

    arr:      an array; with `inputs=` a tensor, or lists, tuples and dictionaries of tensors
    inputs:   the tensors whose values a run gives: a list, or a dictionary by name. Everything else is constant
    guards:   "check" raises if Python read values while the graph was built, since a file does not compare them
    metadata: texts to keep beside the graph

    Raises:   ParameterError: an operation calls a Python function; UnreachedInputError: no output depends on an input
    Example:
        >>> import tempfile, composit as cnp
        >>> x = cnp.with_name(cnp.ones(2), "x")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     cnp.save(f"{folder}/twice.composit", {"y": x * 2}, inputs=[x])
        ...     program = cnp.load(f"{folder}/twice.composit")
        >>> program
        <LoadedProgram: x: float64[2] -> float64[2]>
        >>> cnp.evaluate(program.outputs["y"], inputs={program.inputs["x"]: np.arange(2.0)})
        array([0., 2.])
    """
    if inputs is None:
        _save_array(file, arr, *args, **kwargs)
        return
    from composit.files.saving import save_program

    if args or kwargs:
        raise ParameterError(
            f"save: {len(args)} more arguments and {', '.join(kwargs) or 'no names'} were given beside inputs=; expected guards= and"
            " metadata= only, which are for graphs; leave inputs= away to write an array"
        )
    save_program(file, arr, inputs, guards, metadata)


def load(
    file: Any,
    mmap_mode: Any = None,
    allow_pickle: bool = False,
    fix_imports: bool = True,
    encoding: str = "ASCII",
    *,
    max_header_size: int = 10000,
) -> Any:
    """Return what a file holds: arrays as numpy.load does, or the graph that `save` wrote with `inputs=`.

    A graph comes as a `LoadedProgram` with outputs, inputs by name and metadata. Nothing in the file is run.

    Raises:  FileFormatError: the file begins as a graph's does, and is cut off, changed or of a later version
    """
    if isinstance(file, str | PathLike):
        from composit.files.blocks import is_program_file
        from composit.files.saving import load_program

        if is_program_file(Path(file)):
            return load_program(file)
    return _load_array(file, mmap_mode, allow_pickle, fix_imports, encoding, max_header_size=max_header_size)
