"""numba's parallel loops with `fastmath`, into memory that is there already."""

import math
from collections.abc import Callable
from typing import Any

import numba
import numpy as np

from benchmarks.contender import Run, skip
from benchmarks.kernels.cases import Workload
from benchmarks.module_workload import Arrays

_compiled = numba.njit(fastmath=True, parallel=True)


def prepare(workload: Workload) -> Run:
    """The kernel compiled by LLVM at its first call."""
    kernel = _KERNELS.get(workload.kernel.kind)
    if kernel is None:
        skip(f"has no loops for {workload.kernel.kind}")
    numba.set_num_threads(workload.num_threads)
    module, inputs = workload.built()
    operands = [each.detach().numpy() for each in (*inputs, *module.parameters())]
    x = operands[0]
    result = np.empty(x.shape[1:] if workload.kernel.kind == "column sum" else x.shape, x.dtype)
    call: Callable[..., Any] = kernel  # what numba returns is not annotated

    def run() -> Arrays:
        call(*operands, result)
        return [result]

    return run


@_compiled
def _softmax(x, out):  # type: ignore[no-untyped-def]  # numba's types are not Python's
    rows, columns = x.shape
    for i in numba.prange(rows):
        largest = x[i, 0]
        for j in range(columns):
            largest = max(largest, x[i, j])
        total = np.float32(0)
        for j in range(columns):
            out[i, j] = math.exp(x[i, j] - largest)
            total += out[i, j]
        scale = np.float32(1) / total
        for j in range(columns):
            out[i, j] *= scale


@_compiled
def _layer_norm(x, weight, bias, out):  # type: ignore[no-untyped-def]
    rows, columns = x.shape
    for i in numba.prange(rows):
        mean = np.float32(0)
        for j in range(columns):
            mean += x[i, j]
        mean /= np.float32(columns)
        variance = np.float32(0)
        for j in range(columns):
            variance += (x[i, j] - mean) * (x[i, j] - mean)
        scale = np.float32(1) / math.sqrt(variance / np.float32(columns) + np.float32(1e-5))
        for j in range(columns):
            out[i, j] = (x[i, j] - mean) * scale * weight[j] + bias[j]


@_compiled
def _gelu_erf(x, out):  # type: ignore[no-untyped-def]
    for i in numba.prange(x.size):
        out[i] = np.float32(0.5) * x[i] * (np.float32(1) + math.erf(x[i] * np.float32(0.7071067811865476)))


@_compiled
def _gelu_tanh(x, out):  # type: ignore[no-untyped-def]
    for i in numba.prange(x.size):
        inner = np.float32(0.7978845608028654) * (x[i] + np.float32(0.044715) * x[i] * x[i] * x[i])
        out[i] = np.float32(0.5) * x[i] * (np.float32(1) + math.tanh(inner))


@_compiled
def _chain(x, out):  # type: ignore[no-untyped-def]
    for i in numba.prange(x.size):
        y = max(x[i] * np.float32(1.5) + np.float32(0.25), np.float32(0))
        out[i] = math.sqrt(abs(y * np.float32(0.75) - x[i])) * np.float32(2)


@_compiled
def _column_sum(x, out):  # type: ignore[no-untyped-def]
    rows, columns = x.shape
    block = (columns + numba.get_num_threads() - 1) // numba.get_num_threads()
    for part in numba.prange(numba.get_num_threads()):
        low, high = part * block, min(columns, (part + 1) * block)
        for j in range(low, high):
            out[j] = 0
        for i in range(rows):
            for j in range(low, high):
                out[j] += x[i, j]


_KERNELS: dict[str, Callable[..., Any]] = {
    "softmax": _softmax,
    "layer norm": _layer_norm,
    "gelu erf": _gelu_erf,
    "gelu tanh": _gelu_tanh,
    "chain of 8": _chain,
    "column sum": _column_sum,
}
