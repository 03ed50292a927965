"""Generated code takes little of the stack, whatever the shapes: the rest lies in the arena."""

import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from textwrap import dedent
from typing import Any

import numpy as np
import pytest

import composit.numpy as cnp
import mosaic
from composit.operation import tensor_type
from mosaic.runtime.abi import RUNTIME_SOURCE
from mosaic.runtime.arguments import Signature
from mosaic.runtime.compilation import compiler_arguments
from mosaic.runtime.compiler import find_compiler
from mosaic.targets import Target, detect, get_target
from tests.mosaic.c_text import c_text, compiled_program
from tests.mosaic.runtime.programs import build_sanitized, run_standalone
from tests.mosaic.runtime.standalone import standalone_main
from tests.sampling import one_in

MOST_BYTES = 32 * 1024
"""Of all functions on the way from a call to a tile together: a thread with a stack of 64 KiB has that."""


def softmax(length: int, dtype: str = "float32") -> Any:
    x = cnp.zeros((8, length), dtype=dtype)
    e = cnp.exp(x - cnp.max(x, axis=-1, keepdims=True))
    y = e / cnp.sum(e, axis=-1, keepdims=True)
    return [cnp.sum(cnp.tanh(y) * e, axis=-1, keepdims=True) * y], [x]


def many_rows_kept(length: int) -> Any:
    x = y = cnp.zeros((4, length), dtype="float64")
    results = []
    for _ in range(8):
        y = cnp.exp(y - cnp.max(y, axis=-1, keepdims=True))
        results.append(cnp.sin(y))
    return [sum(results[1:], results[0]) / cnp.sum(y, axis=-1, keepdims=True)], [x]


def attention(length: int) -> Any:
    q, k, v = (cnp.zeros((2, 4, length, 64), dtype="float32") for _ in range(3))
    scores = q @ cnp.swapaxes(k, -1, -2) * 0.125
    weights = cnp.exp(scores - cnp.max(scores, axis=-1, keepdims=True))
    return [weights / cnp.sum(weights, axis=-1, keepdims=True) @ v], [q, k, v]


def product(rows: int, depth: int, columns: int, dtype: str = "float64") -> Any:
    x, w = cnp.zeros((rows, depth), dtype=dtype), cnp.zeros((depth, columns), dtype=dtype)
    return [cnp.tanh(x @ w)], [x, w]


def many_operands(count: int) -> Any:
    given = [cnp.zeros((50,), dtype="float32") for _ in range(count)]
    total = given[0]
    for each in given[1:]:
        total = total + each * cnp.sin(each)
    return [cnp.stack(given), total], given


def long_expression(depth: int) -> Any:
    x = cnp.zeros((40, 40), dtype="float64")
    values = [cnp.roll(x, shift, axis=1) for shift in range(depth)]
    while len(values) > 1:
        values = [cnp.arctan2(a, b) * a for a, b in pairwise(values)][::2] or values[:1]
    return values, [x]


PROGRAMS: dict[str, Callable[[], Any]] = {
    "softmax of 100": lambda: softmax(100),
    "softmax of 16000": lambda: softmax(16_000),
    "softmax of 30000": lambda: softmax(30_000, "float64"),
    "eight rows kept": lambda: many_rows_kept(5000),
    "attention of 512": lambda: attention(512),
    "attention of 8000": lambda: attention(8000),
    "deep product": lambda: product(3000, 5000, 70),
    "product in blocks": lambda: product(700, 4000, 300, "float32"),
    "200 operands": lambda: many_operands(200),
    "long expression": lambda: long_expression(40),
    "argmax of a long row": lambda: (lambda x: ([cnp.argmax(x, axis=1), cnp.prod(x, axis=0)], [x]))(
        cnp.zeros((3, 20_000))
    ),
}


def stack_bytes(source: str, target: Target, directory: Path) -> dict[str, int]:
    """The bytes of each function's frame, as the compiler reports them."""
    compiler = find_compiler()
    (directory / "program.c").write_text(source)
    command = [
        *compiler_arguments(compiler, target, ("-fstack-usage", "-pthread")),
        "-c",
        "program.c",
        "-o",
        "program.o",
    ]
    command.remove("-shared")
    finished = subprocess.run(command, capture_output=True, text=True, check=False, cwd=directory)
    assert finished.returncode == 0, finished.stderr[:4000]
    frames = {}
    for line in (directory / "program.su").read_text().splitlines():
        where, size, kind = line.split("\t")
        # "dynamic,bounded" is what aligning a frame to 64 bytes makes of it.
        assert kind in ("static", "dynamic,bounded"), line
        frames[where.rpartition(":")[2]] = int(size)
    return frames


