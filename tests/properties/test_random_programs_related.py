"""Random programs of related operands: to the last bit what numpy computes, compiled to C and run node by node.

A batch of programs is one compilation, on one thread and on two; batches take fusion and the targets that run here in
turn. Without mosaic, the nodes of a batch run one by one, or as a prepared program.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import composit as cnp
import mosaic
from composit.errors import ParameterError, UnsupportedOperationError
from composit.handle import TensorHandle
from mosaic.runtime.compiler import Compiler
from mosaic.targets import check_runs_here, get_target, named_targets
from tests.mosaic.c_text import c_text
from tests.mosaic.compiled_helpers import WARNINGS, assert_compiles
from tests.prepared import by_programs
from tests.properties.random_programs import Line, RandomProgram, parts, say
from tests.properties.related_programs import related_program
from tests.sampling import one_in, only

pytestmark = pytest.mark.filterwarnings("ignore")  # numpy warns of infinities

BATCH = 40
ZIG = Compiler((sys.executable, "-m", "ziglang", "cc"), "zig", "zig")


def _runs_here(target: str) -> bool:
    try:
        check_runs_here(get_target(target))
    except ParameterError:
        return False
    return True


SETTINGS = [*product([None, *(name for name in named_targets if _runs_here(name))], [True, False])]


def check_batch(first_seed: int, count: int = BATCH) -> int:
    """Compile the programs of these seeds and compare each value with numpy's; return how many were compared."""
    target, fuse = SETTINGS[first_seed // count % len(SETTINGS)]
    batch = _joined([related_program(random.Random(seed)) for seed in range(first_seed, first_seed + count)])
    for num_threads in (1, 2):
        with np.errstate(all="ignore"):
            model = mosaic.compile(
                batch.tensors, inputs=batch.inputs, target=target, fuse=fuse, num_threads=num_threads
            )
            results = model(*batch.arrays)
        fault = next(faults(batch, results), None)
        assert fault is None, f"target={target}, fuse={fuse}, {num_threads} threads\n{fault}"
    return len(batch.lines)


@dataclass(slots=True)
class Batch:
    """Programs whose values are computed by one run: the tensors, and the program and line that each belongs to."""

    inputs: list[Any] = field(default_factory=list)
    arrays: list[Any] = field(default_factory=list)
    tensors: list[Any] = field(default_factory=list)
    lines: list[tuple[RandomProgram, Line, int]] = field(default_factory=list)


def _joined(programs: Sequence[RandomProgram]) -> Batch:
    batch = Batch()
    for program in programs:
        made = {name: cnp.asarray(value) for name, value in program.inputs.items()}
        with np.errstate(all="ignore"):
            lazy = program.run(cnp, made, _reraise)
        values = [
            (tensor, (program, line, position))
            for line in program.lines
            for position, tensor in enumerate(parts(lazy[line.name]))
            if isinstance(tensor, TensorHandle)  # 1 op 1 is numpy's own
        ]
        reached = {node for tensor, _ in values for node in tensor.graph.nodes}
        used = [(tensor, program.inputs[name]) for name, tensor in made.items() if tensor.node in reached]
        batch.inputs += [tensor for tensor, _ in used]
        batch.arrays += [array for _, array in used]
        batch.tensors += [tensor for tensor, _ in values]
        batch.lines += [place for _, place in values]
    return batch


def _reraise(line: Any, error: BaseException) -> None:
    raise error


def faults(batch: Batch, results: Sequence[Any]) -> Iterator[str]:
    """Yield the programs with a line whose value is not numpy's."""
    seen: dict[int, dict[str, Any]] = {}
    for (program, line, position), value in zip(batch.lines, results, strict=True):
        values = seen.setdefault(id(program), dict(program.inputs))
        if not isinstance(line.value, list | tuple):
            values[line.name] = value
        # numpy rounds products and magnitudes of complex numbers once or twice, by how they lie in memory, and multiplies the
        # elements of a row in an order of its own.
        is_rounded = "prod" in line.text or any(np.iscomplexobj(each) for each in values.values())
        what = _difference(value, list(parts(line.value))[position], line, is_rounded)
        if what is not None:
            # Of two equal zeros numpy takes the one or the other by their place in memory: what is built on them is
            # right if it is what numpy makes of the values that were computed. They are arrays: numpy's scalars compare
            # complex numbers with a NaN in another way than its functions do.
            with np.errstate(all="ignore"):
                namespace: Any = _Rounded() if is_rounded else np
                expected = say(namespace, line.text, {name: np.asarray(each) for name, each in values.items()})
            what = _difference(value, list(parts(expected))[position], line, is_rounded)
        if what is not None:
            yield f"{program}\n{line.name}: {what}"


class _Rounded:
    """numpy, with magnitudes of complex numbers that are rounded once: its own loops for AVX-512 are a step away from them."""

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)

    def abs(self, x: Any) -> Any:
        """Return the magnitude."""
        return np.hypot(x.real, x.imag) if np.iscomplexobj(x) else np.abs(x)

    absolute = abs


