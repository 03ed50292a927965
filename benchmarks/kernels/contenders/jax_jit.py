"""jax.jit of each kind of kernel, operands and weights on the device; threads follow from the cores of the process."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from torch import nn

from benchmarks.contender import Run
from benchmarks.kernels.cases import Workload
from benchmarks.module_workload import Arrays

_Function = Callable[..., jax.Array]


def prepare(workload: Workload) -> Run:
    """The kernel compiled by XLA."""
    module, inputs = workload.built()
    compiled = jax.jit(_FUNCTIONS[workload.kernel.kind])
    operands = [jnp.asarray(each.numpy()) for each in (*inputs, *_weights(module))]

    def run() -> Arrays:
        return [np.asarray(compiled(*operands))]

    return run


def _weights(module: nn.Module) -> list[Any]:
    """Return the parameters as jax wants them: matrices so that they multiply from the right."""
    return [each.detach().T.contiguous() if each.ndim == 2 else each.detach() for each in module.parameters()]


def _layer_norm(x: jax.Array, weight: jax.Array, bias: jax.Array) -> jax.Array:
    centered = x - x.mean(-1, keepdims=True)
    variance = (centered * centered).mean(-1, keepdims=True)
    return centered * jax.lax.rsqrt(variance + 1e-5) * weight + bias


def _chain(x: jax.Array) -> jax.Array:
    y = jnp.maximum(x * 1.5 + 0.25, 0)
    return jnp.sqrt(jnp.abs(y * 0.75 - x)) * 2


def _lstm(x: jax.Array, w_x: jax.Array, w_h: jax.Array, b_x: jax.Array, b_h: jax.Array) -> jax.Array:
    """The products with the inputs are one product before the scan."""
    given = x @ w_x + (b_x + b_h)
    zero = jnp.zeros((x.shape[1], w_h.shape[0]), x.dtype)

    def step(carried: tuple[jax.Array, jax.Array], row: jax.Array) -> tuple[tuple[jax.Array, jax.Array], jax.Array]:
        hidden, cell = carried
        i, f, g, o = jnp.split(row + hidden @ w_h, 4, axis=-1)
        cell = jax.nn.sigmoid(f) * cell + jax.nn.sigmoid(i) * jnp.tanh(g)
        hidden = jax.nn.sigmoid(o) * jnp.tanh(cell)
        return (hidden, cell), hidden

    return jax.lax.scan(step, (zero, zero), given)[1]


_FUNCTIONS: dict[str, _Function] = {
    "product": lambda a, b: a @ b,
    "linear": lambda x, weight, bias: x @ weight + bias,
    "softmax": lambda x: jax.nn.softmax(x, axis=-1),
    "layer norm": _layer_norm,
    "gelu erf": lambda x: jax.nn.gelu(x, approximate=False),
    "gelu tanh": lambda x: jax.nn.gelu(x, approximate=True),
    "chain of 8": _chain,
    "column sum": lambda x: x.sum(0),
    "lstm": _lstm,
}
