"""Plain C loops, as one writes them down, by gcc's `-O3 -march=native -ffast-math -fopenmp`, into memory that is there.

`-ffast-math` lets gcc vectorise sums and take the vector functions of libm; without it the loops are far slower.
"""

import ctypes

import numpy as np

from benchmarks.c_loops import compile_loops
from benchmarks.contender import Run, skip
from benchmarks.kernels.cases import Workload
from benchmarks.module_workload import Arrays

_SOURCE = r"""
#include <math.h>
#include <string.h>
#define EACH_ROW _Pragma("omp parallel for") for (long i = 0; i < rows; i++)
#define EACH_COLUMN for (long j = 0; j < columns; j++)

void product(const float *a, const float *b, float *restrict out, long rows, long depth, long columns) {
    EACH_ROW {
        float *restrict to = out + i * columns;
        memset(to, 0, columns * sizeof *to);
        for (long k = 0; k < depth; k++) {
            float factor = a[i * depth + k];
            EACH_COLUMN to[j] += factor * b[k * columns + j];
        }
    }
}

void linear(const float *a, const float *w, const float *bias, float *restrict out, long rows, long depth, long columns) {
    for (long i = 0; i < rows; i++) {
        _Pragma("omp parallel for") EACH_COLUMN {
            float sum = bias[j];
            for (long k = 0; k < depth; k++) sum += a[i * depth + k] * w[j * depth + k];
            out[i * columns + j] = sum;
        }
    }
}

void softmax(const float *x, float *restrict out, long rows, long columns) {
    EACH_ROW {
        const float *from = x + i * columns;
        float *restrict to = out + i * columns;
        float largest = from[0], sum = 0;
        EACH_COLUMN largest = from[j] > largest ? from[j] : largest;
        EACH_COLUMN to[j] = expf(from[j] - largest);
        EACH_COLUMN sum += to[j];
        float scale = 1 / sum;
        EACH_COLUMN to[j] *= scale;
    }
}

void layer_norm(const float *x, const float *weight, const float *bias, float *restrict out, long rows, long columns) {
    EACH_ROW {
        const float *from = x + i * columns;
        float *restrict to = out + i * columns;
        float mean = 0, variance = 0;
        EACH_COLUMN mean += from[j];
        mean /= columns;
        EACH_COLUMN variance += (from[j] - mean) * (from[j] - mean);
        float scale = 1 / sqrtf(variance / columns + 1e-5f);
        EACH_COLUMN to[j] = (from[j] - mean) * scale * weight[j] + bias[j];
    }
}

void gelu_erf(const float *x, float *restrict out, long rows) {
    EACH_ROW out[i] = 0.5f * x[i] * (1 + erff(x[i] * 0.70710678f));
}

void gelu_tanh(const float *x, float *restrict out, long rows) {
    EACH_ROW out[i] = 0.5f * x[i] * (1 + tanhf(0.79788456f * (x[i] + 0.044715f * x[i] * x[i] * x[i])));
}

void chain_of_8(const float *x, float *restrict out, long rows) {
    EACH_ROW {
        float y = x[i] * 1.5f + 0.25f;
        y = y > 0 ? y : 0;
        out[i] = sqrtf(fabsf(y * 0.75f - x[i])) * 2;
    }
}

void column_sum(const float *x, float *restrict out, long rows, long columns) {
    memset(out, 0, columns * sizeof *out);
    for (long i = 0; i < rows; i++) EACH_COLUMN out[j] += x[i * columns + j];
}
"""


def prepare(workload: Workload) -> Run:
    """The loops of the kernel's kind."""
    kernel = workload.kernel
    name = kernel.kind.replace(" ", "_")
    if f"void {name}(" not in _SOURCE:
        skip(f"has no loops for {kernel.kind}")
    module, inputs = workload.built()
    operands = [each.detach().numpy() for each in (*inputs, *module.parameters())]
    result = np.empty(_result_shape(kernel.kind, kernel.sizes), np.float32)
    function = compile_loops(_SOURCE)[name]
    pointers = [ctypes.c_void_p(each.ctypes.data) for each in (*operands, result)]
    lengths = [ctypes.c_long(length) for length in kernel.sizes]

    def run() -> Arrays:
        function(*pointers, *lengths)
        assert operands[0].ctypes.data == pointers[0].value  # the arrays live as long as the run
        return [result]

    return run


def _result_shape(kind: str, sizes: tuple[int, ...]) -> tuple[int, ...]:
    if kind == "column sum":
        return sizes[1:]
    return (sizes[0], sizes[2]) if kind in ("product", "linear") else sizes
