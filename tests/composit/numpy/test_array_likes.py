"""Objects of a program's own among the operands: what their protocols say counts, as it does for numpy."""

from __future__ import annotations

import operator
import warnings
from typing import Any

import numpy as np
import pytest

import composit as cnp
from composit.numpy import testing
from composit.numpy.calls.fallback import NumpyCall
from composit.types import LazyTensor
from tests.composit.numpy.side_by_side import Program, assert_agree, kind_of


class Diagonal:
    """An array as numpy's page on interoperability makes one, of whatever namespace the program has."""

    def __init__(self, xp: Any) -> None:
        self._xp = xp

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return 4 * self._xp.eye(3, dtype=dtype)


@pytest.mark.parametrize(
    "program",
    [
        lambda xp, x: xp.array([x]),
        lambda xp, x: xp.array([x, x]),
        lambda xp, x: xp.array([[x], [xp.ones((3, 3))]]),
        lambda xp, x: xp.add([x, x], 1),
        lambda xp, x: xp.unique(x),
        lambda xp, x: xp.histogram(x, bins=3),
        lambda xp, x: xp.allclose(x, [x]),
        lambda xp, x: xp.median(x, axis=0),
    ],
)
def test_an_object_whose_array_is_a_tensor_stands_for_it_everywhere(program: Any) -> None:
    assert_agree(lambda xp: program(xp, Diagonal(xp)))


def test_writing_an_object_whose_array_is_a_tensor_and_comparing_it() -> None:
    def written(xp: Any) -> Any:
        result = xp.zeros((2, 3, 3))
        result[0] = Diagonal(xp)
        result[:] = [Diagonal(xp), xp.ones((3, 3))]
        return result

    assert_agree(written)
    testing.assert_array_equal(Diagonal(cnp), 4 * np.eye(3))


def test_a_list_of_objects_whose_arrays_are_tensors_stays_lazy() -> None:
    made = cnp.array([Diagonal(cnp), Diagonal(cnp)])
    assert not any(isinstance(node.operation, NumpyCall) for node in made.graph)


def _subclass(xp: Any, asked: list[bool]) -> Any:
    class Handing(xp.ndarray):
        def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
            asked.append(func in (xp.sum, xp.concatenate, xp.unique))
            return super().__array_function__(func, types, args, kwargs)

    return xp.asarray([1, 2, 3]).view(Handing)


@pytest.mark.parametrize(
    "program",
    [
        lambda xp, x: xp.sum(x),
        lambda xp, x: xp.concatenate([x, xp.ones(2)]),
        lambda xp, x: xp.unique(x),
    ],
)
def test_a_subclass_may_hand_a_function_on_to_ndarray(program: Any) -> None:
    def asked(xp: Any) -> tuple[list[float], list[bool]]:
        calls: list[bool] = []
        result = program(xp, _subclass(xp, calls))
        return xp.asarray(result).ravel().tolist(), calls

    assert_agree(asked)


@pytest.mark.parametrize("is_subclass", [True, False])
@pytest.mark.parametrize("shape", [(), (1,), (2, 3)])
def test_a_subclass_wraps_tensors_and_arrays_of_subclasses(shape: tuple[int, ...], is_subclass: bool) -> None:
    def kinds(xp: Any) -> list[Any]:
        class Wrapping(xp.ndarray):
            def __array_wrap__(self, array: Any, context: Any = None, return_scalar: bool = False) -> Any:
                return super().__array_wrap__(array, context, return_scalar)

        class Other(xp.ndarray):
            pass

        given = xp.ones(shape)
        given = given.view(Other) if is_subclass else given
        arrays = [xp.arange(3).view(kind) for kind in (Wrapping, Other)]
        made = [
            array.__array_wrap__(given, *rest)
            for array in arrays
            for rest in [(), (None, True), (None, False), (None, None)]
        ]
        made += [np.add(array, 1) for array in arrays] + [np.add.reduce(array) for array in arrays]
        return [(kind_of(each), each.tolist()) for each in made]

    assert_agree(kinds)


def test_functions_of_a_matrix_are_numpys() -> None:
    def kinds(xp: Any) -> list[str]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PendingDeprecationWarning)
            array = xp.matrix([[1, 2], [3, 4]])
            with pytest.raises(ValueError, match="must match exactly"):
                xp.append(array, 1)
            made = [xp.ediff1d(array), xp.require(array), xp.append(array, array)]
            return [kind_of(each) for each in made]

    assert_agree(kinds)
    assert not isinstance(cnp.trace(cnp.ones((2, 2)).view(type("Own", (np.ndarray,), {}))), np.ndarray)


def test_functions_that_make_arrays_of_a_subclass_keep_it() -> None:
    def kinds(xp: Any) -> list[str]:
        class Own(xp.ndarray):
            pass

        array = xp.asarray([1, 2, 3]).view(Own)
        made = [xp.require(array, None, [flag]) for flag in "CWOEAF"] + [xp.resize(array, size) for size in (0, 5)]
        return [kind_of(each) for each in made]

    assert_agree(kinds)


class Answering:
    """Answers whatever a universal function asks."""

    def __array_ufunc__(self, *args: Any, **kwargs: Any) -> str:
        return "asked"

    def __radd__(self, other: Any) -> str:
        return "added"


PROGRAMS_WITH_ANSWERS: list[Program] = [
    lambda xp: operator.iadd(xp.ones(3), Answering()),
    lambda xp: operator.imatmul(xp.ones((3, 3)), Answering()),
    lambda xp: xp.ones(3) + Answering(),
    lambda xp: xp.add(xp.ones(3), xp.ones(3), out=Answering()),
]


