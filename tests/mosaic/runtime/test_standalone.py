"""Generated code with a main of its own, under the sanitizers."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from composit.operation import tensor_type
from mosaic.runtime.arguments import Signature
from tests.mosaic.runtime.programs import ADD_SOURCE, PATIENCE_S, build_sanitized, run_source, run_standalone
from tests.mosaic.runtime.standalone import standalone_main

FLOAT4 = tensor_type((4,), "float32")
X, Y = np.arange(4, dtype=np.float32), np.full(4, 10, np.float32)
ADD = Signature((FLOAT4, FLOAT4), (FLOAT4,))


def run(
    directory: Path, source: str, signature: Signature, arrays: Sequence[np.ndarray], constants: bytes = b""
) -> list:
    text = standalone_main(source, signature, len(constants))
    return run_standalone(build_sanitized(text, directory), signature, constants, arrays)


def test_a_program_runs_without_python(tmp_path: Path) -> None:
    (result,) = run(tmp_path, ADD_SOURCE, ADD, [X, Y])
    np.testing.assert_array_equal(result, X + Y)


def test_constants_arena_and_parallel_loops_work_without_python(tmp_path: Path) -> None:
    source = run_source(
        """
        const float *x = inputs[0], *scale = (const float *)constants;
        struct task one = {x, scale, (float *)arena};
        runtime->parallel_for(runtime, multiply, &one, 4);
        for (int i = 0; i < 4; i++) ((float *)outputs[0])[i] = one.result[i] + (runtime->num_threads == 1);
        """,
        before="""
        struct task { const float *x, *scale; float *result; };
        static void multiply(void *context, long i, long thread) {
            (void)thread;
            const struct task *task = context;
            task->result[i] = task->x[i] * task->scale[i];
        }
        """,
    )
    signature = Signature((FLOAT4,), (FLOAT4,), arena_bytes=16)
    (result,) = run(tmp_path, source, signature, [X], Y.tobytes())
    np.testing.assert_array_equal(result, X * Y + 1)


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ("((float *)outputs[0])[4] = 1;", "heap-buffer-overflow"),
        ("((float *)outputs[0])[0] = ((const volatile float *)inputs[0])[-1];", "heap-buffer-overflow"),
        ("((volatile float *)arena)[2] = 1;", "heap-buffer-overflow"),
        ("volatile int shift = 40; ((int *)outputs[0])[0] = 1 << shift;", "shift exponent 40 is too large"),
    ],
)
def test_the_sanitizers_see_what_generated_code_does_wrong(body: str, complaint: str, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=complaint):
        run(tmp_path, run_source(body), Signature((FLOAT4,), (FLOAT4,), arena_bytes=8), [X])


def test_a_file_of_the_wrong_length_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="has another length than the program was compiled for"):
        run(tmp_path, ADD_SOURCE, ADD, [X, Y[:3]])


def test_wrong_arguments_are_answered_with_the_usage(tmp_path: Path) -> None:
    program = build_sanitized(standalone_main(ADD_SOURCE, ADD), tmp_path)
    finished = subprocess.run([program], capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert finished.returncode == 1
    assert "usage: CONSTANTS, then 2 inputs, then 1 outputs" in finished.stderr
