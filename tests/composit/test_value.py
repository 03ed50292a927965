"""One record of a node's result, and one rule of when two are the same value."""

import ast

import numpy as np
import pytest

import composit.numpy as cnp
import mosaic
from composit.errors import ParameterError
from composit.program import build_program
from composit.value import Value, identity_of, value_of
from tests.architecture.sources import modules


def test_equal_expressions_are_two_values() -> None:
    x = cnp.asarray([1.0, 2.0])
    first, second = cnp.exp(x), cnp.exp(x)
    assert first.node == second.node
    assert value_of(first) != value_of(second)
    assert value_of(first) == value_of(first)
    assert len({value_of(first), value_of(second), value_of(first)}) == 2


def test_results_of_one_node_are_several_values() -> None:
    first, second = cnp.divmod(cnp.asarray([5, 7]), 2)
    assert first.node is second.node
    assert value_of(first) != value_of(second)
    assert value_of(second) == Value(first.node, 1)


@pytest.mark.parametrize("leaf", [lambda: cnp.asarray([1.0, 2.0]), lambda: cnp.zeros(2), lambda: cnp.arange(2.0)])
def test_a_relabelled_leaf_is_the_same_value(leaf) -> None:
    x = leaf()
    named = cnp.with_name(x, "weight")
    assert named.node is not x.node
    assert value_of(named) == value_of(x)
    assert value_of(named).identity == identity_of(x.node, 0)


def test_a_relabelled_result_is_another_value() -> None:
    y = cnp.exp(cnp.asarray([1.0]))
    assert value_of(cnp.with_name(y, "y")) != value_of(y)


def test_values_compare_without_digests() -> None:
    y = cnp.exp(cnp.asarray([1.0]))
    assert value_of(y) in {value_of(y)}
    assert y.node._key is None


def test_a_value_is_no_pair() -> None:
    x = cnp.asarray([1.0])
    assert value_of(x) != (x.node, 0)


@pytest.mark.parametrize("leaf", [lambda: cnp.asarray([1.0, 2.0]), lambda: cnp.zeros(2)])
def test_a_leaf_is_one_instruction_however_many_nodes_carry_it(leaf) -> None:
    x = leaf()
    y = x + cnp.with_name(x, "x")
    program = build_program([value_of(y)]).program
    assert len(program.instructions) == 2
    assert program.instructions[1].operands == ((0, 0), (0, 0))


@pytest.mark.parametrize("leaf", [lambda: cnp.asarray([1.0, 2.0]), lambda: cnp.zeros(2)])
def test_a_value_given_for_a_leaf_is_given_for_all_nodes_that_carry_it(leaf) -> None:
    x = leaf()
    named = cnp.with_name(x, "x")
    y = x + 10 * named
    for given in (x, named):
        assert cnp.evaluate(y, inputs={given: np.array([1.0, 2.0])}).tolist() == [11.0, 22.0]


def test_one_input_under_two_names_is_given_once() -> None:
    x = cnp.asarray([1.0, 2.0])
    named = cnp.with_name(x, "x")
    with pytest.raises(ParameterError, match="only 1 differ"):
        mosaic.compile(x + named, inputs=[x, named])


def test_results_are_compared_by_their_identity_alone() -> None:
    """A pair (id(node), index) written out would be a second rule; direct.py's own keys of memory stand apart."""
    written_out = [
        f"{module.where}:{node.lineno}"
        for module in modules()
        if module.name not in ("composit.value", "composit.direct")
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Tuple)
        and len(node.elts) == 2
        and isinstance(node.elts[0], ast.Call)
        and ast.unparse(node.elts[0].func) == "id"
        and "index" in ast.unparse(node.elts[1])
    ]
    assert not written_out
