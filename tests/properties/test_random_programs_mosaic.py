"""Random programs compiled to C: what numpy computes, fused or not, on any number of threads."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
import pytest

import composit as cnp
import mosaic
from mosaic.backend import MosaicBackend
from tests.properties.random_programs import parts, random_program
from tests.sampling import one_in

pytestmark = pytest.mark.filterwarnings("ignore")  # numpy warns of infinities and empty means

PROGRAMS_PER_TEST = 8
FUSED = MosaicBackend()
UNFUSED = MosaicBackend(fuse=False)


@pytest.mark.parametrize(("first_seed", "fuse"), one_in(3, product(range(0, 48, PROGRAMS_PER_TEST), [True, False])))
def test_random_programs_compute_what_numpy_computes(first_seed: int, fuse: bool):
    backend = FUSED if fuse else UNFUSED
    _, tensors = _programs(range(first_seed, first_seed + PROGRAMS_PER_TEST))
    with np.errstate(all="ignore"):
        _assert_all_close(cnp.evaluate(tensors, backend=backend), cnp.evaluate(tensors))


@pytest.mark.parametrize("first_seed", range(100, 132, PROGRAMS_PER_TEST))
def test_random_programs_run_on_new_inputs_with_equal_bits_for_any_number_of_threads(first_seed: int):
    _assert_compiled_alike(range(first_seed, first_seed + PROGRAMS_PER_TEST))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1000, 1600))
def test_many_random_programs_compute_what_numpy_computes(seed: int):
    _, tensors = _programs([seed])
    for backend in (FUSED, UNFUSED):
        with np.errstate(all="ignore"):
            _assert_all_close(cnp.evaluate(tensors, backend=backend), cnp.evaluate(tensors))
    _assert_compiled_alike([seed])


def test_parts_of_a_joined_array_stay_in_one_region_when_an_island_follows():
    # Each region hands on whole buffers: a part that moved before the island left its place in the result unwritten.
    x, y = cnp.asarray(np.array([[2.0], [0.5]], "float32")), cnp.asarray(np.ones((2, 2), "float32"))
    smaller = cnp.less(y, x.T)
    outputs = [smaller, cnp.cumsum(x), cnp.concatenate((smaller, y, smaller), axis=1)]
    for _ in range(5):
        _assert_all_close(cnp.evaluate(outputs, backend=FUSED), cnp.evaluate(outputs))


def test_computed_indices_are_read_from_memory_also_when_fused():
    x, i = cnp.asarray(np.arange(3.0)), cnp.asarray(np.array([[1, 0, 1, 0]]))
    outputs = [cnp.take(x, i + i, mode="wrap", axis=-1), (x * 2)[cnp.max(i)]]
    for output in outputs:
        _assert_all_close([cnp.evaluate(output, backend=FUSED)], [cnp.evaluate(output)])


def _programs(seeds: Sequence[int]) -> tuple[list[tuple[Any, np.ndarray]], list[Any]]:
    """Return the inputs with their arrays, and all tensors, of some programs that numpy can evaluate."""
    inputs, tensors = [], []
    for seed in seeds:
        source = random.Random(seed)
        program = random_program(source, source.randint(2, 12), safe=source.randrange(3) > 0)
        made = {name: cnp.asarray(value) for name, value in program.inputs.items()}
        lazy = program.run(cnp, made, lambda line, error: None)
        inputs += [(made[name], value) for name, value in program.inputs.items()]
        tensors += [part for line in program.lines if line.name in lazy for part in parts(lazy[line.name])]
    return inputs, tensors


def _assert_compiled_alike(seeds: Sequence[int]) -> None:
    made, tensors = _programs(seeds)
    ancestors = set(cnp.concatenate([cnp.ravel(tensor) for tensor in tensors]).graph.nodes)
    inputs = [
        (tensor, np.roll(value.ravel(), 1).reshape(value.shape)) for tensor, value in made if tensor.node in ancestors
    ]
    keys, arrays = [tensor for tensor, _ in inputs], [array for _, array in inputs]
    with np.errstate(all="ignore"):
        expected = cnp.evaluate(tensors, inputs=dict(inputs))
        models = [mosaic.compile(tensors, inputs=keys, num_threads=number) for number in (1, 2)]
        one, two = [model(*arrays) for model in models]
    _assert_all_close(one, expected)
    assert [each.tobytes() for each in one] == [each.tobytes() for each in two]


def _assert_all_close(values: Sequence[Any], expected: Sequence[Any]) -> None:
    """Integers and booleans are equal; floats within 1e-5 of the largest, since sums are in another order."""
    assert len(values) == len(expected)
    for value, wanted in zip(values, expected, strict=True):
        assert (value.shape, value.dtype) == (wanted.shape, wanted.dtype)
        if wanted.dtype.kind != "f":
            np.testing.assert_array_equal(value, wanted)
            continue
        finite = np.abs(wanted[np.isfinite(wanted)])
        np.testing.assert_allclose(value, wanted, rtol=1e-5, atol=1e-6 * float(np.max(finite, initial=0)))
