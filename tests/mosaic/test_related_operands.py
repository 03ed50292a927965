"""Integer functions of operands that are related: a compiler that sees f(x, x) or f(1, x) simplifies, and must be right.

gcc 12 took the vector mask of `b != 0` for the number that x // x is. Every target that runs on this machine is tried.
"""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import composit as cnp
import mosaic
from composit.errors import ParameterError
from composit.numpy.elementwise.table import NAME_TO_FUNCTION
from mosaic.codegen.elementwise import is_compiled
from mosaic.runtime.compiler import Compiler
from mosaic.targets import check_runs_here, get_target, named_targets
from tests.mosaic.c_text import c_text
from tests.mosaic.comparison import assert_same_values
from tests.mosaic.compiled_helpers import assert_compiles
from tests.sampling import one_in

DTYPES = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
DIVISIONS = ["floor_divide", "remainder", "fmod"]
FUNCTIONS = sorted(
    name
    for name, function in NAME_TO_FUNCTION.items()
    if function.nout == 1 and is_compiled(name, [np.dtype("int32")] * function.nin)
)

RELATIONS: dict[str, Callable[[Any], tuple[Any, Any]]] = {
    "x, x": lambda x: (x, x),
    "1, x": lambda x: (x.dtype.type(1), x),
    "0, x": lambda x: (x.dtype.type(0), x),
    "x, 1": lambda x: (x, x.dtype.type(1)),
    "max(x, 1), x": lambda x: (cnp.maximum(x, x.dtype.type(1)), x),
    "max(x, 1), max(x, 1)": lambda x: (cnp.maximum(x, x.dtype.type(1)),) * 2,
    "x, max(x, 1)": lambda x: (x, cnp.maximum(x, x.dtype.type(1))),
    "x, -x": lambda x: (x, -x),
    "x, ~x": lambda x: (x, ~x),
    "x, x reversed": lambda x: (x, x[::-1]),
    "x, x != 0": lambda x: (x, (x != 0).astype(x.dtype)),
    "x * x, x": lambda x: (x * x, x),
}


def _runs_here(target: str) -> bool:
    try:
        check_runs_here(get_target(target))
    except ParameterError:
        return False
    return True


TARGETS = [name for name in named_targets if _runs_here(name)]


@pytest.fixture(autouse=True)
def _silent() -> Iterator[None]:
    """Dividing by zero and overflowing are what is tested."""
    with np.errstate(all="ignore"):
        yield


def values(dtype: str) -> np.ndarray:
    """Small numbers and both ends of the range, more than a whole number of vectors of them."""
    limits = np.iinfo(dtype)
    ends = [limits.min, limits.min + 1, limits.max, limits.max - 1, limits.max // 2, limits.max // 2 + 1]
    small = [*range(12), *(number for number in range(-9, 0) if limits.min < 0), limits.bits - 1, limits.bits]
    chosen = np.array([*ends, *small], dtype)
    return np.concatenate([chosen, np.random.default_rng(0).permutation(chosen)])


def related(name: str, x: Any, relations: list[str]) -> list[Any]:
    """The function of x and of what is related to it."""
    function = NAME_TO_FUNCTION[name]
    if function.nin == 1:
        return [function(x), function(-x), function(x - x), function((x > 1).astype(x.dtype))]
    pairs = [RELATIONS[relation](x) for relation in relations]
    if function.nin == 3:
        return [result for a, b in pairs for result in (function(x, a, b), function(a, b, x))]
    return [function(*pair) for pair in pairs]


def check_related(names: list[str], dtypes: list[str], relations: list[str], **settings: Any) -> None:
    """Compile all of them as one program, and compare with numpy."""
    arrays = [values(dtype) for dtype in dtypes]
    inputs = [cnp.asarray(array) for array in arrays]
    outputs = [result for x in inputs for name in names for result in related(name, x, relations)]
    model = mosaic.compile(outputs, inputs=inputs, **settings)
    for given, expected in zip(model(*arrays), cnp.evaluate(outputs), strict=True):
        assert_same_values(given, expected)


def test_division_and_shifts_are_among_the_functions_that_are_checked() -> None:
    assert {*DIVISIONS, "left_shift", "right_shift", "sign", "absolute", "negative", "clip"} <= set(FUNCTIONS)


@pytest.mark.parametrize("target", one_in(2, TARGETS))
def test_division_of_related_operands_is_numpys(target: str) -> None:
    check_related(DIVISIONS, DTYPES, ["x, x", "1, x", "max(x, 1), x", "x, x reversed"], target=target)


def test_division_of_related_operands_compiles_for_another_processor(tmp_path: Path) -> None:
    inputs = [cnp.asarray(values(dtype)) for dtype in DTYPES]
    outputs = [result for x in inputs for name in DIVISIONS for result in related(name, x, ["x, x", "1, x"])]
    zig = Compiler((sys.executable, "-m", "ziglang", "cc"), "zig", "zig")
    text = c_text(outputs, inputs, target="aarch64")
    assert_compiles(text, tmp_path, get_target("aarch64"), zig)


@pytest.mark.slow
@pytest.mark.parametrize("compiler", ["gcc", "zig"])
@pytest.mark.parametrize("fuse", [True, False])
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_integer_function_of_related_operands_is_numpys(
    dtype: str, target: str, fuse: bool, compiler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if compiler == "zig":
        monkeypatch.setenv("CC", f"{sys.executable} -m ziglang cc")
    check_related(FUNCTIONS, [dtype], list(RELATIONS), target=target, fuse=fuse)
