"""One process that builds and compiles BERT's training step once: `python -m benchmarks.bert.step_probe composit|jax THREADS LAYERS`.

It prints, as JSON, the seconds of building (composit's graph, jax's tracing) and of compiling to machine code. Imports and a
tiny program that comes first are not counted. Nothing is run. Where the contender is not installed, the object is empty.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from benchmarks.bert.training_words import Words, loss, shapes
from benchmarks.bert.workload import Sizes

_BATCH = 8
_RATE = 1e-4
_TINY = Sizes(layers=1, hidden=8, heads=2, intermediate=8, vocabulary=8, sequence=4)

Seconds = dict[str, float]


@contextmanager
def _timed(seconds: Seconds, name: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    seconds[name] = time.perf_counter() - start


def _composit(sizes: Sizes, num_threads: int) -> Seconds:
    """Build and compile with composit and mosaic; jax's counterpart follows."""
    import composit.numpy as cnp
    import mosaic
    from composit.containers import flatten
    from composit.nn import gelu, layer_norm, losses, optimizers, softmax, value_and_grad

    words = Words(cnp, softmax, gelu, layer_norm, losses.cross_entropy)
    optimizer = optimizers.adam(_RATE)
    # The system gives memory for zeros only when somebody reads them.
    weights = {name: cnp.asarray(np.zeros(shape, np.float32)) for name, shape in shapes(sizes).items()}
    ids, labels = (cnp.asarray(np.zeros(shape, np.int64)) for shape in ((_BATCH, sizes.sequence), (_BATCH,)))
    state = optimizer.init(list(weights.values()))
    seconds: Seconds = {}
    with _timed(seconds, "building"):
        value, slopes = value_and_grad(lambda given: loss(words, given, ids, labels, sizes))(weights)
        stepped = optimizer.update(list(weights.values()), list(slopes.values()), state)
    inputs = [*weights.values(), ids, labels, *flatten(state)[0]]
    with _timed(seconds, "compiling"):
        mosaic.compile([value, stepped], inputs=inputs, num_threads=num_threads)
    return seconds


def _jax(sizes: Sizes, num_threads: int) -> Seconds:
    import jax
    import jax.numpy as jnp

    words = Words(jnp, jax.nn.softmax, lambda x: jax.nn.gelu(x, approximate=False), _jax_layer_norm, _jax_cross_entropy)

    def step(weights: Any, means: Any, squares: Any, count: Any, ids: Any, labels: Any) -> Any:
        value, slopes = jax.value_and_grad(lambda given: loss(words, given, ids, labels, sizes))(weights)
        count = count + 1
        means = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, means, slopes)
        squares = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, squares, slopes)
        pace, root = _RATE / (1 - 0.9**count), jnp.sqrt(1 - 0.999**count)
        stepped = jax.tree.map(lambda p, m, v: p - pace * m / (jnp.sqrt(v) / root + 1e-8), weights, means, squares)
        return stepped, means, squares, count, value

    weights = {name: jax.ShapeDtypeStruct(shape, np.float32) for name, shape in shapes(sizes).items()}
    ids = jax.ShapeDtypeStruct((_BATCH, sizes.sequence), np.int32)
    labels, count = jax.ShapeDtypeStruct((_BATCH,), np.int32), jax.ShapeDtypeStruct((), np.float32)
    seconds: Seconds = {}
    with _timed(seconds, "building"):
        traced = jax.jit(step, donate_argnums=(0, 1, 2)).trace(weights, weights, weights, count, ids, labels)
    with _timed(seconds, "compiling"):
        traced.lower().compile()
    return seconds


def _jax_layer_norm(x: Any, weight: Any, bias: Any) -> Any:
    import jax
    import jax.numpy as jnp

    centred = x - jnp.mean(x, axis=-1, keepdims=True)
    return centred * jax.lax.rsqrt(jnp.mean(centred * centred, axis=-1, keepdims=True) + 1e-5) * weight + bias


def _jax_cross_entropy(scores: Any, labels: Any) -> Any:
    import jax
    import jax.numpy as jnp

    return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(scores), labels[:, None], axis=1))


_CONTENDERS: Mapping[str, Callable[[Sizes, int], Seconds]] = {"composit": _composit, "jax": _jax}

if __name__ == "__main__":
    _name, _threads, _layers = sys.argv[1:]
    if importlib.util.find_spec(_name) is None:
        print(json.dumps({}))
    else:
        _CONTENDERS[_name](_TINY, int(_threads))
        print(json.dumps(_CONTENDERS[_name](Sizes(layers=int(_layers)), int(_threads))))