# Of two zeros numpy's own loops take the one or the other, by their place in memory (clip by whether a bound is broadcast); sorts
# and products of matrices too.
CHOOSING = ("max", "min", "clip", "ptp", "sort", "median", "unique", "@", "dot")


def _difference(value: Any, expected: Any, line: Line, is_rounded: bool) -> str | None:
    value, expected = np.asarray(value), np.asarray(expected)
    if (value.shape, value.dtype) != (expected.shape, expected.dtype):
        return f"{value.dtype}{value.shape}, numpy's is {expected.dtype}{expected.shape}"
    if not _are_equal(value, expected, is_rounded):
        return f"{value.tolist()}, numpy's is {expected.tolist()}"
    if expected.dtype.kind == "f" and not any(word in line.text for word in CHOOSING):
        differ = (np.signbit(value) != np.signbit(expected)) & ~np.isnan(expected)
        if differ.any():
            return f"{value.tolist()} has other signs than {expected.tolist()}"
    return None


def _are_equal(value: np.ndarray, expected: np.ndarray, is_rounded: bool) -> bool:
    if not is_rounded or expected.dtype.kind not in "fc":
        return np.array_equal(value, expected, equal_nan=expected.dtype.kind in "fc")
    return np.allclose(value, expected, rtol=4 * np.finfo(expected.dtype).eps, atol=0, equal_nan=True)


@pytest.mark.parametrize("ways", [nullcontext, by_programs], ids=["node by node", "by prepared programs"])
@pytest.mark.parametrize("num_batches", only([3], [3, 10]))
def test_random_programs_of_related_operands_are_numpys_without_a_compiler(ways: Any, num_batches: int) -> None:
    for first_seed in range(0, num_batches * BATCH, BATCH):
        with ways(), np.errstate(all="ignore"):
            batch = _joined([related_program(random.Random(seed)) for seed in range(first_seed, first_seed + BATCH)])
            results = cnp.evaluate(batch.tensors)
        assert next(faults(batch, results), None) is None


@pytest.mark.parametrize("first_seed", one_in(3, [0, BATCH, 2 * BATCH]))
def test_random_programs_of_related_operands_are_numpys(first_seed: int) -> None:
    assert check_batch(first_seed) > 100


@pytest.mark.parametrize("first_seed", [0])
def test_random_programs_compile_for_another_processor(first_seed: int, tmp_path: Path) -> None:
    assert check_compiles("aarch64", first_seed, tmp_path) > 50


@pytest.mark.slow
@pytest.mark.parametrize("first_seed", range(1000 * BATCH, 1010 * BATCH, BATCH))
def test_more_random_programs_compile_for_another_processor(first_seed: int, tmp_path: Path) -> None:
    assert check_compiles("aarch64", first_seed, tmp_path) > 50


def check_compiles(target: str, first_seed: int, directory: Path, count: int = BATCH) -> int:
    """Compile what C computes alone of the programs of these seeds; return how many values that are."""
    batch = _joined([related_program(random.Random(seed)) for seed in range(first_seed, first_seed + count)])
    outputs = [tensor for tensor in batch.tensors if _has_c(tensor, batch.inputs, target)]
    reached = {node for tensor in outputs for node in tensor.graph.nodes}
    text = c_text(outputs, [each for each in batch.inputs if each.node in reached], target=target)
    assert_compiles(text, directory, get_target(target), ZIG, (*WARNINGS, "-Wno-tautological-compare"))
    return len(outputs)


def _has_c(tensor: Any, inputs: Sequence[Any], target: str) -> bool:
    try:
        c_text(tensor, [each for each in inputs if each.node in tensor.graph.nodes], target=target)
    except UnsupportedOperationError:
        return False
    return True


@pytest.mark.slow
@pytest.mark.parametrize("first_seed", range(1000 * BATCH, 1500 * BATCH, BATCH))
def test_twenty_thousand_random_programs_of_related_operands_are_numpys(first_seed: int) -> None:
    assert check_batch(first_seed) > 100
