"""jax.jit of the convolution, image and filters on the device."""

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.contender import Run
from benchmarks.convolutions.cases import Workload
from benchmarks.module_workload import Arrays


def prepare(workload: Workload) -> Run:
    """XLA's own convolution, channels first as all contenders have them."""
    module, inputs = workload.built()
    case = workload.convolution
    filters, bias = (jnp.asarray(each.detach().numpy()) for each in module.parameters())
    image = jnp.asarray(inputs[0].numpy())

    def convolve(image: jax.Array, filters: jax.Array, bias: jax.Array) -> jax.Array:
        output = jax.lax.conv_general_dilated(
            image,
            filters,
            window_strides=(case.stride, case.stride),
            padding=[(case.padding, case.padding)] * 2,
            rhs_dilation=(case.dilation, case.dilation),
            feature_group_count=case.groups,
        )
        return output + bias[:, None, None]

    compiled = jax.jit(convolve)

    def run() -> Arrays:
        return [np.asarray(compiled(image, filters, bias))]

    return run
