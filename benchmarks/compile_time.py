"""What the C compiler and our own passes take for each node, for every function that has C, beside a chain of exp.

The compiler's time is its own CPU time (RUSAGE_CHILDREN), ours that of this process. A chain applies a function to its own
result; where the result has another dtype, it is converted back, which counts as a node too. Every compilation starts
with an empty cache, and the compiler's start counts.
"""

import os
import resource
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

import composit.numpy as cnp
import mosaic
from benchmarks.report import print_table
from composit.numpy.elementwise import ElementwiseFunction
from composit.numpy.elementwise_table import ELEMENTWISE_FUNCTIONS
from mosaic.codegen.functions import is_compiled

_DTYPES = ("float32", "float64", "int8", "int32", "int64", "uint8", "uint64", "bool")
_CHAINS = (16, 64, 256)
_LONG_CHAINS = (1_000, 10_000, 20_000)
_LONG_FUNCTIONS = ("exp", "sin", "tanh", "add", "maximum", "less")
_WIDTHS = (250, 500, 1_000, 2_000)
_NUM_ELEMENTS = 1001  # whole vectors, and a rest
Program = tuple[cnp.LazyTensor | list[cnp.LazyTensor], list[cnp.LazyTensor]]


@dataclass(frozen=True, slots=True)
class Spent:
    """CPU seconds of one compilation: the compiler's and our own."""

    compiler: float
    own: float


