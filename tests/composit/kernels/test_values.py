"""Kernels on arrays compute what Python computes on numbers."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import composit.numpy as cnp
from composit.errors import DtypeError, KernelAssertionError, KernelNameError, OperandError
from composit.kernels import elementwise, register, vmap
from tests.composit.kernels.examples import EXAMPLES, drawn


def flat(value: Any) -> list[Any]:
    return [leaf for item in value for leaf in flat(item)] if isinstance(value, tuple | list) else [value]


@pytest.mark.parametrize("function", EXAMPLES, ids=lambda each: each.__name__)
def test_a_kernel_computes_what_python_computes(function: Callable[..., Any]) -> None:
    arguments = drawn(function, 40)
    computed = flat(cnp.evaluate(*flat(register(function)(*arguments))))
    for place in range(40):
        expected = flat(function(*(each[place].item() for each in arguments)))
        np.testing.assert_allclose([each[place] for each in computed], expected, rtol=1e-14, atol=1e-300)


def test_a_kernel_is_one_node_of_the_graph() -> None:
    @register
    def twice(x: float) -> float:
        return 2 * x

    x = cnp.ones((3,))
    y = twice(x)
    assert len(y.graph) == 2
    assert y.name == "twice"
    assert twice(x).node == y.node


def test_the_three_spellings_make_kernels_of_a_function() -> None:
    def twice(x: float) -> float:
        return 2 * x

    for make in (
        register,
        register(),
        register(generate_lm=True),
        elementwise,
        elementwise(example_element=1.23),
        vmap,
    ):
        kernel = make(twice)
        assert cnp.evaluate(kernel(np.array([1.0, 2.0]))).tolist() == [2.0, 4.0]
        assert kernel(1.5) == 3.0
        assert kernel.__name__ == "twice"


def test_operands_broadcast_and_floats_have_the_width_of_the_operands() -> None:
    @register
    def scaled(x: float, k: int) -> tuple[float, int, bool]:
        return x * k, k + 1, x > k

    value, count, holds = scaled(np.ones((2, 1), np.float32), np.arange(3, dtype=np.int32))
    assert (value.shape, value.dtype, count.dtype, holds.dtype) == ((2, 3), np.float32, np.int64, np.bool)
    assert scaled(np.ones(2), 1)[0].dtype == np.float64
    assert scaled(np.arange(2), 1)[0].dtype == np.float64
    assert cnp.evaluate(scaled(2.0, np.int64(3))[0]) == 6.0
    assert cnp.evaluate(value).tolist() == [[0.0, 1.0, 2.0]] * 2
    assert cnp.evaluate(scaled(np.ones((0,)), 1)[0]).shape == (0,)


def test_parameters_without_annotation_take_the_kind_of_the_argument() -> None:
    @register
    def half(x):
        return x / 2

    @register
    def same(x):
        return x

    assert cnp.evaluate(half(np.array([1, 2]))).tolist() == [0.5, 1.0]
    assert same(np.array([1, 2])).dtype == np.int64
    assert same(np.array([1.0])).dtype == np.float64
    assert same(np.array([True])).dtype == np.bool


def test_tuples_go_in_and_come_out() -> None:
    @register
    def swapped(pair: tuple[float, float], k: int) -> tuple[tuple[float, float], int]:
        x, y = pair
        return (y, x), k

    (first, second), third = swapped((np.array([1.0]), np.array([2.0])), np.array([3]))
    assert cnp.evaluate(first, second, third) == (np.array([2.0]), np.array([1.0]), np.array([3]))


def test_operands_of_other_dtypes_are_refused() -> None:
    @register
    def counted(n: int) -> int:
        return n

    with pytest.raises(DtypeError, match=r"complex128 was given; expected float32"):
        counted(np.array([1j]))
    with pytest.raises(OperandError, match="2 arguments were given; expected 1: n"):
        counted(np.array([1]), np.array([2]))


def test_an_assert_raises_with_its_line() -> None:
    @register
    def positive(x: float) -> float:
        assert x > 0, "x must be positive"
        return math.log(x)

    assert cnp.evaluate(positive(np.array([1.0]))) == 0.0
    with pytest.raises(
        KernelAssertionError, match=r"x must be positive\n  File .*test_values.py\", line \d+, in positive"
    ):
        cnp.evaluate(positive(np.array([1.0, -1.0])))
    with pytest.raises(AssertionError, match="x must be positive"):
        positive(-1.0)


def test_a_branch_that_is_not_taken_is_not_computed() -> None:
    @register
    def guarded(x: float) -> float:
        if x > 0:
            return 1 / x + math.log(x)
        return 0.0 if x == 0 or 1 / x < 0 else 1.0

    with np.errstate(all="raise"):
        assert cnp.evaluate(guarded(np.array([0.0, 1.0, -2.0]))).tolist() == [0.0, 1.0, 0.0]


def test_division_by_zero_follows_errstate() -> None:
    @register
    def inverse(x: float) -> float:
        return 1 / x

    with np.errstate(divide="ignore"):
        assert cnp.evaluate(inverse(np.array([0.0]))).tolist() == [math.inf]
    with np.errstate(divide="raise"), pytest.raises(FloatingPointError):
        cnp.evaluate(inverse(np.array([0.0])))


def test_elements_beyond_one_block_are_computed_too() -> None:
    @register
    def halvings(x: float) -> int:
        count = 0
        while x > 1:
            x /= 2
            count += 1
        return count

    x = np.random.default_rng(0).uniform(0, 1e6, 40_000)
    assert np.array_equal(cnp.evaluate(halvings(x)), np.maximum(0, np.ceil(np.log2(x))).astype(np.int64))


@register
def fibonacci(n: int) -> int:
    return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)


@register
def is_even(n: int) -> bool:
    return True if n == 0 else is_odd(n - 1)


@register
def is_odd(n: int) -> bool:
    return False if n == 0 else is_even(n - 1)


@register
def calls_nothing(x: float) -> float:
    return missing(x) + 1.0  # type: ignore[name-defined,no-any-return]  # noqa: F821


@pytest.mark.parametrize("backend", ["numpy", "mosaic"])
def test_a_decorated_function_calls_itself_and_what_is_defined_below(backend: str) -> None:
    numbers = cnp.asarray(np.arange(12))
    assert cnp.evaluate(fibonacci(numbers), backend=backend).tolist() == [0, 1, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89]
    assert cnp.evaluate(is_even(numbers), backend=backend).tolist() == [True, False] * 6


def test_a_function_that_is_never_defined_is_an_error_of_the_first_call() -> None:
    with pytest.raises(KernelNameError, match=r"the name `missing` is not defined(.|\n)*missing\(x\) \+ 1.0"):
        calls_nothing(cnp.asarray([1.0]))
    with pytest.raises(NameError):
        calls_nothing.derivative_source  # noqa: B018
