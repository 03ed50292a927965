"""`out`: filled when everything is known to be right, and not touched before."""

from typing import Any

import numpy as np
import pytest

import composit.numpy as cnp
import mosaic
from composit.errors import DtypeError, GuardError, OutOfBoundsError, ShapeError
from mosaic import CompiledModel


def steered(with_island: bool) -> CompiledModel:
    x = cnp.asarray(np.ones(4))
    y = x * 2
    if with_island:
        y[1] = 5
    if y[0] > 0:
        y = y + 1
    return mosaic.compile([y, x + 3], inputs=[x])


@pytest.mark.parametrize("with_island", [False, True])
def test_out_is_untouched_after_a_guard_error(with_island: bool) -> None:
    model = steered(with_island)
    out = [np.full(4, -7.0), np.full(4, -8.0)]
    with pytest.raises(GuardError):
        model(np.full(4, -1.0), out=out)
    np.testing.assert_array_equal(out, [[-7] * 4, [-8] * 4])
    returned = model(np.ones(4), out=out)
    assert returned[0] is out[0]
    np.testing.assert_array_equal(out, [[3, 6 if with_island else 3, 3, 3], [4] * 4])


@pytest.mark.parametrize("with_island", [False, True])
def test_out_is_untouched_after_an_index_error(with_island: bool) -> None:
    x, i = cnp.asarray(np.arange(4.0)), cnp.asarray(np.array([0, 1]))
    y = x * 2
    if with_island:
        y[1] = 5
    model, out = mosaic.compile(y[i] + 1, inputs=[x, i]), np.full(2, -7.0)
    with pytest.raises(OutOfBoundsError):
        model(np.arange(4.0), np.array([1, 9]), out=out)
    assert out.tolist() == [-7, -7]
    model(np.arange(4.0), np.array([3, 0]), out=out)
    assert out.tolist() == [7, 1]


def read_only() -> np.ndarray:
    array = np.zeros(4)
    array.flags.writeable = False
    return array


@pytest.mark.parametrize("kind", ["one region", "in steps", "guarded"])
@pytest.mark.parametrize(
    ("out", "error", "words"),
    [
        (np.zeros(1), ShapeError, r"out\[0\] has shape \(1,\) and the program was compiled for \(4,\)"),
        (np.zeros((4, 1)), ShapeError, r"out\[0\] has shape \(4, 1\)"),
        (np.zeros(4, np.float32), DtypeError, r"out\[0\] has dtype float32"),
        (np.zeros(4, complex), DtypeError, r"out\[0\] has dtype complex128"),
        (read_only(), TypeError, r"out\[0\] is read-only and must be a writable numpy array"),
        ([0.0] * 4, TypeError, r"out has 4 arrays; expected one for each of the 1 outputs"),
        ([], TypeError, r"out has 0 arrays"),
        ("abcd", TypeError, r"out\[0\] is of type builtins.str"),
        (cnp.zeros(4), TypeError, r"out\[0\] is of type composit"),
        ({"y": np.zeros(4)}, TypeError, r"out\[0\] is of type builtins.dict"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_out_of_a_wrong_kind_is_refused(kind: str, out: Any, error: type[Exception], words: str) -> None:
    x = cnp.asarray(np.ones(4))
    y = x * 2
    if kind == "in steps":
        y[0] = 1
    if kind == "guarded":
        y = y + float(x[0])
    model = mosaic.compile(y, inputs=[x])
    with pytest.raises(error, match=words):
        model(np.ones(4), out=out)


@pytest.mark.parametrize("kind", ["one region", "in steps", "guarded"])
def test_out_may_overlap_an_input_and_lie_in_any_way(kind: str) -> None:
    x = cnp.asarray(np.ones(4))
    y, z = cnp.cumsum(x[::-1]) * 2, x - 1
    if kind == "in steps":
        y[0] = 2
    if kind == "guarded":
        y = y * float(x[0])
    model = mosaic.compile([y, z], inputs=[x])
    memory = np.ones(10)
    model(memory[:4], out=[memory[1:5], memory[::-3]])
    np.testing.assert_array_equal(memory[1:3], [2, 4])
    np.testing.assert_array_equal(memory[::-3], [0, 0, 0, 0])