def deepest(frames: dict[str, int]) -> int:
    """At most the bytes on the way from the exported function to a tile: one frame of each kind."""
    kinds = {"mosaic_run": 0, "launch": 0, "kernel": 0, "helper": 0}
    for name, size in frames.items():
        kind = next((each for each in kinds if name.startswith(each)), "helper")
        kinds[kind] = max(kinds[kind], size)
    # A kernel may call a product, which calls a tile.
    return sum(kinds.values()) + kinds["helper"]


@pytest.mark.parametrize(
    ("name", "target"), one_in(3, ((name, target) for name in PROGRAMS for target in ("here", "x86-64-v3")))
)
def test_no_function_takes_much_of_the_stack(name: str, target: str, tmp_path: Path) -> None:
    outputs, inputs = PROGRAMS[name]()
    chosen = detect() if target == "here" else get_target(target)
    source = c_text(outputs, inputs, target=chosen)
    assert deepest(stack_bytes(source, chosen, tmp_path)) <= MOST_BYTES


def test_the_runtime_itself_takes_next_to_none(tmp_path: Path) -> None:
    frames = stack_bytes(RUNTIME_SOURCE, detect(), tmp_path)
    # The largest hold a call's tables of 32 pointers.
    assert max(frames.values()) <= 1024
    assert sum(frames.values()) <= 4096, "as if each called the next"


SMALL_THREAD = """
    import threading
    import numpy as np
    import mosaic
    from tests.mosaic.test_stack import PROGRAMS
    for name in ("softmax of 16000", "eight rows kept", "attention of 512", "product in blocks", "200 operands"):
        outputs, inputs = PROGRAMS[name]()
        rng = np.random.default_rng(0)
        arrays = [rng.normal(size=each.shape).astype(each.dtype) for each in inputs]
        models = [mosaic.compile(outputs, inputs=inputs, num_threads=number) for number in (1, 2)]
        expected = models[0](*arrays)
        results = []
        for model in models:
            threading.stack_size(64 * 1024)
            thread = threading.Thread(target=lambda: results.append(model(*arrays)))
            thread.start()
            thread.join()
            threading.stack_size(0)
        same = [np.array_equal(a, b) for result in results for a, b in zip(result, expected, strict=True)]
        print(name, len(results), all(same), flush=True)
"""


def test_a_thread_with_a_stack_of_64_kib_can_call_every_model() -> None:
    finished = subprocess.run(
        [sys.executable, "-c", dedent(SMALL_THREAD)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        cwd=Path(__file__).parents[2],
    )
    assert finished.returncode == 0, finished.stderr[-2000:]
    assert [line.split()[-2:] for line in finished.stdout.splitlines()] == [["2", "True"]] * 5


def test_rows_that_do_not_fit_the_stack_give_the_same_bits_on_any_number_of_threads() -> None:
    for length in (1500, 5000, 16_000):
        outputs, inputs = many_rows_kept(length)
        array = np.random.default_rng(0).normal(size=(4, length))
        (one,), (other,) = (mosaic.compile(outputs, inputs=inputs, num_threads=number)(array) for number in (1, 3))
        np.testing.assert_array_equal(one, other)
        np.testing.assert_allclose(one, _expected_rows(array), rtol=1e-10)


@pytest.mark.parametrize("name", ["eight rows kept", "attention of 512", "softmax of 16000"])
def test_threads_stay_within_their_part_of_the_arena(name: str, tmp_path: Path) -> None:
    outputs, inputs = PROGRAMS[name]()
    compiled = compiled_program(outputs, inputs, target="generic")
    (region,) = compiled.regions
    text, arena_bytes = compiled.source, region.num_arena_bytes(1)
    assert region.num_arena_bytes(2) - arena_bytes > 16 * 1024
    types = (tuple(tensor_type(each.shape, each.dtype) for each in tensors) for tensors in (inputs, outputs))
    signature = Signature(*types, arena_bytes)
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=each.shape).astype(each.dtype) for each in inputs]
    program = build_sanitized(standalone_main(text, signature), tmp_path)
    (result,) = run_standalone(program, signature, b"", arrays)
    (expected,) = mosaic.compile(outputs, inputs=inputs, num_threads=2)(*arrays)
    np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-5)


def _expected_rows(x: np.ndarray) -> np.ndarray:
    y, total = x, 0.0
    for _ in range(8):
        y = np.exp(y - np.max(y, axis=-1, keepdims=True))
        total = total + np.sin(y)
    return total / np.sum(y, axis=-1, keepdims=True)
