"""Programs: digests of structure, pickling, and the lines that errors name."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import composit as cnp
from composit.program import program_of

PRINT_A_DIGEST = """
import numpy as np, composit as cnp
from composit.program import program_of
x, w = cnp.asarray(np.arange(6.0).reshape(2, 3)), cnp.ones((3, 2))
y = cnp.pad(cnp.tanh(x @ w + cnp.arange(2))[1:, ::-1], 1, constant_values=2)
y = cnp.take(cnp.concatenate([y, y.astype("float32")], 0), [0, 1], axis=0)
print(program_of([y, cnp.einsum("ij->ji", y), *cnp.split(y, 2)]).digest.hex())
"""


def test_digests_are_equal_in_every_process():
    digests = {_digest_in_a_process(seed) for seed in ("1", "12345")}
    assert len(digests) == 1


def _digest_in_a_process(hash_seed: str) -> str:
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    run = subprocess.run(
        [sys.executable, "-c", PRINT_A_DIGEST], capture_output=True, text=True, env=environment, check=True
    )
    return run.stdout.strip()


def test_digests_are_blind_to_serials_keys_and_names():
    def build() -> Any:
        with cnp.name_scope(str(np.random.default_rng().integers(10**9))):
            return program_of([cnp.asarray(np.arange(3.0)) * 2 + cnp.zeros(3)])

    assert build().digest == build().digest


X = cnp.asarray(np.arange(6.0).reshape(2, 3))
Y = cnp.asarray(np.arange(6.0).reshape(2, 3))
VARIANTS: dict[str, list[Any]] = {
    "scalar types": [X * 2, X * 2.0, X * np.float64(2), X * np.float32(2), X * True],
    "zeros": [X + 0.0, X + -0.0, X + 0],
    "axes": [cnp.sum(X, axis=0), cnp.sum(X, axis=1), cnp.sum(X), cnp.sum(X, axis=0, keepdims=True)],
    "reductions": [cnp.sum(X), cnp.prod(X), cnp.max(X), cnp.min(X), cnp.sum(X, dtype="float32")],
    "dtypes": [X.astype("float32"), X.astype("int32"), X.astype("int64"), X.astype("bool")],
    "order": [X - Y, cnp.subtract(Y, X) + 0 * X, X - X],
    "creations": [
        cnp.zeros(3) + 1,
        cnp.ones(3) + 1,
        cnp.zeros(3, "float32") + 1,
        cnp.full(3, 0) + 1,
        cnp.arange(3) + 1,
    ],
    "aranges": [cnp.arange(3), cnp.arange(0, 6, 2), cnp.arange(1, 4), cnp.arange(3.0), cnp.arange(3, dtype="int32")],
    "indices": [X[0], X[1], X[:1], X[0:1, 0], X[:, 0], X[:, None][:, 0], X[::-1]],
    "takes": [cnp.take(X, [0]), cnp.take(X, [0], axis=0), cnp.take(X, [0], mode="clip"), cnp.take(X, [0], mode="wrap")],
    "pads": [cnp.pad(X, 1), cnp.pad(X, (1, 0)), cnp.pad(X, 1, constant_values=1), cnp.pad(X, 1, constant_values=1.0)],
    "shapes": [X.reshape(3, 2), X.reshape(6), X.reshape(1, 6), X.T, X.T.reshape(2, 3)],
    "functions": [X + Y, X * Y, cnp.maximum(X, Y), cnp.fmax(X, Y), cnp.hypot(X, Y)],
    "dtype arguments": [cnp.add(X, Y), cnp.add(X, Y, dtype="float32"), cnp.add(X, Y, dtype="complex128")],
    "einsums": [cnp.einsum("ij,ij->i", X, Y), cnp.einsum("ij,ij->j", X, Y), cnp.einsum("ij,ij->", X, Y)],
    "outputs": [cnp.split(X, 3, axis=1)[0], cnp.split(X, 3, axis=1)[1], cnp.split(X, [1], axis=1)[0]],
    "running": [cnp.cumsum(X, axis=0), cnp.cumsum(X, axis=1), cnp.cumprod(X, axis=0), cnp.cumsum(X)],
    "positions": [cnp.argmax(X), cnp.argmin(X), cnp.argmax(X, axis=0), cnp.argmax(X, axis=0, keepdims=True)],
    "moments": [cnp.var(X), cnp.std(X), cnp.var(X, ddof=1), cnp.mean(X)],
}


@pytest.mark.parametrize("name", VARIANTS)
def test_every_parameter_is_in_the_key_and_in_the_digest(name: str):
    variants = VARIANTS[name]
    keys = {(tensor.node.key(), tensor.output_index) for tensor in variants}
    digests = {program_of([tensor]).digest for tensor in variants}
    assert len(keys) == len(variants)
    assert len(digests) >= len(variants) - (name == "order")


EXPRESSIONS: list[Callable[[Any, Any], Any]] = [
    lambda x, y: cnp.tanh(x @ y.T + 1)[0, ::-1] * 2.5,
    lambda x, y: cnp.where(x > y, x, 0.0).reshape(-1),
    lambda x, y: cnp.pad(cnp.concatenate([x, y], axis=1), 1),
    lambda x, y: cnp.split(x, 3, axis=1)[2] + y,
    lambda x, y: cnp.std(x, axis=0, ddof=1) * y,
    lambda x, y: cnp.einsum("ij,kj->ik", x, y),
    lambda x, y: cnp.clip(x, 0, 1) + cnp.cumsum(y, axis=1),
]


@pytest.mark.parametrize("position", range(len(EXPRESSIONS)))
def test_equal_expressions_are_equal_nodes_and_of_other_inputs_are_not(position: int):
    build = EXPRESSIONS[position]
    assert build(X, Y).node == build(X, Y).node
    assert hash(build(X, Y).node) == hash(build(X, Y).node)
    assert build(X, Y).node != build(Y, X).node
    assert len((build(X, Y) + build(X, Y)).graph) == len(build(X, Y).graph) + 1


@pytest.mark.parametrize("position", range(len(EXPRESSIONS)))
def test_graphs_and_programs_pickle(position: int):
    tensor = EXPRESSIONS[position](X, Y)
    graph, *leaves = pickle.loads(pickle.dumps((tensor.graph, X.node, Y.node)))
    assert len(graph) == len(tensor.graph)
    node = list(cnp.multidigraph.topological_traversal(graph))[-1]
    again = cnp.LazyTensor(graph, node, tensor.output_index)
    assert (again.shape, again.dtype) == (tensor.shape, tensor.dtype)
    np.testing.assert_array_equal(cnp.evaluate(again), cnp.evaluate(tensor))
    # The inputs that were pickled beside it are those it is computed from.
    inputs = [cnp.LazyTensor(None, leaf) for leaf in leaves]
    replaced = cnp.evaluate(again, inputs={each: np.ones((2, 3)) for each in inputs})
    np.testing.assert_array_equal(replaced, cnp.evaluate(tensor, inputs={X: np.ones((2, 3)), Y: np.ones((2, 3))}))
    program = program_of([tensor])
    loaded = pickle.loads(pickle.dumps(program))
    assert loaded.digest == program.digest
    assert str(loaded) == str(program)


@pytest.mark.parametrize("backend", ["numpy", "mosaic"])
def test_an_error_names_the_line_that_built_it_also_if_another_was_prepared_before(backend: str):
    def good(values: Any, places: Any) -> Any:
        return cnp.take(values, places + 0)

    def bad(values: Any, places: Any) -> Any:
        return cnp.take(values, places + 0)

    values = cnp.asarray(np.arange(3.0))
    cnp.evaluate(good(values, cnp.asarray(np.array([0, 1]))), backend=backend)
    with pytest.raises(IndexError) as caught:
        cnp.evaluate(bad(values, cnp.asarray(np.array([7, 8]))), backend=backend)
    said = "".join([str(caught.value), *getattr(caught.value, "__notes__", [])])
    assert "in bad" in said
    assert "in good" not in said
