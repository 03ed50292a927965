"""`mosaic.emit`: the C of the whole program, or an error that names what would be missing; nothing is left out silently."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import composit as cnp
import mosaic
from composit.errors import ParameterError, UnreachedInputError, UnsupportedOperationError
from composit.operation import tensor_type
from mosaic.runtime.arguments import Signature
from mosaic.runtime.standalone import standalone_main
from tests.mosaic.runtime.programs import build_sanitized, run_standalone

TARGET = "x86-64-v3"
THROUGH_NUMPY: dict[str, Callable[[Any], Any]] = {
    "partition": lambda x: cnp.partition(x, 1) * 2,
    "nonzero": lambda x: cnp.nonzero(x)[0] * 2,
    "svd": lambda x: cnp.linalg.svd(cnp.outer(x, x))[1] + x,
    "fft": lambda x: cnp.abs(cnp.fft.fft(x)),
    "gcd": lambda x: cnp.gcd(x.astype("int64"), 3),
    "unique": lambda x: cnp.unique(x),
    "power": lambda x: x.astype("int64") ** 3,
    "multiply": lambda x: (x.astype("float16") * 2).astype("float64"),
    "sqrt": lambda x: cnp.sqrt(x * 1j).real,
    "add": lambda x: (x.astype("float16") + 1).astype("float64"),
    "wrapped": lambda x: wrapped(x) + 1,
}


@cnp.nn.core.wrap_as_operation()
def wrapped(x: np.ndarray) -> np.ndarray:
    """A function that composit knows nothing of."""
    return np.asarray(x[::-1] * 2)


def vector() -> Any:
    """A new input of three numbers."""
    return cnp.asarray(np.array([3.0, 1.0, 2.0]))


@pytest.mark.parametrize("name", THROUGH_NUMPY)
def test_an_operation_that_numpy_would_run_is_an_error_with_its_name_and_line(name: str) -> None:
    x = vector()
    outputs = THROUGH_NUMPY[name](x)
    with pytest.raises(
        UnsupportedOperationError,
        match=rf"(?s)emit: .*{name}.* would not be in the C.*mosaic\.compile.*test_emitted\.py",
    ):
        mosaic.emit(outputs, [x], target=TARGET)


def test_all_operations_that_would_be_missing_are_named() -> None:
    x = vector()
    with pytest.raises(UnsupportedOperationError, match=r"emit: partition, argsort would not be in the C"):
        mosaic.emit([cnp.partition(x, 1), cnp.argsort(x), cnp.partition(x + 1, 1)], [x], target=TARGET)


@pytest.mark.parametrize("read", ["bool", "float", "item", "array"])
def test_a_read_that_steered_python_is_an_error_with_its_line(read: str) -> None:
    x = vector()
    readers: dict[str, Callable[[Any], Any]] = {
        "bool": lambda x: cnp.log(x) if (x > 0).all() else x,
        "float": lambda x: x * float(x[0]),
        "item": lambda x: x * x[1].item(),
        "array": lambda x: x + np.asarray(x)[0],
    }
    y = readers[read](x)
    with pytest.raises(
        UnsupportedOperationError,
        match=rf"(?s)Python read values .*\({read}.*mosaic\.compile.*guards='ignore'.*test_emitted\.py",
    ):
        mosaic.emit(y, [x], target=TARGET)
    assert "log" in mosaic.emit(y, [x], target=TARGET, guards="ignore") or read != "bool"


def test_guards_takes_two_words() -> None:
    x = vector()
    with pytest.raises(ParameterError, match="emit: guards='never' was given; expected 'check' or 'ignore'"):
        mosaic.emit(x + 1, [x], guards="never")


def test_an_input_that_nothing_reaches_is_an_error() -> None:
    x = vector()
    with pytest.raises(UnreachedInputError, match="no output depends on"):
        mosaic.emit(x + 1, [x, vector()], target=TARGET)


def test_what_is_no_array_of_c_is_an_error() -> None:
    x = cnp.asarray(np.ones((2, 3), "float16"))
    with pytest.raises(
        UnsupportedOperationError, match=r"input 0 is float16\[2, 3\], and C does not compute with float16"
    ):
        mosaic.emit(x, [x], target=TARGET)
    empty = cnp.asarray(np.ones((0, 3)))
    with pytest.raises(UnsupportedOperationError, match=r"no output has elements \(float64\[0, 3\]\)"):
        mosaic.emit(empty + 1, [empty], target=TARGET)


def test_an_operation_on_constants_alone_is_no_part_of_the_c() -> None:
    x = vector()
    text = mosaic.emit(x + cnp.sort(vector()), [x], target=TARGET)
    assert "constants: 24 bytes, whose values are not in this text" in text
    assert "byte 0: float64[3]" in text


def test_the_comment_says_what_the_function_takes_and_gives() -> None:
    x, i = vector(), cnp.asarray(np.array([0, 1]))
    text = mosaic.emit([cnp.take(x, i), x > 1], [x, i], target=TARGET)
    comment = text[: text.index("*/")]
    assert comment.splitlines()[2:-1] == [
        " * inputs[0]: float64[3]",
        " * inputs[1]: int64[2]",
        " * outputs[0]: float64[2]",
        " * outputs[1]: bool[3]",
        " * outputs[2]: int64[1], 1 where an index is out of bounds (results are then wrong), else 0: take",
        " * arena: 0 bytes aligned to 64",
    ]


def test_outputs_lie_in_c_order_whatever_order_numpy_would_give_them(tmp_path: Path) -> None:
    array = np.arange(6.0).reshape(2, 3)
    x = cnp.asarray(array)
    text = mosaic.emit(x.T + 1, [x], target="generic")
    signature = Signature((tensor_type((2, 3), "float64"),), (tensor_type((3, 2), "float64"),), 0)
    built = build_sanitized(standalone_main(text, signature), tmp_path)
    np.testing.assert_array_equal(run_standalone(built, signature, b"", [array])[0], array.T + 1)


@pytest.mark.parametrize("index", [1, 7])
def test_the_emitted_function_computes_all_outputs_and_reports_indices_out_of_bounds(
    index: int, tmp_path: Path
) -> None:
    x, i = vector(), cnp.asarray(np.array([0, 1]))
    text = mosaic.emit([cnp.take(x, i) * 2, x[::-1]], [x, i], target="generic")
    types = (tensor_type((3,), "float64"), tensor_type((2,), "int64"))
    results = (tensor_type((2,), "float64"), tensor_type((3,), "float64"), tensor_type((1,), "int64"))
    signature = Signature(types, results, 0)
    built = build_sanitized(standalone_main(text, signature), tmp_path)
    taken, turned, status = run_standalone(built, signature, b"", [np.array([3.0, 1.0, 2.0]), np.array([0, index])])
    np.testing.assert_array_equal(turned, [2.0, 1.0, 3.0])
    assert status.tolist() == [int(index > 2)]
    assert index > 2 or taken.tolist() == [6.0, 2.0]
