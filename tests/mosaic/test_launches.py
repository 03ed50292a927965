"""Launches are rows of tables: a kernel that runs n times is one C function, and its n runs are no code."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import composit as cnp
import mosaic
from tests.mosaic.c_text import c_text
from tests.mosaic.comparison import assert_same_values

INDICES = np.arange(32)[::-1].copy()
ALONG = np.argsort(np.random.default_rng(0).random((32, 32)), axis=1)

STEPS: dict[str, Callable[[Any, Any], Any]] = {
    "matmul": lambda x, y: x @ y,
    "take": lambda x, y: cnp.take(x, INDICES, axis=1),
    "take_along_axis": lambda x, y: cnp.take_along_axis(x, ALONG, axis=1),
    "advanced indices": lambda x, y: x[INDICES[:, None], INDICES],
    "argmax": lambda x, y: x + cnp.argmax(x, axis=0),
    "cumsum": lambda x, y: cnp.cumsum(x, axis=1) * 0.25,
    "concatenate": lambda x, y: cnp.concatenate([x[:, 16:], y[:, :16]], axis=1),
}


def chain(step: Callable[[Any, Any], Any], length: int) -> tuple[Any, list[Any]]:
    x, y = (cnp.asarray(np.random.default_rng(seed).random((32, 32), "float32") / 16) for seed in (1, 2))
    result = x
    for _ in range(length):
        result = step(result, y).astype("float32")
    return result + y, [x, y]


def code_of(step: Callable[[Any, Any], Any], length: int) -> str:
    """The emitted C without what grows with a program by design: the interface in the comment, and the tables."""
    outputs, inputs = chain(step, length)
    text = c_text(outputs, inputs=inputs, target="x86-64-v3").partition("*/")[2]
    return re.sub(r"(static const struct (place|launch) \w+)\[\d+\] = \{.*?\};", r"\1;", text, flags=re.S)


@pytest.mark.parametrize("name", STEPS)
def test_more_runs_of_a_kernel_are_no_more_code(name: str) -> None:
    short, long = (code_of(STEPS[name], length) for length in (12, 48))
    assert len(long.splitlines()) == len(short.splitlines())


@pytest.mark.parametrize("name", STEPS)
def test_long_chains_of_launches_compute_the_same(name: str) -> None:
    outputs, inputs = chain(STEPS[name], 48)
    model = mosaic.compile(outputs, inputs=inputs)
    assert_same_values(model(*(cnp.evaluate(each) for each in inputs)), cnp.evaluate(outputs))


def test_more_regions_between_islands_are_no_more_code() -> None:
    def code(length: int) -> str:
        x = cnp.asarray(np.linspace(-3, 3, 32, dtype="float32"))
        y = x
        for _ in range(length):
            y = cnp.add(*cnp.modf(y)) * 0.5  # numpy computes modf, between two regions
        source = mosaic.compile(y, inputs=[x]).source
        return re.sub(r"(static const struct \w+ \w+)\[\d+\] = \{.*?\};", r"\1;", source, flags=re.S)

    assert len(code(40).splitlines()) == len(code(10).splitlines())


def test_more_loops_around_kernels_are_no_more_code() -> None:
    def code(length: int) -> str:
        x, y = cnp.asarray(np.linspace(-1, 1, 32)), cnp.asarray(np.linspace(0, 0.5, 3))
        result = x
        for _ in range(length):
            result = cnp.convolve(result, y, mode="same")  # its two ends are loops around kernels
        text = c_text(result, inputs=[x, y], target="x86-64-v3").partition("*/")[2]
        assert "run_loops(" in text
        return re.sub(r"(static const struct \w+ \w+)\[\d+\] = \{.*?\};", r"\1;", text, flags=re.S)

    assert len(code(40).splitlines()) == len(code(10).splitlines())
