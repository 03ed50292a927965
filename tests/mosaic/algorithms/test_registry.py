"""Algorithms from outside: registered, chosen by name, by "custom", or as the default, and forgotten."""

from collections.abc import Iterator, Sequence

import numpy as np
import pytest

import composit as cnp
import mosaic
from composit.errors import ParameterError
from composit.operation import Operation
from mosaic.algorithms import register, unregister
from mosaic.ir.expressions import Load, literal
from mosaic.lowering.registry import Context, Value


def lower_to_sevens(operation: Operation, context: Context) -> Sequence[Value]:
    """Wrong on purpose, to be told apart from all others."""
    assert operation.name == "relu"
    Load(context.view(0))
    return (context.define(context.result(), literal(7, context.types[0].dtype)),)


def sevens(name: str, is_default: bool = False) -> mosaic.Algorithm:
    return mosaic.Algorithm("relu", name, "sevens", lower_to_sevens, lambda case: 0.0, is_default=is_default)


@pytest.fixture
def registered() -> Iterator[mosaic.Algorithm]:
    algorithm = register(sevens("sevens"))
    yield algorithm
    unregister(algorithm)


@pytest.mark.parametrize("name", ["sevens", "custom"])
def test_an_algorithm_from_outside_is_taken_by_name(name: str, registered: mosaic.Algorithm) -> None:
    x = cnp.asarray(np.ones(3))
    compiled = mosaic.compile(cnp.nn.relu(x), inputs=[x], algorithms={"relu": name})
    np.testing.assert_array_equal(compiled(np.ones(3)), [7, 7, 7])
    assert "sevens" in compiled.explain()
    np.testing.assert_array_equal(mosaic.compile(cnp.nn.relu(x), inputs=[x])(np.ones(3)), [1, 1, 1])


def test_a_default_from_outside_counts_for_programs_that_ran_before() -> None:
    x = cnp.asarray(np.ones(3))
    output = cnp.nn.relu(x)
    np.testing.assert_array_equal(cnp.evaluate(output, backend="mosaic"), [1, 1, 1])
    algorithm = register(sevens("sevens", is_default=True))
    try:
        np.testing.assert_array_equal(cnp.evaluate(cnp.nn.relu(x) + 0, backend="mosaic"), [7, 7, 7])
        np.testing.assert_array_equal(cnp.evaluate(cnp.nn.relu(cnp.asarray(np.ones(3))), backend="mosaic"), [7, 7, 7])
    finally:
        unregister(algorithm)
    np.testing.assert_array_equal(cnp.evaluate(cnp.nn.relu(cnp.asarray(np.ones(3))), backend="mosaic"), [1, 1, 1])
    assert "sevens" not in mosaic.algorithms_of("relu")


@pytest.mark.parametrize("name", ["direct", "default", "guess", "measured"])
def test_names_that_are_taken_are_refused(name: str) -> None:
    with pytest.raises(ParameterError, match=rf"register: '{name}' was given.*not taken.*'my {name}'"):
        register(sevens(name))


def test_the_latest_of_one_name_counts() -> None:
    first, second = register(sevens("mine")), register(sevens("mine"))
    assert mosaic.algorithms_of("relu")["mine"] is second
    unregister(first)
    assert mosaic.algorithms_of("relu")["mine"] is second
    unregister(second)
    assert "mine" not in mosaic.algorithms_of("relu")
