"""Random programs cut at random between backends: what numpy computes in one piece."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

import composit as cnp
from composit.interpreter import NumpyBackend
from tests.properties.random_programs import RandomProgram, parts, random_program, say
from tests.sampling import one_in

pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore")  # numpy warns of infinities and empty means

PROGRAMS_PER_TEST = 25
# Three times numpy, as three backends.
PIECES = tuple(NumpyBackend() for _ in range(3))


@pytest.mark.parametrize("first_seed", one_in(2, range(0, 300, PROGRAMS_PER_TEST)))
def test_programs_cut_between_three_numpys_compute_numpys_bits(first_seed: int) -> None:
    for seed in range(first_seed, first_seed + PROGRAMS_PER_TEST):
        check_bits(seed)


@pytest.mark.parametrize("seed", one_in(3, range(2000, 2036)))
def test_programs_cut_between_numpy_mosaic_and_torch_compute_what_numpy_computes(seed: int) -> None:
    check_close(seed)


@pytest.mark.slow
@pytest.mark.parametrize("first_seed", range(5000, 9000, 1000))
def test_many_programs_cut_between_three_numpys_compute_numpys_bits(first_seed: int) -> None:
    for seed in range(first_seed, first_seed + 1000):
        check_bits(seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10000, 10400))
def test_many_programs_cut_between_numpy_mosaic_and_torch_compute_what_numpy_computes(seed: int) -> None:
    check_close(seed)


def drawn(seed: int) -> tuple[RandomProgram, dict[str, Any], dict[str, Any], random.Random]:
    """Return a program, its inputs as tensors, what its lines made of them, and the source of the draws."""
    source = random.Random(seed)
    program = random_program(source, source.randint(2, 14), safe=source.randrange(3) > 0)
    inputs = {name: cnp.asarray(value) for name, value in program.inputs.items()}
    return program, inputs, program.run(cnp, dict(inputs), lambda line, error: None), source


def random_backends(lazy: dict[str, Any], source: random.Random, choices: tuple[Any, ...]) -> dict[Any, Any]:
    """Return a mapping that sends each result to some backend, and the steps inside a line to any."""
    keys = [tensor for value in lazy.values() for tensor in parts(value) if tensor.node.operands]
    # Scalars hash by their values, as numpy's do, and that is a read.
    chosen: dict[Any, Any] = {tensor: source.choice(choices) for tensor in keys if not isinstance(tensor, np.generic)}
    return chosen | {"*": source.choice(choices)}


def check_bits(seed: int) -> None:
    """Compare classes, types and bits of all values of one program, with its own inputs and with others."""
    program, inputs, lazy, source = drawn(seed)
    made = {line.name: lazy[line.name] for line in program.lines if line.name in lazy}
    tensors = [part for value in made.values() for part in parts(value)]
    if not tensors:
        return
    backend = random_backends(made, source, PIECES)
    reached = {id(node) for tensor in tensors for node in tensor.graph.nodes}
    others = {
        tensor: np.roll(program.inputs[name].ravel(), 1).reshape(tensor.shape)
        for name, tensor in inputs.items()
        if id(tensor.node) in reached
    }
    with np.errstate(all="ignore"):
        for given in ({}, others):
            whole, cut = [cnp.evaluate(tensors, inputs=given, backend=each) for each in (PIECES[0], backend)]
            assert list(map(bits, cut)) == list(map(bits, whole)), f"seed {seed}\n{program}"


def bits(value: Any) -> tuple[Any, ...]:
    """Return the class, the type and the bytes of a value."""
    return type(value), value.dtype, value.shape, np.asarray(value).tobytes()


def check_close(seed: int) -> None:
    """Compare all values of one program: integers exactly, floats to 1e-5 of the largest (sums in another order)."""
    program, _, lazy, source = drawn(seed)
    lines = [line for line in program.lines if line.name in lazy]
    if not lines:
        return
    made = {line.name: lazy[line.name] for line in lines}
    backend = random_backends(made, source, ("numpy", "mosaic", "torch"))
    with np.errstate(all="ignore"):
        values, expected = [cnp.evaluate(list(made.values()), backend=each) for each in (backend, "numpy")]
        seen = dict(program.inputs) | dict(zip(made, values, strict=True))
        for line, value, wanted in zip(lines, values, expected, strict=True):
            pairs = list(zip(parts(value), parts(wanted), strict=True))
            for part, number in pairs:
                assert (type(part), part.shape, part.dtype) == (type(number), number.shape, number.dtype), line.text
            if not all(_are_close(*pair) for pair in pairs):
                # A last bit that an earlier line left is right if numpy says the same of the operands that it left.
                pairs = list(zip(parts(value), parts(say(np, line.text, seen)), strict=True))
            assert all(_are_close(*pair) for pair in pairs), f"seed {seed}, {line.name}: {pairs}\n{program}"


def _are_close(value: Any, wanted: Any) -> bool:
    if wanted.dtype.kind != "f":
        return bool(np.array_equal(value, wanted))
    finite = np.abs(wanted[np.isfinite(wanted)])
    return bool(np.allclose(value, wanted, rtol=1e-5, atol=1e-6 * float(np.max(finite, initial=0)), equal_nan=True))
