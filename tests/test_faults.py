"""Faults of an earlier framework that were faults of cost: counted, not timed. Those of meaning are in operations/."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import composit as cnp
from mosaic.backend import MosaicBackend
from mosaic.runtime import compilation


def _num_calls(function: Callable[[], Any]) -> int:
    """Return how many Python functions run; without the garbage collector, whose callbacks (hypothesis has one) count too."""
    calls = 0

    def count(frame: Any, event: str, argument: Any) -> None:
        nonlocal calls
        calls += event == "call"

    was_enabled = gc.isenabled()
    gc.disable()
    sys.setprofile(count)
    try:
        function()
    finally:
        sys.setprofile(None)
        if was_enabled:
            gc.enable()
    return calls


def test_the_cost_of_an_operation_does_not_grow_with_the_graph():
    x = small = cnp.asarray(np.ones(3))
    for _ in range(10):
        small = small + x
    large = small
    for _ in range(5000):
        large = large + x
    cnp.exp(large + x)  # types are found once
    assert _num_calls(lambda: cnp.exp(large + x)) == _num_calls(lambda: cnp.exp(small + x))


def test_erf_is_computed_by_whole_arrays():
    few, many = np.linspace(-3, 3, 10), np.linspace(-3, 3, 10_000)
    erf = cnp.erf.ufunc
    erf(few)
    assert _num_calls(lambda: erf(many)) == _num_calls(lambda: erf(few)) < 100


def test_one_compiler_runs_for_all_kernels_of_a_program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("COMPOSIT_CACHE_DIR", str(tmp_path / "cache"))
    commands: list[Any] = []
    run = compilation.run_program

    def counted(command: Any, *args: Any, **options: Any) -> Any:
        commands.append(command)
        return run(command, *args, **options)

    monkeypatch.setattr(compilation, "run_program", counted)
    x = cnp.asarray(np.ones((4, 5)))
    cnp.evaluate(x - 7.25, backend=MosaicBackend())  # the runtime library is compiled once per machine
    commands.clear()
    outputs = [cnp.sum(cnp.exp(x) * number, axis=0) @ x.T for number in range(6)]
    values = cnp.evaluate(outputs, backend=MosaicBackend(fuse=False))
    np.testing.assert_allclose(values, cnp.evaluate(outputs), rtol=1e-12)
    assert len(commands) == 1
