"""Derivatives of `nn.scan`, compared with those of the same loop unrolled, and with differences."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import composit.numpy as cnp
from composit import nn
from composit.handle import make_tensor
from composit.nn import chain_rule

Step = Callable[..., Any]


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed + sum(shape)).normal(size=shape)


def unrolled(step: Step, init: Any, xs: Sequence[Any], reverse: bool) -> Any:
    """The same loop in Python: one node per operation and step."""
    stacked: list[Any] = [None] * len(xs)
    for place in range(len(xs))[::-1] if reverse else range(len(xs)):
        init, stacked[place] = step(init, xs[place])
    return init, cnp.stack(stacked)


def rnn(w: Any, u: Any, b: Any) -> Step:
    def step(h: Any, x: Any) -> Any:
        h = cnp.tanh(x @ u + h @ w + b)
        return h, cnp.sum(h * h, axis=-1)

    return step


def own_output(w: Any, u: Any, b: Any) -> Step:
    def step(h: Any, x: Any) -> Any:
        h = 0.5 * cnp.sin(h @ w) + x @ u * b
        return h, h

    return step


def used_twice(w: Any, u: Any, b: Any) -> Step:
    """The weight stands in products on either side, in a sum and turned."""

    def step(h: Any, x: Any) -> Any:
        h = cnp.tanh(h @ w @ w.T + x @ u + cnp.sum(w) * b)
        return h, cnp.exp(-h) @ w

    return step


def of_vectors(w: Any, u: Any, b: Any) -> Step:
    def step(h: Any, x: Any) -> Any:
        h = cnp.stack([cnp.tanh(w @ h[0] + x[0] @ u), b * h[1]])
        return h, x @ u

    return step


STEPS = [rnn, own_output, used_twice, of_vectors]


def arguments() -> list[np.ndarray]:
    return [normal(4, 4) / 2, normal(3, 4, seed=1), normal(4, seed=2), normal(2, 4, seed=3), normal(5, 2, 3, seed=4)]


@pytest.mark.parametrize("make", STEPS)
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("read", ["last", "stacked", "both"])
def test_gradients_are_those_of_the_unrolled_loop(make: Callable[..., Step], reverse: bool, read: str) -> None:
    def loss(run: Callable[..., Any], *args: Any) -> Any:
        w, u, b, h, x = args
        last, stacked = run(make(w, u, b), h, x, reverse)
        terms = {"last": [cnp.sum(cnp.sin(last))], "stacked": [cnp.sum(stacked**2)]}
        return sum(terms.get(read, [*terms["last"], *terms["stacked"]]))

    def scanned(step: Step, h: Any, x: Any, reverse: bool) -> Any:
        return nn.scan(step, h, x, reverse=reverse)

    given = list(map(cnp.asarray, arguments()))
    ours = nn.grad(lambda *args: loss(scanned, *args), argnums=range(5))(*given)
    theirs = nn.grad(lambda *args: loss(unrolled, *args), argnums=range(5))(*given)
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(cnp.evaluate(one), cnp.evaluate(other), rtol=1e-11, atol=1e-12)
        np.testing.assert_allclose(cnp.evaluate(one, backend="torch"), cnp.evaluate(other), rtol=1e-11, atol=1e-12)
    for one, other in zip(_second(scanned, loss, given), _second(unrolled, loss, given), strict=True):
        np.testing.assert_allclose(cnp.evaluate(one), cnp.evaluate(other), rtol=1e-10, atol=1e-11)


def _second(run: Callable[..., Any], loss: Callable[..., Any], given: Sequence[Any]) -> Sequence[Any]:
    """The gradient of a norm of the gradient."""

    def slope(*args: Any) -> Any:
        slopes = nn.grad(lambda *args: loss(run, *args), argnums=range(5))(*args)
        return sum(cnp.sum(cnp.cos(each)) for each in slopes)

    gradients: Sequence[Any] = nn.grad(slope, argnums=range(5))(*given)
    return gradients


@pytest.mark.parametrize("make", STEPS)
def test_changes_along_tangents_are_those_of_the_unrolled_loop(make: Callable[..., Step]) -> None:
    primals = list(map(cnp.asarray, arguments()))
    tangents = [cnp.asarray(normal(*each.shape, seed=9)) for each in primals]

    def ours(w: Any, u: Any, b: Any, h: Any, x: Any) -> Any:
        return nn.scan(make(w, u, b), h, x)

    def theirs(w: Any, u: Any, b: Any, h: Any, x: Any) -> Any:
        return unrolled(make(w, u, b), h, x, False)

    for one, other in zip(nn.jvp(ours, primals, tangents)[1], nn.jvp(theirs, primals, tangents)[1], strict=True):
        np.testing.assert_allclose(cnp.evaluate(one), cnp.evaluate(other), rtol=1e-11, atol=1e-12)


def test_third_derivatives_of_a_number() -> None:
    def power(x: Any) -> Any:
        return nn.scan(lambda c, _: (c * x, None), 1.0, length=5)[0]  # x to the fifth

    third = nn.grad(nn.grad(nn.grad(power)))
    np.testing.assert_allclose(cnp.evaluate(third(1.5)), 60 * 1.5**2)


def test_differences_agree_in_nested_scans_with_integers_among_what_is_carried() -> None:
    def row(state: Any, x: Any) -> Any:
        count, total = state
        total, products = nn.scan(lambda t, each: (cnp.sin(t + each) * (1 + count), t * each), total, x)
        return (count + 1, total), products

    def loss(start: Any, x: Any) -> Any:
        (_, last), products = nn.scan(row, (0, start), x)
        return cnp.sum(products**2) + last

    nn.check_gradients(loss, [0.3, normal(3, 4)], order=2)


def test_a_weight_of_a_matrix_product_gets_its_gradient_in_one_product_behind_the_loop() -> None:
    w = cnp.asarray(normal(64, 64))
    _, stacked = nn.scan(lambda h, x: ((h := cnp.tanh(h @ w + x)), h), cnp.zeros((2, 64)), cnp.zeros((9, 2, 64)))
    (gradient,) = chain_rule({stacked: stacked}, [w])
    assert gradient.node.name == "matmul"
    assert gradient.node.operands[0][0].types[0].shape == (64, 18)
    (backward,) = (node for node in gradient.graph if node.name == "scan" and node.operation.is_reversed)
    carried = backward.types[: backward.operation.body.num_carried]
    assert [each.shape for each in carried] == [(2, 64)]


def test_products_are_not_computed_again_backwards() -> None:
    w = cnp.asarray(normal(4, 4))
    last, _ = nn.scan(lambda h, x: (cnp.tanh(h @ w + x), None), cnp.zeros((2, 4)), cnp.zeros((9, 2, 4)))
    (gradient,) = chain_rule({last: last}, [w])
    (backward,) = (node for node in gradient.graph if node.name == "scan" and node.operation.is_reversed)
    names = [each.operation.name for each in backward.operation.body.program.instructions]
    assert names.count("matmul") == 1


def test_a_sum_with_a_product_is_kept_in_place_of_the_product() -> None:
    w = cnp.asarray(normal(4, 4))
    last, _ = nn.scan(lambda h, x: (cnp.tanh(h @ w + x), None), cnp.zeros((2, 4)), cnp.zeros((9, 2, 4)))
    (gradient,) = chain_rule({last: last}, [w])
    (backward,) = (node for node in gradient.graph if node.name == "scan" and node.operation.is_reversed)
    names = [each.operation.name for each in backward.operation.body.program.instructions]
    # tanh alone is computed again, from the sum.
    assert names.count("add") == 0


def test_only_what_is_wanted_is_differentiated() -> None:
    @nn.wrap_as_operation(result_types=lambda c: c)
    def without_derivative(c: Any) -> Any:
        return np.asarray(c) + 1

    weight = cnp.asarray(2.0)

    def step(state: Any, x: Any) -> Any:
        other, total = state
        return (without_derivative(other), total + weight * x), total

    (_, total), _ = nn.scan(step, (np.ones(2), np.zeros(2)), np.ones((3, 2)))
    (gradient,) = chain_rule({total: total}, [weight])
    assert cnp.evaluate(gradient) == 6.0
    start = cnp.asarray(np.ones(2))
    (other, _), _ = nn.scan(step, (start, np.zeros(2)), np.ones((3, 2)))
    with pytest.raises(NotImplementedError, match="wrapped without a derivative"):
        chain_rule({other: other}, [start])


def test_stopped_gradients_do_not_flow_through_steps() -> None:
    def loss(w: Any) -> Any:
        return nn.scan(lambda c, x: (nn.stop_gradient(c) * w + x, None), 1.0, np.array([1.0, 2.0]))[0]

    assert cnp.evaluate(nn.grad(loss)(3.0)) == 4.0  # of the last step alone
    w = cnp.asarray(3.0)
    stopped, _ = nn.scan(lambda c, x: (nn.stop_gradient(c * w) + x, None), 1.0, np.array([1.0, 2.0]))
    with pytest.raises(TypeError, match="only through operations that have no derivative"):
        chain_rule({stopped: stopped}, [w])


@pytest.mark.parametrize("length", [0, 1])
def test_gradients_of_loops_without_steps_and_of_one(length: int) -> None:
    def loss(run: Callable[..., Any], h: Any, x: Any, w: Any) -> Any:
        last, stacked = run(rnn(w, normal(3, 4), normal(4)), h, x)
        return cnp.sum(last**2) + cnp.sum(stacked)

    args = [cnp.asarray(normal(2, 4)), cnp.asarray(normal(length, 2, 3)), cnp.asarray(normal(4, 4))]
    ours = nn.grad(lambda *args: loss(nn.scan, *args), argnums=range(3))(*args)
    if length:
        theirs = nn.grad(lambda *args: loss(lambda *a: unrolled(*a, False), *args), argnums=range(3))(*args)
        expected = [cnp.evaluate(each) for each in theirs]
    else:
        expected = [2 * np.asarray(args[0]), np.zeros((0, 2, 3)), np.zeros((4, 4))]
    for one, other in zip(ours, expected, strict=True):
        np.testing.assert_allclose(cnp.evaluate(one), other, rtol=1e-12)


def test_gradients_keep_float32() -> None:
    w, x = normal(4, 4).astype(np.float32), normal(5, 2, 4).astype(np.float32)

    def loss(w: Any) -> Any:
        return cnp.sum(nn.scan(lambda h, x: ((h := cnp.tanh(h @ w + x)), h), cnp.zeros((2, 4), np.float32), x)[1])

    assert cnp.evaluate(nn.grad(loss)(w)).dtype == np.float32


def test_complex_values_have_gradients() -> None:
    def loss(real: Any, imaginary: Any) -> Any:
        w = real + 1j * imaginary
        last, _ = nn.scan(lambda c, x: (c * w + x, None), np.zeros(2, complex), normal(4, 2) + 1j)
        return cnp.sum(cnp.real(last * cnp.conj(last)))

    nn.check_gradients(loss, [0.5, 0.25], order=2)


def test_graphs_with_derivatives_are_pickled() -> None:
    w = cnp.asarray(normal(4, 4))
    last, _ = nn.scan(lambda h, x: (cnp.tanh(h @ w + x), None), np.zeros((2, 4)), normal(5, 2, 4))
    (gradient,) = chain_rule({last: last}, [w])
    loaded = pickle.loads(pickle.dumps(gradient.node))
    np.testing.assert_array_equal(cnp.evaluate(make_tensor(loaded)), cnp.evaluate(gradient))
    scans = [node.operation for node in gradient.graph if node.name == "scan"]
    for operation in scans:
        copy = pickle.loads(pickle.dumps(operation))
        assert copy == operation
        assert (copy.key(), copy.structure()) == (operation.key(), operation.structure())
