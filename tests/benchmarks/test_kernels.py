"""The suites `kernels` and `convolutions`: every case is compiled at a small size and gives torch's values in float64."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.c_loops import compile_loops
from benchmarks.contest import largest_error
from benchmarks.convolutions import cases as convolutions
from benchmarks.convolutions.cases import Convolution
from benchmarks.convolutions.contenders import plain_c as loops_of_convolutions
from benchmarks.kernels import cases as kernels
from benchmarks.kernels.cases import Kernel
from benchmarks.kernels.contenders import plain_c
from benchmarks.module_contenders import composit_mosaic
from benchmarks.module_workload import expected_outputs
from tests.sampling import only

_KINDS = {each.kind: each for each in kernels.cases()}
_CONVOLUTIONS = {each.name: each for each in convolutions.cases()}


def small(kernel: Kernel) -> Kernel:
    return replace(kernel, sizes=tuple(min(size, 37) for size in kernel.sizes))


@pytest.mark.parametrize("kind", only(["lstm", "layer norm", "product"], _KINDS))
def test_a_kernel_gives_torchs_values(kind: str) -> None:
    workload = kernels.Workload(small(_KINDS[kind]), 1)
    assert largest_error(composit_mosaic.prepare(workload)(), expected_outputs(workload)) < workload.kernel.tolerance


@pytest.mark.parametrize("kind", [kind for kind in _KINDS if kind != "lstm"])
def test_the_plain_loops_in_c_give_torchs_values(kind: str) -> None:
    workload = kernels.Workload(small(_KINDS[kind]), 1)
    assert largest_error(plain_c.prepare(workload)(), expected_outputs(workload)) < workload.kernel.tolerance


@pytest.mark.parametrize("case", [Convolution(2, 6, 9, 4, 3, 1, 2, 2, 2, width=11), Convolution(1, 3, 8, 5, 2)])
def test_the_loops_of_a_convolution_give_torchs_values(case: Convolution) -> None:
    workload = convolutions.Workload(case, 1)
    found = loops_of_convolutions.prepare(workload)()
    assert largest_error(found, expected_outputs(workload)) < 1e-6


def test_random_cases_are_the_same_each_time_and_have_no_two_names() -> None:
    for module in (kernels, convolutions):
        names = [each.name for each in module.cases()]
        assert names == [each.name for each in module.cases()]
        assert len(set(names)) == len(names)


def test_every_convolution_has_an_output() -> None:
    for case in _CONVOLUTIONS.values():
        assert case.num_flops > 0
        assert np.isfinite(case.tolerance)


def test_plain_loops_leave_the_smallest_numbers_of_the_process_as_they_are() -> None:
    smallest = np.array([5e-324])
    compile_loops("float first(const float *x) { return x[0] + 1; }")
    assert (smallest * 1)[0] > 0
