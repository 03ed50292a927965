"""The Array API standard 2024.12: every function, called as in the standard, does what numpy does."""

import warnings
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import composit.numpy as cnp
from composit.evaluation import evaluate
from composit.handle import TensorHandle
from tests.composit.numpy.array_api_samples import ARRAYS, ERRORS, EXPRESSIONS, FUNCTIONS, WRITES


def _names(xp: ModuleType) -> dict[str, Any]:
    values: dict[str, Any] = {"xp": xp}
    exec(ARRAYS, values)
    return values


def _run(xp: ModuleType, text: str) -> Any:
    return eval(text, _names(xp))


def _assert_same(given: Any, expected: Any) -> None:
    if isinstance(expected, tuple | list):
        assert isinstance(given, tuple | list)
        assert len(given) == len(expected)
        if hasattr(expected, "_fields"):
            assert given._fields == expected._fields
        for part, of_numpy in zip(given, expected, strict=True):
            _assert_same(part, of_numpy)
    elif isinstance(expected, np.ndarray):
        assert isinstance(given, TensorHandle)
        assert not given.type.is_scalar
        assert (given.shape, given.dtype) == (expected.shape, expected.dtype)
        np.testing.assert_array_equal(evaluate(given), expected, strict=True)
    elif isinstance(expected, np.generic):
        # Of what is no array (limits of dtypes) the scalar is numpy's own.
        value = evaluate(given)
        assert (value.shape, value.dtype) == ((), expected.dtype)
        np.testing.assert_array_equal(value, expected)
    elif isinstance(expected, float) and np.isnan(expected):
        assert np.isnan(given)
    else:
        assert given == expected
        assert type(given) is type(expected)


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_an_expression_of_the_standard_gives_numpys_value(text: str) -> None:
    _assert_same(_run(cnp, text), _run(np, text))


@pytest.mark.parametrize("text", WRITES)
def test_a_write_of_the_standard_gives_numpys_value(text: str) -> None:
    ours, theirs = _names(cnp), _names(np)
    exec(text, ours)
    exec(text, theirs)
    for name in "xim":
        _assert_same(ours[name], theirs[name])


@pytest.mark.parametrize("text", ERRORS)
def test_what_numpy_refuses_is_refused_with_its_error(text: str) -> None:
    with pytest.raises(Exception) as expected:  # noqa: PT011  # numpy's own class decides
        _run(np, text)
    with pytest.raises(expected.type) as given:
        evaluate(_run(cnp, text))
    assert str(expected.value).strip() in str(given.value)


def test_every_function_of_the_standard_is_there_and_has_a_row() -> None:
    text = " ".join(EXPRESSIONS)
    for name in FUNCTIONS:
        assert callable(eval(f"xp.{name}", {"xp": cnp})), name
        assert f"xp.{name}(" in text, name


def test_the_namespace_of_a_tensor_is_composits() -> None:
    x = cnp.ones(3)
    assert x.__array_namespace__() is cnp
    assert x.__array_namespace__(api_version="2024.12") is cnp
    assert x.sum().__array_namespace__() is cnp


def test_the_methods_of_the_standard_are_there() -> None:
    names = [name for name in vars(np.ndarray) if name in _METHODS]
    assert sorted(names) == sorted(_METHODS)
    x = cnp.ones(3)
    for name in _METHODS:
        assert callable(getattr(x, name)), name


_METHODS = """
__abs__ __add__ __and__ __array_namespace__ __bool__ __complex__ __dlpack__ __dlpack_device__ __eq__ __float__ __floordiv__
__ge__ __getitem__ __gt__ __index__ __int__ __invert__ __le__ __lshift__ __lt__ __matmul__ __mod__ __mul__ __ne__ __neg__
__or__ __pos__ __pow__ __rshift__ __setitem__ __sub__ __truediv__ __xor__ to_device
""".split()


def test_other_libraries_take_a_tensor_by_dlpack() -> None:
    x = cnp.arange(6.0).reshape(2, 3) + 1
    array = np.from_dlpack(x)
    np.testing.assert_array_equal(array, np.arange(6.0).reshape(2, 3) + 1, strict=True)
    # A copy: writing to it changes no tensor.
    array[0] = 0
    np.testing.assert_array_equal(evaluate(x), np.arange(6.0).reshape(2, 3) + 1)
    shared = np.from_dlpack(x, copy=False)
    assert not shared.flags.writeable


def test_read_only_tensors_are_exchanged_as_read_only_memory() -> None:
    def exchanged(xp: Any) -> list[Any]:
        frozen = xp.arange(3.0)
        frozen.flags.writeable = False
        shown = [
            np.from_dlpack(frozen),
            np.from_dlpack(xp.broadcast_to(frozen, (2, 3))),
            np.from_dlpack(frozen, copy=True),
        ]
        with pytest.raises(BufferError, match="Cannot export readonly array"):
            frozen.__dlpack__()
        return [(array.flags.writeable, array.tolist()) for array in shown]

    assert exchanged(cnp) == exchanged(np)
    assert float(np.from_dlpack(cnp.arange(3.0).sum())) == 3.0


def test_memory_of_others_is_copied_from_dlpack_unless_it_is_shared() -> None:
    array = np.arange(3.0)
    copied, shared = cnp.from_dlpack(array), cnp.from_dlpack(array, copy=False)
    array[0] = 5
    np.testing.assert_array_equal(evaluate(copied), [0, 1, 2])
    np.testing.assert_array_equal(evaluate(shared), [5, 1, 2])


def test_from_dlpack_of_a_tensor_is_a_view_of_it() -> None:
    x = cnp.zeros(3)
    view = cnp.from_dlpack(x)
    copy = cnp.from_dlpack(x, copy=True)
    x[1] = 4
    np.testing.assert_array_equal(evaluate(view), [0, 4, 0])
    np.testing.assert_array_equal(evaluate(copy), [0, 0, 0])


def test_functions_written_for_the_standard_stay_lazy() -> None:
    def softmax(x: Any) -> Any:
        xp = x.__array_namespace__()
        weights = xp.exp(x - xp.max(x, axis=-1, keepdims=True))
        return weights / xp.sum(weights, axis=-1, keepdims=True)

    values = np.array([[1.0, 2.0, 3.0]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        lazy = softmax(cnp.asarray(values))
    assert isinstance(lazy, TensorHandle)
    assert lazy.node.operation.name == "divide"
    np.testing.assert_array_equal(evaluate(lazy), softmax(values))