def run_compile_time(num_rounds: int) -> None:
    """Two tables: functions beside exp, and programs of growing length and width."""
    previous = os.environ.get("COMPOSIT_CACHE_DIR")
    with tempfile.TemporaryDirectory(prefix="composit-compile-time-") as prepared:
        try:
            os.environ["COMPOSIT_CACHE_DIR"] = prepared
            one = cnp.ones((1,))
            mosaic.compile(one + 1, inputs=[one])  # puts the library of the runtime into the cache
            _chains(max(1, num_rounds // 10), prepared)
            _growth(prepared)
        finally:
            if previous is None:
                os.environ.pop("COMPOSIT_CACHE_DIR", None)
            else:
                os.environ["COMPOSIT_CACHE_DIR"] = previous


def _chains(num_rounds: int, prepared: str) -> None:
    """For each function and length the compiler's milliseconds per node, and as a multiple of exp's in the same run."""
    exp = next(function for function in ELEMENTWISE_FUNCTIONS if function.name == "exp")
    base = _chains_of(exp, "float32", num_rounds, prepared)
    rows = [_row("exp float32", base, base)]
    for function, dtype in _compiled_rows():
        rows.append(_row(f"{function.name} {dtype}", _chains_of(function, dtype, num_rounds, prepared), base))
    header = ["function", *[f"{length}: ms/node" for length in _CHAINS], *[f"{length}: of exp" for length in _CHAINS]]
    print_table("compiler time of chains (at most 2 of exp)", [*header, "own ms/node"], rows)


def _chains_of(function: ElementwiseFunction, dtype: str, num_rounds: int, prepared: str) -> dict[int, Spent]:
    return {length: _best(partial(_chain, function, dtype, length), num_rounds, prepared) for length in _CHAINS}


def _row(name: str, spent: dict[int, Spent], exp: dict[int, Spent]) -> list[str]:
    each = [f"{spent[length].compiler / length * 1e3:.2f}" for length in _CHAINS]
    ratios = [f"{spent[length].compiler / exp[length].compiler:.2f}" for length in _CHAINS]
    own = spent[_CHAINS[-1]].own / _CHAINS[-1] * 1e3
    return [name, *each, *ratios, f"{own:.2f}"]


def _growth(prepared: str) -> None:
    """Milliseconds per node or input for programs of growing size: a line that stays level is linear."""
    functions = {function.name: function for function in ELEMENTWISE_FUNCTIONS}
    rows = []
    for name in _LONG_FUNCTIONS:
        for length in _LONG_CHAINS:
            spent = _spent(_chain(functions[name], "float32", length), prepared)
            rows.append(_growth_row(f"chain of {name}", length, spent))
    for title, program in _WIDE.items():
        rows.extend(_growth_row(title, width, _spent(program(width), prepared)) for width in _WIDTHS)
    print_table("growth", ["program", "size", "compiler s", "compiler ms each", "own s", "own ms each"], rows)


def _growth_row(title: str, size: int, spent: Spent) -> list[str]:
    seconds = (spent.compiler, spent.own)
    cells = [text for value in seconds for text in (f"{value:.2f}", f"{value / size * 1e3:.3f}")]
    return [title, str(size), *cells]


def _compiled_rows() -> Iterator[tuple[ElementwiseFunction, str]]:
    """Every elementwise function and dtype with one result whose loop has C."""
    for function in ELEMENTWISE_FUNCTIONS:
        for name in _DTYPES:
            dtype = np.dtype(name)
            try:
                loop = function._resolve((*[dtype] * function.nin, *[None] * function.nout))
            except TypeError:
                continue
            operands = loop[: function.nin]
            if function.nout == 1 and set(operands) == {dtype} and is_compiled(function.name, operands):
                yield function, name


def _best(program: Callable[[], Program], num_rounds: int, prepared: str) -> Spent:
    """The least of some rounds: another process on the machine only adds."""
    rounds = [_spent(program(), prepared) for _ in range(num_rounds)]
    return Spent(min(each.compiler for each in rounds), min(each.own for each in rounds))


def _spent(program: Program, prepared: str) -> Spent:
    """What compiling takes, with nothing in the cache but the library of the runtime."""
    outputs, inputs = program
    with tempfile.TemporaryDirectory(prefix="composit-compile-time-") as directory:
        os.environ["COMPOSIT_CACHE_DIR"] = shutil.copytree(prepared, directory, dirs_exist_ok=True)
        children, own = _children_seconds(), time.process_time()
        mosaic.compile(outputs, inputs=inputs)
        return Spent(_children_seconds() - children, time.process_time() - own)


def _children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _chain(function: ElementwiseFunction, dtype: str, length: int) -> Program:
    x, z = cnp.ones((_NUM_ELEMENTS,), dtype=dtype), cnp.ones((_NUM_ELEMENTS,), dtype=dtype)
    result = x
    for _ in range(length):
        result = function(*[result, z, z][: function.nin])
        result = result if result.dtype == x.dtype else result.astype(dtype)
    return result, [x] if function.nin == 1 else [x, z]


def _inputs(width: int) -> list[cnp.LazyTensor]:
    return [cnp.ones((64,), dtype="float32") for _ in range(width)]


def _sum(tensors: Sequence[cnp.LazyTensor]) -> cnp.LazyTensor:
    result = tensors[0]
    for each in tensors[1:]:
        result = result + each
    return result


def _wide(combine: Callable[[list[cnp.LazyTensor]], cnp.LazyTensor | list[cnp.LazyTensor]]) -> Callable[[int], Program]:
    def program(width: int) -> Program:
        inputs = _inputs(width)
        return combine(inputs), inputs

    return program


def _different_kernels(width: int) -> Program:
    inputs = [cnp.ones((16 + number,), dtype="float32") for number in range(width)]
    return [cnp.exp(each) for each in inputs], inputs


def _written_one_by_one(width: int) -> Program:
    x, y = cnp.ones((width,), dtype="float32"), cnp.zeros((width,), dtype="float32")
    for place in range(width):
        y[place] = x[place] * 2
    return y, [x]


def _tree(tensors: list[cnp.LazyTensor]) -> cnp.LazyTensor:
    while len(tensors) > 1:
        pairs = [left + right for left, right in zip(tensors[::2], tensors[1::2], strict=False)]
        tensors = pairs + tensors[2 * len(pairs) :]
    return tensors[0]


_WIDE: dict[str, Callable[[int], Program]] = {
    "sum of inputs": _wide(_sum),
    "sum of inputs as a tree": _wide(_tree),
    "sum of exp of inputs": _wide(lambda inputs: _sum([cnp.exp(each) * 0.5 for each in inputs])),
    "concatenation of inputs": _wide(cnp.concatenate),
    "an output for each input": _wide(lambda inputs: [cnp.exp(each) for each in inputs]),
    "kernels that all differ": _different_kernels,
    "elements assigned one by one": _written_one_by_one,
}
