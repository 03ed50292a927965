"""What scalars do that arrays do not, and the other way round, against numpy's."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest

import composit as cnp
from composit.numpy.tensor.lazy_tensor import TENSOR_CLASSES


def test_round_of_a_scalar_is_an_integer_of_pythons() -> None:
    for dtype in (float, np.float32, int, np.uint8):
        rounded = round(cnp.asarray(np.array([7.6], dtype=float).astype(dtype))[0])
        assert (type(rounded), rounded) == (int, round(np.array([7.6]).astype(dtype)[0]))
    with pytest.raises(ValueError, match="cannot convert float NaN to integer"):
        round(cnp.asarray(np.array([np.nan]))[0])


@pytest.mark.parametrize("value", [np.ones(2), np.array(1.5), np.array([True])[0], np.array([1j])[0]])
def test_what_numpy_does_not_round_is_not_rounded(value: Any) -> None:
    for each in (value, cnp.asarray(value)):
        with pytest.raises(TypeError, match="doesn't define __round__ method"):
            round(each)


def test_trunc_is_of_float64_alone() -> None:
    truncated = math.trunc(cnp.asarray(np.array([-7.6]))[0])
    assert (type(truncated), truncated) == (int, -7)
    for each in (np.float32(1), cnp.asarray(np.array([1.0], np.float32))[0]):
        with pytest.raises(TypeError, match=r"type numpy\.float32 doesn't define __trunc__ method"):
            math.trunc(each)


def test_a_scalar_does_not_pass_for_a_sequence() -> None:
    array, scalar = cnp.asarray(np.array([1.0])), cnp.asarray(np.array([1.0]))[0]
    for name in ("__len__", "__contains__", "__setitem__", "__delitem__"):
        assert hasattr(array, name), name
        assert not hasattr(scalar, name), name
    assert isinstance(array, Iterable)
    assert not isinstance(scalar, Iterable)
    assert not np.iterable(scalar)
    for use, text in (
        (len, "object of type 'numpy.float64' has no len()"),
        (lambda x: 1 in x, "argument of type 'numpy.float64' is not iterable"),
        (lambda x: operator.setitem(x, 0, 1), "'numpy.float64' object does not support item assignment"),
        (lambda x: operator.delitem(x, 0), "'numpy.float64' object does not support item deletion"),
        (list, "object is not iterable"),
    ):
        for each in (scalar, np.float64(1)):
            with pytest.raises(TypeError, match=re.escape(text)):
                use(each)


_ARITHMETIC: dict[str, Callable[[Any], Any]] = {
    "overflow encountered in scalar add": lambda x: x["int8"] + x["int8"],
    "overflow encountered in scalar subtract": lambda x: x["uint8"] - 251,
    "overflow encountered in scalar multiply": lambda x: 2 * x["int8"],
    "overflow encountered in scalar negative": lambda x: -x["uint8"],
    "overflow encountered in scalar absolute": lambda x: abs(-x["int8"] - 1),
    "divide by zero encountered in scalar divide": lambda x: 1 / (x["float64"] - 1.5),
    "divide by zero encountered in scalar floor_divide": lambda x: x["int8"] // np.int8(0),
    "divide by zero encountered in scalar remainder": lambda x: x["int8"] % 0,
    "divide by zero encountered in scalar divmod": lambda x: divmod(x["int8"], 0)[0],
    "overflow encountered in scalar power": lambda x: x["float32"] ** 1000,
    # Of a function, and of an array without axes, it is the ufunc that warns.
    "overflow encountered in multiply": lambda x: x["float32"][...] * np.float32(3e38),
    "divide by zero encountered in divide": lambda x: np.divide(x["float64"], 0),
}


@pytest.mark.parametrize("warning", _ARITHMETIC)
def test_arithmetic_of_scalars_warns_as_numpys(warning: str) -> None:
    numbers = {
        name: np.array([127 if name == "int8" else 250 if name == "uint8" else 1.5], name)[0]
        for name in ("int8", "uint8", "float32", "float64")
    }
    results = []
    for given in (numbers, {name: cnp.asarray(np.array([number]))[0] for name, number in numbers.items()}):
        with pytest.warns(RuntimeWarning) as caught:
            results.append(np.asarray(_ARITHMETIC[warning](given)))
        assert [str(each.message) for each in caught] == [warning]
    assert results[0].dtype == results[1].dtype
    np.testing.assert_array_equal(*results)


@pytest.mark.parametrize("of_nothing", [lambda xp: xp.mean(xp.zeros(0)), lambda xp: xp.std(xp.ones(1), ddof=1)])
def test_a_mean_of_nothing_warns_as_numpys(of_nothing: Callable[[Any], Any]) -> None:
    said = []
    for xp in (np, cnp):
        with pytest.warns(RuntimeWarning) as caught:
            assert np.isnan(float(of_nothing(xp)))
        said.append([str(each.message) for each in caught])
    assert said[0] == said[1]


def test_a_power_of_a_scalar_is_that_of_numpys_scalars_bit_by_bit() -> None:
    for value in np.random.default_rng(0).random(50).astype(np.float32):
        scalar = cnp.asarray(np.array([value]))[0]
        for exponent in (2, 3.7, np.float32(1.3), scalar):
            expected = value ** (value if exponent is scalar else exponent)
            assert cnp.evaluate(scalar**exponent) == expected


def test_the_bytes_of_a_scalar_are_a_scalar() -> None:
    def inverse_root(x: Any) -> Any:
        y = (np.int32(0x5F3759DF) - (x.view(np.int32) >> 1)).view(np.float32)
        return y * (np.float32(1.5) - np.float32(0.5) * x * y * y)

    expected, given = inverse_root(np.float32(2)), inverse_root(cnp.asarray(np.array([2], np.float32))[0])
    assert isinstance(given, np.float32)
    assert cnp.evaluate(given) == expected


@pytest.mark.parametrize(
    "values", [np.array([1], char) for char in np.typecodes["AllInteger"] + np.typecodes["AllFloat"]]
)
def test_scalars_have_the_attributes_of_numpys_scalars_and_no_others(values: np.ndarray) -> None:
    _have_the_same_attributes(cnp.asarray(values)[0], values[0])
    # One that is not computed yet.
    _have_the_same_attributes(cnp.sum(cnp.asarray(values), dtype=values.dtype), values[0])


@pytest.mark.parametrize(
    "values", [np.array([True]), np.array(["a"]), np.array([b"a"]), np.array(["2020-01-01"], "M8[D]")]
)
def test_scalars_that_are_no_numbers_have_the_attributes_of_numpys(values: np.ndarray) -> None:
    scalar = cnp.max(cnp.asarray(values)) if values.dtype.kind == "b" else cnp.asarray(values)[0]
    _have_the_same_attributes(scalar, values[0])


def _have_the_same_attributes(scalar: Any, expected: np.generic) -> None:
    # `data` raises ValueError for a date, as numpy's does.
    public = [name for name in dir(expected) if not name.startswith("_") and name != "data"]
    assert not [name for name in public if not hasattr(scalar, name)]
    for name in ("upper", "bit_count", "is_integer", "as_integer_ratio", "hex"):
        assert hasattr(scalar, name) == hasattr(expected, name), name
    with pytest.raises(AttributeError, match="no_such_name"):
        scalar.no_such_name  # noqa: B018


def test_no_class_of_tensors_has_a_getattr_so_that_python_caches_slots() -> None:
    assert not [kind for each in TENSOR_CLASSES for kind in each.__mro__ if "__getattr__" in kind.__dict__]
