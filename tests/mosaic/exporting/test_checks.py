"""What cannot be exported is an error at the call that names it; nothing is left out silently."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import composit as cnp
import mosaic
from composit.errors import ParameterError, UnreachedInputError, UnsupportedOperationError

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
def test_an_operation_that_numpy_would_run_is_an_error_with_its_name_and_line(name: str, tmp_path: Path) -> None:
    x = vector()
    outputs = THROUGH_NUMPY[name](x)
    with pytest.raises(
        UnsupportedOperationError,
        match=rf"(?s)export: .*{name}.* would not be in the C.*mosaic\.compile.*test_checks\.py",
    ):
        mosaic.export(outputs, tmp_path, inputs=[x], target=TARGET)


def test_all_operations_that_would_be_missing_are_named(tmp_path: Path) -> None:
    x = vector()
    with pytest.raises(UnsupportedOperationError, match=r"export: partition, argsort would not be in the C"):
        mosaic.export(
            [cnp.partition(x, 1), cnp.argsort(x), cnp.partition(x + 1, 1)], tmp_path, inputs=[x], target=TARGET
        )


@pytest.mark.parametrize("read", ["bool", "float", "item", "array"])
def test_a_read_that_steered_python_is_an_error_with_its_line(read: str, tmp_path: Path) -> None:
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
        match=rf"(?s)Python read values .*\({read}.*mosaic\.compile.*guards='ignore'.*test_checks\.py",
    ):
        mosaic.export(y, tmp_path, inputs=[x], target=TARGET)
    mosaic.export(y, tmp_path, inputs=[x], target=TARGET, guards="ignore")
    assert "log" in (tmp_path / "model_forward.c").read_text() or read != "bool"


def test_guards_takes_two_words(tmp_path: Path) -> None:
    x = vector()
    with pytest.raises(ParameterError, match="export: guards='never' was given; expected 'check' or 'ignore'"):
        mosaic.export(x + 1, tmp_path, inputs=[x], guards="never")


def test_an_input_that_nothing_reaches_is_an_error(tmp_path: Path) -> None:
    x = vector()
    with pytest.raises(UnreachedInputError, match="no output depends on"):
        mosaic.export(x + 1, tmp_path, inputs=[x, vector()], target=TARGET)


def test_what_is_no_array_of_c_is_an_error(tmp_path: Path) -> None:
    x = cnp.asarray(np.ones((2, 3), "float16"))
    with pytest.raises(
        UnsupportedOperationError, match=r"input 0 is float16\[2, 3\], and C does not compute with float16"
    ):
        mosaic.export(x, tmp_path, inputs=[x], target=TARGET)
    empty = cnp.asarray(np.ones((0, 3)))
    with pytest.raises(UnsupportedOperationError, match=r"no output has elements \(float64\[0, 3\]\)"):
        mosaic.export(empty + 1, tmp_path, inputs=[empty], target=TARGET)
