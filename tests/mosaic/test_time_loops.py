"""`nn.scan` and the recurrent layers in C: numpy's values and derivatives, no islands, and C whose size does not depend on the length."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import composit.numpy as cnp
import mosaic
from composit import nn
from tests.sampling import one_in


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed + sum(shape)).normal(size=shape)


def check(outputs: Sequence[Any], inputs: Sequence[Any], **options: Any) -> Any:
    """The compiled outputs are those of numpy; all in C."""
    expected = cnp.evaluate(list(outputs))
    model = mosaic.compile(list(outputs), inputs=list(inputs), **options)
    assert "island" not in model.explain()
    for given, wanted in zip(model(*map(np.asarray, inputs)), expected, strict=True):
        np.testing.assert_allclose(given, wanted, rtol=1e-11, atol=1e-12, strict=True)
    return model


def rnn(h: Any, x: Any, w: Any) -> Any:
    h = cnp.tanh(x + h @ w)
    return h, h


def pair(state: Any, x: Any, w: Any) -> Any:
    """Two carried values that change places, one of them an integer matrix that counts."""
    a, b, count = state
    return (b, cnp.sin(a + x) @ w, count + (x > 0)), (a, count)


def before(h: Any, x: Any, w: Any) -> Any:
    """What is stacked is the value before the step, the input itself, and a constant."""
    return 0.5 * h @ w + x, (h, x, w, 1.0)


def writes(h: Any, x: Any, w: Any) -> Any:
    y = h @ w
    y[0] = x[1]
    return y, cnp.sum(y)


def sums(h: Any, x: Any, w: Any) -> Any:
    return h + cnp.sum(x), cnp.max(x @ w, axis=0)


def unchanged(h: Any, x: Any, w: Any) -> Any:
    return h, x @ w


STEPS: list[tuple[Callable[..., Any], Any]] = [
    (rnn, np.zeros((2, 4))),
    (pair, (np.ones((2, 4)), np.zeros((2, 4)), np.zeros((2, 4), int))),
    (before, normal(2, 4)),
    (writes, normal(2, 4)),
    (sums, 0.0),
    (unchanged, normal(3)),
]


@pytest.mark.parametrize(
    ("step", "start", "reverse", "fuse"),
    one_in(3, ((*each, reverse, fuse) for each in STEPS for reverse in (False, True) for fuse in (True, False))),
)
def test_loops_are_compiled(step: Callable[..., Any], start: Any, reverse: bool, fuse: bool) -> None:
    w, x = cnp.asarray(normal(4, 4) / 2), cnp.asarray(normal(5, 2, 4))
    outputs: list[Any] = []
    last, stacked = nn.scan(lambda h, x: step(h, x, w), start, x, reverse=reverse)
    for container in (last, stacked):
        outputs += container if isinstance(container, tuple) else [container]
    check(outputs, [w, x], fuse=fuse)


@pytest.mark.parametrize("read", ["last", "stacked", "both"])
def test_only_what_is_read_is_stored(read: str) -> None:
    w, x = cnp.asarray(normal(8, 8)), cnp.asarray(normal(50, 8, 8))
    last, stacked = nn.scan(lambda h, x: (cnp.tanh(x + h @ w), cnp.exp(h)), np.zeros((8, 8)), x)
    model = check({"last": [last], "stacked": [stacked], "both": [last, stacked]}[read], [w, x])
    # The stack of what derivatives read would take 50 matrices of 512 bytes.
    assert model.buffers.arena_bytes < 10 * 512


@pytest.mark.parametrize("length", [0, 1])
def test_loops_without_steps_and_of_one(length: int) -> None:
    w, x, h = cnp.asarray(normal(4, 4)), cnp.asarray(normal(length, 2, 4)), cnp.asarray(normal(2, 4))
    last, stacked = nn.scan(lambda h, x: rnn(h, x, w), h, x)
    if length:
        check([last, stacked], [w, x, h])
    else:
        model = mosaic.compile([last, stacked], inputs=[h])
        given = model(np.asarray(h))
        np.testing.assert_array_equal(given[0], np.asarray(h))
        assert given[1].shape == (0, 2, 4)


def test_scans_in_scans_are_loops_in_loops() -> None:
    x = cnp.asarray(normal(3, 4, 2))

    def row(total: Any, x: Any) -> Any:
        return nn.scan(lambda t, each: (cnp.sin(t + each), t * each), total, x)

    last, stacked = nn.scan(row, np.full(2, 0.5), x)
    (slope,) = nn.chain_rule({last: last, stacked: stacked}, [x])
    check([last, stacked, slope], [x])


def test_one_step_without_c_leaves_the_whole_loop_to_numpy() -> None:
    x = cnp.asarray(normal(3, 2, 2))
    last, stacked = nn.scan(lambda c, x: (cnp.linalg.inv(c + x), c), np.eye(2) * 5, x)
    model = mosaic.compile([last, stacked], inputs=[x])
    assert "inv has no lowering to C" in model.explain()
    for given, wanted in zip(model(np.asarray(x)), cnp.evaluate([last, stacked]), strict=True):
        np.testing.assert_allclose(given, wanted)


def weights(kind: str, num_gates: int, layers: int, suffixes: Sequence[str], inputs: int = 3, hidden: int = 5) -> Any:
    found = {}
    for layer in range(layers):
        for suffix in suffixes:
            rows, columns = num_gates * hidden, inputs if not layer else hidden * len(suffixes)
            for name, shape in (
                ("weight_ih", (rows, columns)),
                ("weight_hh", (rows, hidden)),
                ("bias_ih", (rows,)),
                ("bias_hh", (rows,)),
            ):
                found[f"{name}_l{layer}{suffix}"] = normal(*shape, seed=layer + len(suffix)) / 3
    return found


LAYERS = [("rnn", 1, nn.rnn), ("gru", 3, nn.gru), ("lstm", 4, nn.lstm)]
# Number of layers, endings of the directions' names, lengths of the sequences.
FORMS = [(1, [""], None), (2, ["", "_reverse"], [2, 6, 0, 3])]


@pytest.mark.parametrize(
    ("kind", "num_gates", "layer", "num_layers", "suffixes", "lengths"),
    one_in(2, ((*layer, *form) for form in FORMS for layer in LAYERS)),
)
def test_recurrent_layers_and_their_gradients_are_compiled(
    kind: str, num_gates: int, layer: Any, num_layers: int, suffixes: Sequence[str], lengths: Any
) -> None:
    parameters = {name: cnp.asarray(each) for name, each in weights(kind, num_gates, num_layers, suffixes).items()}
    x = cnp.asarray(normal(6, 4, 3))

    def loss(parameters: Any, x: Any) -> Any:
        y, last = layer(x, None, parameters, lengths=lengths)
        states = last if isinstance(last, tuple) else (last,)
        return cnp.sum(y**2) + sum(cnp.sum(cnp.sin(each)) for each in states)

    value, slopes = nn.value_and_grad(loss, (0, 1))(parameters, x)
    check([value, *slopes[0].values(), slopes[1]], [*parameters.values(), x])


def test_second_derivatives_are_compiled() -> None:
    w, x = cnp.asarray(normal(4, 4) / 2), cnp.asarray(normal(5, 2, 4))

    def loss(w: Any) -> Any:
        return cnp.sum(nn.scan(lambda h, x: rnn(h, x, w), np.zeros((2, 4)), x)[1] ** 2)

    (second,) = [nn.grad(lambda w: cnp.sum(nn.grad(loss)(w) ** 2))(w)]
    check([second], [w, x])


def test_the_c_does_not_grow_with_the_length() -> None:
    sizes = set()
    for length in (3, 100, 10_000):
        w, x = cnp.asarray(normal(4, 4) / 9), cnp.asarray(np.ones((length, 2, 4)))

        def loss(w: Any, x: Any) -> Any:
            return cnp.sum(nn.scan(lambda h, x: rnn(h, x, w), np.zeros((2, 4)), x)[1])

        model = mosaic.compile(list(nn.grad(loss, (0, 1))(w, x)), inputs=[w, x])
        sizes.add((len(model.kernels), model.source.count("static void kernel")))
    assert len(sizes) == 1


def test_a_carried_value_that_only_the_loop_reads_keeps_its_start() -> None:
    """All that depends on the second stacked result is folded, so its array has no reader behind the loop."""
    c, w, x = cnp.asarray(normal(2, 4)), cnp.asarray(normal(4, 4)), cnp.asarray(normal(5, 2, 4))

    def step(carry: Any, x: Any) -> Any:
        h, c = carry
        c = cnp.tanh(x + h @ w) * c
        h = cnp.tanh(c)
        return (h, c), h

    y = nn.scan(step, (c * 2, c), x)[1]
    (slope,) = cnp.chain_rule({y: np.ones(y.shape)}, [x])
    check([y, cnp.sum(slope)], [])


def test_a_weight_is_packed_once_before_the_loop() -> None:
    w, x = cnp.asarray(normal(48, 48)), cnp.asarray(normal(5, 48, 48))
    last, _ = nn.scan(lambda h, x: rnn(h, x, w.T), np.zeros((48, 48)), x)
    (stage,) = (stage for stage in mosaic.stages(last, inputs=[w, x]) if stage.name == "store_panels")
    packing = [line for line in str(stage).splitlines() if "input_0" in line and "=" in line]
    heads = [line for line in str(stage).splitlines() if line.startswith("for")]
    assert packing
    assert not any(line.startswith("for i") for line in heads[: len(packing)])


def test_results_do_not_depend_on_the_number_of_threads() -> None:
    w, x = normal(64, 64).astype(np.float32) / 9, normal(7, 96, 64).astype(np.float32)
    tensors = [cnp.asarray(w), cnp.asarray(x)]

    def loss(w: Any, x: Any) -> Any:
        return cnp.sum(nn.scan(lambda h, x: rnn(h, x, w), np.zeros((96, 64), np.float32), x)[1] ** 2)

    outputs = list(nn.grad(loss, (0, 1))(*tensors))
    results = [mosaic.compile(outputs, inputs=tensors, num_threads=count)(w, x) for count in (1, 2)]
    for one, other in zip(*results, strict=True):
        np.testing.assert_array_equal(one, other)


def test_an_index_out_of_bounds_in_a_step_is_an_error() -> None:
    table, places = cnp.asarray(normal(5, 3)), cnp.asarray(np.array([0, 4, 2]))
    last, _ = nn.scan(lambda c, place: (c + table[place], None), np.zeros(3), places)
    model = mosaic.compile(last, inputs=[table, places])
    np.testing.assert_allclose(model(np.asarray(table), np.array([0, 4, 2])), np.asarray(table)[[0, 4, 2]].sum(axis=0))
    with pytest.raises(IndexError):
        model(np.asarray(table), np.array([0, 5, 2]))
