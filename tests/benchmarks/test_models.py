"""The suite `models`: every model at a small size is captured, compiled without numpy in its run, and equal to torch's."""

import numpy as np
import pytest
import torch

import composit.numpy as cnp
import flashlight
import mosaic
from benchmarks.contest import largest_error
from benchmarks.models.cases import CASES
from benchmarks.models.probe import islands_of, measured
from benchmarks.models.workload import Workload
from benchmarks.module_workload import arrays_of
from tests.sampling import only


@pytest.mark.parametrize("name", only(["MiniLM", "GPT-2 decode"], CASES))
def test_a_model_runs_in_machine_code_alone_and_gives_torchs_outputs(name: str) -> None:
    module, inputs = Workload(name, 1, is_small=True).built()
    with torch.inference_mode():
        expected = arrays_of(module(*inputs))
        with flashlight.tracer.trace():
            output = module(*inputs)
    model = mosaic.compile(output, inputs=list(inputs), num_threads=1)
    assert islands_of(model) == {}
    found = model(*[each.numpy() for each in inputs])
    outputs = found if isinstance(found, tuple) else (found,)
    assert largest_error(outputs, expected) < 1e-5  # of the largest value of an output; float32


def test_operations_that_numpy_runs_are_counted_by_name() -> None:
    x = cnp.asarray(np.eye(3, dtype=np.float32))
    y = cnp.linalg.eigvalsh(x)
    assert islands_of(mosaic.compile(cnp.linalg.eigvalsh(cnp.diag(y)), inputs=[x])) == {"eigvalsh": 2}


@pytest.mark.slow
def test_a_process_measures_what_capturing_and_compiling_takes() -> None:
    figures = measured(Workload("MiniLM", 1, is_small=True))
    assert figures.islands == {}
    assert figures.num_kernels > 0
    assert figures.capture_multiple > 0
    assert figures.compile_seconds > 0
