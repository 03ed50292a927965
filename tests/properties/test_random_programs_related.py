"""Random programs of related operands compiled to C: to the last bit what numpy computes, for every target that runs here.

A batch of programs is one compilation, on one thread and on two; batches take targets and fusion in turn.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
import pytest

import composit as cnp
import mosaic
from composit.errors import ParameterError
from composit.handle import TensorHandle
from mosaic.targets import check_runs_here, get_target, named_targets
from tests.properties.random_programs import RandomProgram, parts
from tests.properties.related_programs import related_program

pytestmark = pytest.mark.filterwarnings("ignore")  # numpy warns of infinities

BATCH = 40


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
    programs = [related_program(random.Random(seed)) for seed in range(first_seed, first_seed + count)]
    inputs, arrays, tensors, wanted = _joined(programs)
    compared = 0
    for num_threads in (1, 2):
        with np.errstate(all="ignore"):
            model = mosaic.compile(tensors, inputs=inputs, target=target, fuse=fuse, num_threads=num_threads)
            results = model(*arrays)
        for (program, name, expected), value in zip(wanted, results, strict=True):
            what = _difference(value, expected, program)
            assert what is None, f"target={target}, fuse={fuse}, {num_threads} threads\n{program}\n{name}: {what}"
            compared += 1
    return compared


def _joined(programs: Sequence[RandomProgram]) -> tuple[list[Any], list[Any], list[Any], list[tuple[Any, str, Any]]]:
    """Return inputs with their arrays, and tensors with the programs and values they belong to."""
    inputs, arrays, tensors, wanted = [], [], [], []
    for program in programs:
        made = {name: cnp.asarray(value) for name, value in program.inputs.items()}
        with np.errstate(all="ignore"):
            lazy = program.run(cnp, made, _reraise)
        values = [
            (line.name, tensor, value)
            for line in program.lines
            for tensor, value in zip(parts(lazy[line.name]), parts(line.value), strict=True)
            if isinstance(tensor, TensorHandle)  # 1 op 1 is numpy's own
        ]
        reached = {node for _, tensor, _ in values for node in tensor.graph.nodes}
        used = [(tensor, program.inputs[name]) for name, tensor in made.items() if tensor.node in reached]
        inputs += [tensor for tensor, _ in used]
        arrays += [array for _, array in used]
        tensors += [tensor for _, tensor, _ in values]
        wanted += [(program, name, value) for name, _, value in values]
    return inputs, arrays, tensors, wanted


def _reraise(line: Any, error: BaseException) -> None:
    raise error


def _difference(value: Any, expected: Any, program: RandomProgram) -> str | None:
    value, expected = np.asarray(value), np.asarray(expected)
    if (value.shape, value.dtype) != (expected.shape, expected.dtype):
        return f"{value.dtype}{value.shape}, numpy's is {expected.dtype}{expected.shape}"
    if not np.array_equal(value, expected, equal_nan=expected.dtype.kind == "f"):
        return f"{value.tolist()}, numpy's is {expected.tolist()}"
    # Of two zeros numpy's own loops take the one or the other, by their place in memory.
    chooses = any(word in line.text for line in program.lines for word in ("max", "min", "clip"))
    if expected.dtype.kind == "f" and not chooses:
        differ = (np.signbit(value) != np.signbit(expected)) & ~np.isnan(expected)
        if differ.any():
            return f"{value.tolist()} has other signs than {expected.tolist()}"
    return None


@pytest.mark.parametrize("first_seed", [0, BATCH, 2 * BATCH])
def test_random_programs_of_related_operands_are_numpys(first_seed: int) -> None:
    assert check_batch(first_seed) > 100


@pytest.mark.slow
@pytest.mark.parametrize("first_seed", range(1000 * BATCH, 1500 * BATCH, BATCH))
def test_twenty_thousand_random_programs_of_related_operands_are_numpys(first_seed: int) -> None:
    assert check_batch(first_seed) > 100
