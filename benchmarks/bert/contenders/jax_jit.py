"""jax.jit of the forward pass, with the weights as constants that live on the device."""

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.bert.forward import forward
from benchmarks.bert.workload import Array, Workload
from benchmarks.contender import Run


def prepare(workload: Workload) -> Run:
    """The same numpy words traced by jax; threads follow from the cores that this process may use."""
    weights = {name: jnp.asarray(value) for name, value in workload.weights.items()}

    def words(weights: dict[str, jax.Array], input_ids: jax.Array) -> jax.Array:
        output: jax.Array = forward(jnp, jax.scipy.special.erf, weights, input_ids, workload.sizes)
        return output

    compiled = jax.jit(words)
    input_ids = workload.input_ids.astype(np.int32)

    def run() -> Array:
        return np.asarray(compiled(weights, input_ids))

    return run
