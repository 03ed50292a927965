"""The loops of the definition in C, columns innermost, by gcc's `-O3 -march=native -ffast-math -fopenmp`."""

import ctypes

import numpy as np

from benchmarks.c_loops import compile_loops
from benchmarks.contender import Run, skip
from benchmarks.convolutions.cases import Workload
from benchmarks.module_workload import Arrays

_MOST_FLOPS = 5e8  # larger ones take longer than all other contenders together
_SOURCE = r"""
typedef struct { long batch, channels, height, width, outputs, kernel, padding, stride, dilation, groups, rows, columns; } sizes;

static void add_tap(float *restrict out, const float *restrict x, float factor, long first, long last, long stride) {
    if (stride == 1) for (long j = first; j < last; j++) out[j] += factor * x[j];
    else for (long j = first; j < last; j++) out[j] += factor * x[j * stride];
}

void convolve(const float *x, const float *filters, const float *bias, float *restrict out, const sizes *s) {
    long inner = s->channels / s->groups, per_group = s->outputs / s->groups;
    _Pragma("omp parallel for collapse(2)") for (long n = 0; n < s->batch; n++) for (long o = 0; o < s->outputs; o++) {
        float *to = out + (n * s->outputs + o) * s->rows * s->columns;
        for (long i = 0; i < s->rows * s->columns; i++) to[i] = bias[o];
        for (long c = 0; c < inner; c++) {
            const float *from = x + (n * s->channels + o / per_group * inner + c) * s->height * s->width;
            const float *filter = filters + (o * inner + c) * s->kernel * s->kernel;
            for (long i = 0; i < s->rows; i++) for (long u = 0; u < s->kernel; u++) {
                long row = i * s->stride + u * s->dilation - s->padding;
                if (row < 0 || row >= s->height) continue;
                for (long v = 0; v < s->kernel; v++) {
                    long offset = v * s->dilation - s->padding, first = 0, last = s->columns;
                    while (first < last && first * s->stride + offset < 0) first++;
                    while (last > first && (last - 1) * s->stride + offset >= s->width) last--;
                    add_tap(to + i * s->columns, from + row * s->width + offset, filter[u * s->kernel + v], first, last, s->stride);
                }
            }
        }
    }
}
"""


def prepare(workload: Workload) -> Run:
    """The loops, into memory that is there already."""
    case = workload.convolution
    if case.num_flops > _MOST_FLOPS:
        skip(f"the loops are run up to {_MOST_FLOPS:.0e} operations")
    module, (image,) = workload.built()
    operands = [each.detach().numpy() for each in (image, *module.parameters())]
    reach = case.dilation * (case.kernel - 1) + 1
    rows, columns = ((side + 2 * case.padding - reach) // case.stride + 1 for side in (case.height, case.columns))
    result = np.empty((case.batch, case.outputs, rows, columns), np.float32)
    sizes = np.array(
        [
            *(case.batch, case.channels, case.height, case.columns, case.outputs, case.kernel),
            *(case.padding, case.stride, case.dilation, case.groups, rows, columns),
        ],
        np.int64,
    )
    convolve = compile_loops(_SOURCE)["convolve"]
    pointers = [ctypes.c_void_p(each.ctypes.data) for each in (*operands, result, sizes)]

    def run() -> Arrays:
        convolve(*pointers)
        assert (operands[0].ctypes.data, sizes.ctypes.data) == (
            pointers[0].value,
            pointers[-1].value,
        )  # both still live
        return [result]

    return run
