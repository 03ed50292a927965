"""Second derivatives of every operation, of real and of complex operands, against differences of first derivatives.

With random weights w, directions v and d, and s(x) = Re sum(gradient of Re sum(w f(x)) * v): the gradient of s along d
is compared with (s(x + h d) - s(x - h d)) / 2 h. First derivatives of complex operands are compared with differences of
numpy's values; test_contract.py does so for real ones. Cotangents pair without conjugation: dL = Re sum(g * dx).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest

import composit as cnp
from composit.errors import MissingDerivativeError
from composit.types import LazyTensor
from tests.operations.sample import Sample
from tests.operations.samples import SAMPLES

INEXACT = (np.float64, np.complex128)
STEP = 1e-6
DIFFERENTIABLE = [sample for sample in SAMPLES if sample.differentiable]

# numpy has no such function of complex numbers.
REAL_ONLY = {
    *(
        f"elementwise.{name}"
        for name in "arctan2 cbrt ceil copysign deg2rad degrees divmod erf fabs fix floor floor_divide fmod frexp heaviside"
        " hypot ldexp logaddexp logaddexp2 modf rad2deg radians remainder trunc".split()
    ),
    *("calculus.interp", "calculus.unwrap", "sorting.percentile", "sorting.quantile"),
    *("fft.ihfft", "fft.rfft", "fft.rfft2", "fft.rfftn"),
    # Its strides are those of float64.
    "movement.as_strided",
}
# Calls that are numpy's where operands are complex; chain_rule says that a derivative is missing.
NOT_WRITTEN = {"reductions.var where", "reductions.std where"} | {
    f"calculus.{name}"
    for name in (
        *("cov", "cov of columns", "convolve", "convolve same", "convolve valid", "correlate"),
        *("correlate with a longer one", "correlate in full"),
    )
}


def _from_eigenvectors(xp: Any, x: Any) -> Any:
    # Vectors are compared with their own conjugates, since LAPACK chooses their phases.
    values, vectors = xp.linalg.eigh(x)
    return values, vectors[..., :, None, :] * xp.conj(vectors)[..., None, :, :]


def _from_singular_vectors(xp: Any, x: Any) -> Any:
    left, values, right = xp.linalg.svd(x, full_matrices=False)
    return values, left[..., :, :, None] * right[..., None, :, :]


INVARIANTS: dict[str, Callable[..., Any]] = {"linalg.eigh": _from_eigenvectors, "linalg.svd": _from_singular_vectors}


def _is_of(sample: Sample, names: set[str]) -> bool:
    return sample.name in names or sample.name.split(" ")[0] in names


COMPLEX = [
    replace(sample, compute=INVARIANTS.get(sample.name.split(" ")[0], sample.compute))
    for sample in DIFFERENTIABLE
    if not _is_of(sample, REAL_ONLY) and sample.name not in NOT_WRITTEN
]


def _parts(result: Any) -> list[Any]:
    flat = result if isinstance(result, tuple | list) else [result]
    return [part for part in flat if part.dtype in INEXACT]


def _moves(operand: Any) -> bool:
    return isinstance(operand, np.ndarray) and operand.dtype in INEXACT


def _random(generator: np.random.Generator, like: Any) -> np.ndarray:
    real = np.asarray(generator.normal(size=like.shape))
    return real + 1j * generator.normal(size=like.shape) if like.dtype.kind == "c" else real


@dataclass(slots=True)
class Comparison:
    """One sample with its operands, and the weights and directions that are drawn for it."""

    sample: Sample
    operands: Sequence[Any]
    generator: np.random.Generator = field(default_factory=lambda: np.random.default_rng(1))
    weights: list[np.ndarray] = field(default_factory=list)
    along: list[np.ndarray] = field(default_factory=list)

    def loss(self, operands: Sequence[Any]) -> float:
        """Return numpy's Re sum(w f(x))."""
        parts = _parts(self.sample.by_numpy(*operands))
        return sum(float(np.sum(part * weight).real) for part, weight in zip(parts, self.weights, strict=True))

    def gradients(self, operands: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        """Return the lazy gradients of the loss, and the tensors that they belong to."""
        tensors = [cnp.asarray(x) if isinstance(x, np.ndarray) else x for x in operands]
        outputs = _parts(self.sample.compute(cnp, *tensors))
        inputs = [tensor for tensor in tensors if isinstance(tensor, LazyTensor) and tensor.dtype in INEXACT]
        self.weights = self.weights or [_random(self.generator, output) for output in outputs]
        cotangents = dict(zip(outputs, map(cnp.asarray, self.weights), strict=True))
        return cnp.nn.chain_rule(cotangents, inputs, unreached="zeros"), inputs

    def slope(self, operands: Sequence[Any]) -> tuple[Any, list[Any]]:
        """Return s, the gradient along the first directions, and the tensors that it depends on."""
        gradients, inputs = self.gradients(operands)
        self.along = self.along or [_random(self.generator, tensor) for tensor in inputs]
        terms = [cnp.real(cnp.sum(g * v)) for g, v in zip(gradients, self.along, strict=True)]
        return sum(terms[1:], terms[0]), inputs

    def moved(self, directions: Sequence[np.ndarray], step: float) -> list[Any]:
        """Return the operands, moved along the directions."""
        moves = iter(directions)
        return [np.asarray(x + step * next(moves)) if _moves(x) else x for x in self.operands]

    def second(self) -> tuple[float, float]:
        """Return the derivative of s along a direction, by the chain rule and by differences."""
        slope, inputs = self.slope(self.operands)
        directions = [_random(self.generator, tensor) for tensor in inputs]
        found = cnp.nn.chain_rule({slope: slope}, inputs, unreached="zeros")
        analytic = sum(float(np.sum(cnp.evaluate(g) * d).real) for g, d in zip(found, directions, strict=True))
        ends = [float(cnp.evaluate(self.slope(self.moved(directions, sign * STEP))[0])) for sign in (1, -1)]
        return analytic, (ends[0] - ends[1]) / (2 * STEP)

    def first(self) -> tuple[float, float]:
        """Return the derivative of the loss along a direction, by the chain rule and by differences."""
        gradients, inputs = self.gradients(self.operands)
        directions = [_random(self.generator, tensor) for tensor in inputs]
        analytic = sum(float(np.sum(cnp.evaluate(g) * d).real) for g, d in zip(gradients, directions, strict=True))
        ends = [self.loss(self.moved(directions, sign * STEP)) for sign in (1, -1)]
        return analytic, (ends[0] - ends[1]) / (2 * STEP)


def _complex_operands(sample: Sample) -> list[Any]:
    generator = np.random.default_rng(2)
    return [
        np.asarray(x + 0.5j * generator.normal(size=x.shape)) if _moves(x) else x for x in sample.operands()
    ]  # a line of its own keeps the domains of the real parts


@pytest.mark.parametrize("sample", DIFFERENTIABLE, ids=lambda sample: sample.name)
def test_second_derivatives_agree_with_differences(sample: Sample) -> None:
    with np.errstate(all="ignore"):
        analytic, numeric = Comparison(sample, sample.operands()).second()
    # Step 1e-6 in float64: rounding leaves about 1e-9 of slopes below 100.
    np.testing.assert_allclose(analytic, numeric, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("sample", COMPLEX, ids=lambda sample: sample.name)
def test_derivatives_of_complex_operands_agree_with_differences(sample: Sample) -> None:
    with np.errstate(all="ignore"):
        comparison = Comparison(sample, _complex_operands(sample))
        np.testing.assert_allclose(*comparison.first(), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(*comparison.second(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", sorted(NOT_WRITTEN))
def test_what_has_no_derivative_of_complex_operands_says_so(name: str) -> None:
    (sample,) = [sample for sample in DIFFERENTIABLE if sample.name == name]
    with pytest.raises(MissingDerivativeError):
        Comparison(sample, _complex_operands(sample)).first()


def test_every_function_that_numpy_has_of_complex_numbers_is_compared() -> None:
    refused = set()
    for sample in DIFFERENTIABLE:
        try:
            with np.errstate(all="ignore"):
                has_result = bool(_parts(sample.by_numpy(*_complex_operands(sample))))
        except (TypeError, ValueError):
            has_result = False
        if not has_result:
            refused.add(sample.name.split(" ")[0])
    assert refused == REAL_ONLY - {"movement.as_strided"}