@pytest.mark.parametrize("program", PROGRAMS_WITH_ANSWERS)
def test_an_operand_that_answers_decides_what_an_operator_gives(program: Program) -> None:
    assert_agree(program)


class Length:
    """A number with a unit, which stays lazy inside, and knows three functions."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __array_ufunc__(self, ufunc: Any, method: str, *operands: Any, **options: Any) -> Any:
        if ufunc not in (self.xp.add, self.xp.matmul, self.xp.arctan2) or method == "at":  # type: ignore[attr-defined]
            return NotImplemented
        values = [each.value if isinstance(each, Length) else each for each in operands]
        return type(self)(getattr(ufunc, method)(*values, **options))


@pytest.mark.parametrize(
    "program",
    [
        lambda xp, x: xp.add(x, 1),
        lambda xp, x: xp.ones(3) + x,
        lambda xp, x: xp.add(xp.ones(3), x),
        lambda xp, x: xp.add.reduce(x),
        lambda xp, x: xp.add.outer(x, x),
        lambda xp, x: xp.matmul(x, xp.ones((3, 3))),
        lambda xp, x: xp.ones((3, 3)) @ x,
        lambda xp, x: xp.add.reduceat(x, [0, 1]),
        lambda xp, x: xp.add(x, 1, dtype="f4"),
        lambda xp, x: xp.add.accumulate(x),
    ],
)
def test_a_class_that_is_asked_sees_the_functions_of_the_program_and_tensors(program: Any) -> None:
    def value(xp: Any) -> Any:
        return program(xp, type("OwnLength", (Length,), {"xp": xp})(xp.arange(3.0))).value

    assert_agree(value)
    assert isinstance(value(cnp), LazyTensor)


def test_a_function_that_no_operand_knows_is_numpys_error() -> None:
    assert_agree(lambda xp: _refused(lambda: xp.sin(type("OwnLength", (Length,), {"xp": xp})(xp.arange(3.0)))))
    assert_agree(lambda xp: _refused(lambda: xp.ones(3) * type("OwnLength", (Length,), {"xp": xp})(xp.arange(3.0))))


class Recording:
    """Returns how it was asked."""

    def __array_ufunc__(self, ufunc: Any, method: str, *operands: Any, **options: Any) -> Any:
        return method, len(operands), sorted(options), [kind_of(each) for each in options.get("out", ())]


@pytest.mark.parametrize(
    "program",
    [
        lambda xp, x: xp.sin(x, None),
        lambda xp, x: xp.modf(x, out=(None, None)),
        lambda xp, x: xp.modf(x, xp.ones(1), None),
        lambda xp, x: xp.multiply(1, x, subok=False, where=True, dtype="f4"),
        lambda xp, x: xp.multiply(1, x, sig="dd->d"),
        lambda xp, x: xp.multiply(1, x, unknown=1),
        lambda xp, x: xp.multiply(x),
        lambda xp, x: xp.multiply(1, x, out=(x, x)),
        lambda xp, x: xp.modf(x, out=x),
        lambda xp, x: xp.multiply([1], [2], out=x),
        lambda xp, x: xp.multiply(xp.ones(2), 2, x),
        lambda xp, x: xp.multiply(xp.ones(2).view(type("Own", (xp.ndarray,), {})), 2, out=x),
        lambda xp, x: xp.add.reduce(x, axis=0, keepdims=True),
        lambda xp, x: xp.add(object(), 1, out=xp.ones(1)),
    ],
)
def test_a_class_is_asked_with_the_arguments_that_were_given(program: Any) -> None:
    assert_agree(lambda xp: program(xp, Recording()))


def test_an_operand_that_takes_part_in_nothing_is_refused() -> None:
    none = type("Alone", (), {"__array_ufunc__": None})()
    for program in (
        lambda xp: xp.add(Answering(), none),
        lambda xp: xp.add(Answering(), 1, out=none),
        lambda xp: xp.matmul(none, Answering()),
        lambda xp: xp.negative(none),
        lambda xp: xp.add(xp.ones(3), none),
    ):
        assert_agree(program)


def _refused(program: Any) -> tuple[str, str]:
    with pytest.raises(TypeError) as caught:
        program()
    return type(caught.value).__name__, str(caught.value)[:60]


def test_operators_of_the_mixin_ask_for_the_functions_of_the_program() -> None:
    def asked(xp: Any) -> list[Any]:
        class Asked(xp.lib.mixins.NDArrayOperatorsMixin):
            def __array_ufunc__(self, ufunc: Any, method: str, *operands: Any, **options: Any) -> Any:
                known = [name for name in ("add", "negative", "divmod", "matmul", "less") if ufunc is getattr(xp, name)]
                return known, [kind_of(each) for each in operands], "out" in options

        one, ones = Asked(), xp.ones(3)
        results = [one + 1, 1 + one, ones + one, one + ones, -one, divmod(one, 2), one @ ones, one < 1, ones < one]
        one += 1
        return [*results, one]

    assert_agree(asked)


def test_functions_are_equal_to_numpys_own() -> None:
    assert cnp.add == np.add
    assert np.matmul == cnp.matmul
    assert cnp.add != np.subtract
    assert {np.add: 1, np.matmul: 2}[cnp.add] == 1
    assert cnp.bitwise_count in {np.bitwise_count}


def test_a_tensor_is_no_answer() -> None:
    x = cnp.ones(3)
    x += 1
    assert isinstance(x, LazyTensor)
