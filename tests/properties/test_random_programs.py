"""Random programs on numpy and on composit: the same types and bits, and errors of the same class."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

import composit as cnp
from composit.types import LazyTensor
from tests.prepared import by_programs
from tests.properties.random_programs import Line, RandomProgram, parts, random_program, say
from tests.sampling import one_in

# Numpy warns of infinities and empty means while it computes, and so does composit.
pytestmark = pytest.mark.filterwarnings("ignore")

PROGRAMS_PER_TEST = 250
# Where composit says that it combines in another order than numpy: `initial` last, all elements where a mask chooses.
REORDERED = ("initial=", "where=")
# Where numpy leaves the sign of a zero to the library it calls (BLAS), or to the order of two equal bounds.
SIGNLESS = ("@", "matmul", "dot", "inner")
Values = dict[str, Any]


@pytest.mark.parametrize("first_seed", one_in(2, range(0, 2000, PROGRAMS_PER_TEST)))
def test_random_programs_mean_what_numpy_means(first_seed: int):
    for seed in range(first_seed, first_seed + PROGRAMS_PER_TEST):
        check(seed)


def test_prepared_programs_mean_the_same() -> None:
    with by_programs():
        for seed in range(PROGRAMS_PER_TEST):
            check(seed)


@pytest.mark.slow
@pytest.mark.parametrize("first_seed", range(2000, 50_000, 2000))
def test_many_random_programs_mean_what_numpy_means(first_seed: int):
    for seed in range(first_seed, first_seed + 2000):
        check(seed)


def check(seed: int) -> None:
    """Compare all lines of one program."""
    source = random.Random(seed)
    program = random_program(source, source.randint(2, 14), errors=True)
    errors: dict[str, Exception] = {}
    inputs = {name: cnp.asarray(value) for name, value in program.inputs.items()}
    with np.errstate(all="ignore"):
        lazy = program.run(cnp, inputs, lambda line, error: errors.update({line.name: error}))
        seen: Values = dict(program.inputs)
        for line in program.lines:
            fault = _fault(line, lazy.get(line.name), errors.get(line.name), seen)
            assert fault is None, _report(seed, program, line, fault)


def _report(seed: int, program: RandomProgram, line: Line, fault: str) -> str:
    return f"seed {seed}, {line.name}: {fault}\n{program}"


def _fault(line: Line, tensor: Any, error: Exception | None, seen: Values) -> str | None:
    """Return what is wrong with a line of composit, None if nothing is; note its value among those seen."""
    if line.error is not None:
        return _fault_of_error(line.error, tensor, error)
    if error is not None:
        return f"raised {error!r}"
    value = cnp.evaluate(tensor)
    fault = _fault_of_results(line, tensor, value, line.value)
    if fault is not None:
        # Last bits of numpy's own differ between an array that runs backwards and its copy, which is what a read leaves
        # (cbrt, exp2, log10 ... have faster loops for what runs forwards): there the line is right that is what numpy
        # says of the copies, and the lines after it build on that.
        fault = _fault_of_results(line, tensor, value, say(np, line.text, seen)) and fault
    seen[line.name] = value
    return fault


def _fault_of_results(line: Line, tensor: Any, value: Any, expected: Any) -> str | None:
    tensors, values, wanted = list(parts(tensor)), list(parts(value)), list(parts(expected))
    if not len(tensors) == len(values) == len(wanted):
        return f"{len(values)} results instead of {len(wanted)}"
    if any(word in line.text for word in REORDERED):
        return None if np.allclose(values[0], wanted[0], rtol=1e-6, atol=1e-6, equal_nan=True) else f"{values[0]!r}"
    is_signed = not any(word in line.text for word in SIGNLESS)
    faults = (_fault_of_value(*trio, is_signed) for trio in zip(tensors, values, wanted, strict=True))
    return next((fault for fault in faults if fault is not None), None)


def _fault_of_error(expected: type[Exception], tensor: Any, error: Exception | None) -> str | None:
    if error is None:
        try:
            return f"no {expected.__name__}, but {cnp.evaluate(tensor)!r}"
        except (ValueError, TypeError, IndexError, OverflowError) as late:
            error = late
    # numpy's private classes of errors derive from Python's; composit's do too.
    public = next(base for base in expected.__mro__ if not base.__module__.startswith("numpy._core"))
    return None if isinstance(error, public) else f"{error!r} instead of {expected.__name__}"


def _fault_of_value(tensor: Any, value: Any, expected: Any, is_signed: bool) -> str | None:
    if not isinstance(tensor, LazyTensor):
        return f"{type(tensor)} is no tensor"
    if (tensor.shape, tensor.dtype, tensor.type.is_scalar) != (
        expected.shape,
        expected.dtype,
        isinstance(expected, np.generic),
    ):
        return f"type {tensor.type}, a scalar: {tensor.type.is_scalar}; expected {expected!r}"
    if type(value) is not type(expected) or (value.shape, value.dtype) != (expected.shape, expected.dtype):
        return f"value {value!r}; expected {expected!r}"
    return None if have_same_bits(value, expected, is_signed) else f"value {value!r}; expected {expected!r}"


def have_same_bits(value: Any, expected: Any, is_signed: bool = True) -> bool:
    """Return whether all elements are equal, signs of zeros included if asked; one NaN is as good as another."""
    if expected.dtype.kind != "f":
        return bool(np.array_equal(value, expected))
    agree = (value == expected) & ((np.signbit(value) == np.signbit(expected)) | (not is_signed))
    return bool(np.all(agree | (np.isnan(value) & np.isnan(expected))))
