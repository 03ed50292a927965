"""Complex numbers in C: pairs of real numbers, with numpy's answers, also at infinities, NaN and zeros."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest

import composit as cnp
import mosaic
from composit.nn.operations.complex_parts import complex_from_parts
from mosaic.targets import check_runs_here, named_targets
from tests.mosaic.c_text import c_text
from tests.mosaic.comparison import assert_same_values, fused, unfused
from tests.sampling import one_in

PRECISIONS = ("complex64", "complex128")
PART = {"complex64": "float32", "complex128": "float64"}


def numbers(*shape: int, dtype: str = "complex64", seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng([seed, *shape])
    return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(dtype)


def targets_here() -> list[str]:
    found = []
    for name, target in named_targets.items():
        try:
            check_runs_here(target)
        except cnp.errors.ParameterError:
            continue
        found.append(name)
    return found


ELEMENTWISE: dict[str, Callable[..., Any]] = {
    "add": lambda xp, x, y: x + y,
    "subtract": lambda xp, x, y: x - y,
    "multiply": lambda xp, x, y: x * y,
    "divide": lambda xp, x, y: x / y,
    "of real numbers": lambda xp, x, y: xp.real(x) * y - 2 * xp.imag(y) / x,
    "of Python's numbers": lambda xp, x, y: (x + 1j) * (2 - 3j) - 1,
    "negative": lambda xp, x, y: -x,
    "conjugate": lambda xp, x, y: xp.conjugate(x),
    "square": lambda xp, x, y: xp.square(x),
    "reciprocal": lambda xp, x, y: xp.reciprocal(x),
    "exp": lambda xp, x, y: xp.exp(x),
    "absolute": lambda xp, x, y: xp.abs(x),
    "angle": lambda xp, x, y: xp.angle(x),
    "equal": lambda xp, x, y: (x == y) | (x != xp.conjugate(y)) | xp.isnan(x) | xp.isinf(y) | xp.isfinite(x),
    "where": lambda xp, x, y: xp.where(xp.real(x) > 0, x, 1j * y),
    "precisions": lambda xp, x, y: x.astype("complex128") + y.astype("complex64"),
    "from real numbers": lambda xp, x, y: xp.real(x).astype("complex64") * y,
    "truth": lambda xp, x, y: x.astype(bool),
}
OTHERS: dict[str, Callable[..., Any]] = {
    "parts": lambda xp, x, y: [x.real, x.imag, x.real.T, xp.imag(x)[1:]],
    "moved": lambda xp, x, y: [x.T, x.reshape(6, 2), x[::-1, None], xp.broadcast_to(y[0], (2, 4)), x[1]],
    "joined": lambda xp, x, y: [xp.concatenate([x, xp.real(y), y]), xp.stack([x, y], axis=-1), *xp.split(x, 2, axis=1)],
    "padded": lambda xp, x, y: xp.pad(x, ((1, 0), (0, 2)), constant_values=2 - 1j),
    "at places": lambda xp, x, y: [x[np.array([2, 0, 0])], xp.take(x, np.array([1, -1]), axis=1), x[np.array([0, 1]), np.array([3, 2])]],
    "sums": lambda xp, x, y: [x.sum(), y.sum(axis=0), xp.mean(x, axis=1), xp.cumsum(x, axis=1)],
    "matrices": lambda xp, x, y: [x @ y.T, xp.real(x) @ y.T, x @ xp.real(y).T, x[0] @ y[1]],
    "einsum": lambda xp, x, y: [xp.einsum("ij,kj->ik", x, y), xp.einsum("ij,ij->", x, xp.conjugate(y)), xp.einsum("ij->j", x)],
    "full": lambda xp, x, y: x + xp.full((3, 4), 1 + 2j, "complex64"),
    "as reals": lambda xp, x, y: [x.view(xp.real(x).dtype) * 2, (xp.real(x) + 1).view(x.dtype) * 2j],
    "nothing": lambda xp, x, y: [x[:0] * 2, xp.sum(x[:0], axis=0)],
}  # fmt: skip


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def islands(model: Any) -> list[str]:
    return [line for line in model.explain().splitlines() if "numpy island" in line]


@pytest.mark.parametrize(("target", "dtype"), one_in(3, product(targets_here(), PRECISIONS)))
def test_every_function_is_computed_by_c_as_by_numpy(target: str, dtype: str) -> None:
    arrays = numbers(3, 4, dtype=dtype), numbers(3, 4, dtype=dtype, seed=1)
    x, y = map(cnp.asarray, arrays)
    functions = [*ELEMENTWISE.values(), *OTHERS.values()]
    outputs = [each for function in functions for each in listed(function(cnp, x, y))]
    expected = [each for function in functions for each in listed(function(np, *arrays))]
    model = mosaic.compile(outputs, inputs=[x, y], target=named_targets[target])
    assert islands(model) == []
    for given, wanted in zip(model(*arrays), expected, strict=True):
        assert_same_values(given, wanted)


def special_values(name: str, dtype: str) -> tuple[np.ndarray, np.ndarray]:
    """A column and a row of what is special, for a function of ELEMENTWISE."""
    limits = np.finfo(PART[dtype])
    special = [0.0, -0.0, 1.0, -2.5, np.inf, -np.inf, np.nan, limits.tiny]
    if name not in ("multiply", "square"):
        # numpy multiplies with fused additions where the machine has them: what overflows or cancels there differs with it.
        special += [limits.max / 4, np.log(limits.max) + 0.5]
    grid = np.array([complex(a, b) for a in special for b in special], dtype)
    return grid[:, None], grid[None, ::3]


@pytest.mark.parametrize("dtype", PRECISIONS)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # numpy warns of what is tried here
def test_special_values_are_numpys(dtype: str) -> None:
    arrays = {name: special_values(name, dtype) for name in ELEMENTWISE}
    with np.errstate(all="ignore"):
        outputs = {name: ELEMENTWISE[name](cnp, *map(cnp.asarray, pair)) for name, pair in arrays.items()}
        for backend in (fused, unfused):
            given = cnp.evaluate(outputs, backend=backend)
            for name, pair in arrays.items():
                expected = ELEMENTWISE[name](np, *pair)
                for part in (np.real, np.imag):
                    left, right = part(given[name]), part(expected)
                    np.testing.assert_array_equal(np.isnan(left), np.isnan(right), name)
                    np.testing.assert_allclose(left, right, 1e-5 if dtype == "complex64" else 1e-13, err_msg=name)


def test_rotary_embeddings_are_kernels_alone() -> None:
    pairs, angles = np.random.default_rng(0).standard_normal((2, 5, 3, 8)).astype("float32"), np.linspace(0, 3, 20)
    x, turn = cnp.asarray(pairs), cnp.asarray(angles.reshape(5, 1, 4).astype("float32"))

    def rotated(xp: Any, x: Any, turn: Any, joined: Callable[..., Any]) -> Any:
        halves = x.reshape(2, 5, 3, 4, 2)
        product = joined(halves[..., 0], halves[..., 1]) * joined(xp.cos(turn), xp.sin(turn))
        return xp.stack([xp.real(product), xp.imag(product)], axis=-1).reshape(x.shape)

    output = rotated(cnp, x, turn, complex_from_parts)
    model = mosaic.compile(output, inputs=[x, turn])
    assert islands(model) == []
    by_numpy = rotated(np, pairs, cnp.evaluate(turn), lambda a, b: a + 1j * b)
    assert_same_values(model(pairs, cnp.evaluate(turn)), by_numpy.astype("float32"))
    assert "complex" not in c_text(output, [x, turn])


def test_numpy_gets_and_gives_complex_memory_between_kernels() -> None:
    array = numbers(4, 6)
    x = cnp.asarray(array)
    y = cnp.fft.fft(x * 2j) + cnp.linalg.inv(x[:, :4]).sum()
    z = cnp.sort(cnp.conjugate(x), axis=1)
    z[1:3, ::2] = x[1:3, ::2] * 1j
    z[0] = cnp.fft.ifft(z[3])
    model = mosaic.compile([y, z, z.real + 1, x.T], inputs=[x])
    assert len(islands(model)) == 4
    for given, wanted in zip(model(array), cnp.evaluate([y, z, z.real + 1, x.T]), strict=True):
        assert_same_values(given, wanted)


def test_writes_to_parts_of_arrays_are_numpys() -> None:
    def written(xp: Any, x: Any, y: Any) -> list[Any]:
        a, b, c = x.copy(), x.copy(), x.copy()
        a[1:, ::2] = y[1:, ::2] * 1j
        a[0] = 3
        b.real[...] = 5
        b.imag[0] *= -1
        c[np.array([2, 0])] = y[:2]
        c[:, np.array([0, 0])] += 1j
        c.view("float32")[1, 3] = 9
        return [a, b, c]

    arrays = numbers(3, 4), numbers(3, 4, seed=1)
    x, y = map(cnp.asarray, arrays)
    for backend in (fused, unfused):
        for given, wanted in zip(cnp.evaluate(written(cnp, x, y), backend=backend), written(np, *arrays), strict=True):
            assert_same_values(given, wanted)


def test_outputs_keep_their_types_where_memory_may_be_given_away() -> None:
    real, array = np.ones(8, "float32"), numbers(4)
    x, y = cnp.asarray(real), cnp.asarray(array)
    model = mosaic.compile([y.view("float32") * 2, x.view("complex64") * 2j, y * 1j], inputs=[x, y])
    expected = [array.view("float32") * 2, real.view("complex64") * 2j, array * 1j]
    for given, wanted in zip(model(real.copy(), array.copy()), expected, strict=True):
        assert_same_values(given, wanted)
    out = [np.empty(8, "float32"), np.empty(4, "complex64"), np.empty((2, 4), "complex64")[0]]
    for given, place, wanted in zip(model(real, array, out=out), out, expected, strict=True):
        assert given is place
        assert_same_values(given, wanted)


def test_matrices_that_are_constant_are_stored_in_panels() -> None:
    weights, array = numbers(40, 48), numbers(32, 40, seed=1)
    x = cnp.asarray(array)
    model = mosaic.compile([x @ cnp.asarray(weights), x * cnp.asarray(weights[:32, :40])], inputs=[x])
    for given, wanted in zip(model(array), [array @ weights, array * weights[:32, :40]], strict=True):
        assert_same_values(given, wanted)


@pytest.mark.parametrize("dtype", ["clongdouble", ">c8"])
def test_complex_numbers_that_c_has_not_run_through_numpy(dtype: str) -> None:
    array = numbers(3, 4).astype(dtype)
    x = cnp.asarray(array)
    model = mosaic.compile([x * 2j, x.real, x.T], inputs=[x])
    assert islands(model)
    for given, wanted in zip(model(array), [array * 2j, array.real, array.T], strict=True):
        np.testing.assert_array_equal(given, wanted, strict=True)
