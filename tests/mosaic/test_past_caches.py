"""Kernels of more than the caches hold: loads fetch ahead, results are stored past the caches, and no bit changes."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import composit.numpy as cnp
import mosaic
from mosaic.targets import CacheSizes, Target, get_target
from tests.mosaic.c_text import c_text
from tests.mosaic.passes.test_stages import around
from tests.mosaic.test_fusion import layer_norm, softmax
from tests.mosaic.test_related_operands import TARGETS
from tests.mosaic.test_streams import around_it, placed
from tests.sampling import one_in

GOLDEN = Path(__file__).parent.parent / "golden"
Program = Callable[..., Any]


def ones(length: int) -> Any:
    return cnp.ones(length, dtype="float32")


PROGRAMS: dict[str, tuple[Program, str, tuple[int, ...]]] = {
    "an algorithm": (cnp.exp, "f4", (40_003,)),
    "float64": (lambda x: cnp.tanh(x) * x, "f8", (20_011,)),
    "a stream of one operation": (lambda x: x * 2, "f4", (40_003,)),
    "integers": (lambda x: x * 3 - (x // 5) * (x % 7), "i4", (40_001,)),
    "bytes": (lambda x: (x & 15) ^ (x | 3) ^ (x + 7), "u1", (70_001,)),
    "truth values": (lambda x: cnp.exp(x) > x + 1, "f8", (20_001,)),
    "softmax": (softmax, "f4", (200, 101)),
    "rows of whole vectors": (softmax, "f4", (200, 128)),
    "layer norm": (lambda x: layer_norm(x, ones(96), ones(96)), "f4", (300, 96)),
    "sum of rows": (lambda x: x.sum(axis=0), "f8", (300, 96)),
    "sum of all": (lambda x: x.sum(), "f4", (40_003,)),
    "transposed": (lambda x: cnp.exp(x.T), "f4", (200, 300)),
    "several results": (lambda x: [cnp.exp(x), cnp.exp(x) * x], "f4", (20_011,)),
}

ONLY_READ = ("sum of rows", "sum of all")


def small(target: str) -> Target:
    """The target with caches that every array exceeds."""
    return replace(get_target(target), caches=CacheSizes(256, 1024, 4096))


def numbers(dtype: str, shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).normal(size=shape, scale=40 if dtype[0] in "iu" else 2).astype(dtype)


@pytest.mark.parametrize("target", one_in(4, TARGETS))
def test_no_bit_depends_on_the_sizes_of_caches_or_on_threads(target: str) -> None:
    for name, (program, dtype, shape) in PROGRAMS.items():
        given = np.abs(numbers(dtype, shape)) if dtype == "u1" else numbers(dtype, shape)
        x = cnp.asarray(given)
        plain = mosaic.compile(program(x), inputs=[x], target=target, num_threads=1)
        for num_threads in (1, 2):
            model = mosaic.compile(program(x), inputs=[x], target=small(target), num_threads=num_threads)
            assert ("__builtin_prefetch(" in model.source) == (name not in ONLY_READ), name
            expected, results = plain(given), model(given)
            if not isinstance(results, tuple):
                expected, results = (expected,), (results,)
            for one, result in zip(expected, results, strict=True):
                assert np.asarray(one).tobytes() == np.asarray(result).tobytes(), name


@pytest.mark.parametrize("name", ["an algorithm", "truth values", "bytes"])
def test_results_lie_anywhere_and_nothing_beside_them_is_written(name: str) -> None:
    program, dtype, shape = PROGRAMS[name]
    given = np.abs(numbers(dtype, shape))
    x = cnp.asarray(given)
    detected = replace(get_target(None), caches=CacheSizes(256, 1024, 4096))
    model = mosaic.compile(program(x), inputs=[x], target=detected, num_threads=2)
    expected = model(given)
    for ahead in (0, 1, 3, 16, 63):
        result = placed(expected.dtype, shape[0], ahead)
        model(given, out=result)
        np.testing.assert_array_equal(result, expected)
        assert set(around_it(result)) == {0xEE}, f"bytes beside a result {ahead} elements behind a line were written"


def test_long_results_that_nobody_reads_pass_the_caches() -> None:
    x, y = (cnp.asarray(np.zeros(length, "float32")) for length in (3_000_000, 1_000_000))
    before, after = around("pass_by_caches", [cnp.exp(x), cnp.exp(y)], [x, y])
    assert "past the caches" not in before
    heads = [line for line in after.splitlines() if line.startswith("for")]
    assert heads == [
        "for one row of 3000000 in 367 tasks of 8192 by 8 lanes, reading 4096 bytes ahead, storing past the caches:",
        "for one row of 1000000 in 124 tasks of 8128 by 8 lanes:",
    ]


def test_results_that_a_later_kernel_reads_stay_in_the_caches() -> None:
    x = cnp.asarray(np.zeros((3000, 1000), "float32"))
    rows = softmax(x)
    _, after = around(
        "pass_by_caches", [rows, rows.sum(axis=0, keepdims=True) @ cnp.ones((1000, 4), dtype="float32")], [x]
    )
    assert "bytes ahead" not in after
    assert "storing past" not in after


def test_a_row_is_fetched_by_its_first_loop_only() -> None:
    x = cnp.asarray(np.zeros((4096, 1024), "float32"))
    source = c_text(softmax(x), inputs=[x], target="x86-64-v3")
    assert source.count("__builtin_prefetch(") == 4
    assert source.count("    stream_f32x8(") == 1
    assert source.count("    finish_streams();") == 1


def test_a_kernel_past_the_caches_reads_as_approved(update_golden: bool) -> None:
    x = cnp.zeros((24, 48), dtype="float32")
    text = c_text(softmax(x), inputs=[x], target=small("x86-64-v3"))
    start = text.rindex("/*", 0, text.index("static void kernel_0"))
    helper = text[text.index("static inline", text.index("__builtin_nontemporal_store)") - 100) :]
    kernels = helper[: helper.index("/*")] + text[start : text.index("#define INPUTS")]
    path = GOLDEN / "softmax_past_caches.c"
    if update_golden:
        path.write_text(kernels)
    assert kernels == path.read_text()
