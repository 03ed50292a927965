"""Derivatives of a sample along random directions, by the chain rule and by differences.

Cotangents pair without conjugation: dL = Re sum(g * dx).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import composit as cnp
from composit.types import LazyTensor
from tests.operations.sample import Sample

INEXACT = (np.float64, np.complex128)
STEP = 1e-6


def inexact_parts(result: Any) -> list[Any]:
    """Return the floating and complex results, also those in nested tuples and lists."""
    if isinstance(result, tuple | list):
        return [part for each in result for part in inexact_parts(each)]
    return [result] if result.dtype in INEXACT else []


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
        parts = inexact_parts(self.sample.by_numpy(*operands))
        return sum(float(np.sum(part * weight).real) for part, weight in zip(parts, self.weights, strict=True))

    def gradients(self, operands: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        """Return the lazy gradients of the loss, and the tensors that they belong to."""
        tensors = [cnp.asarray(x) if isinstance(x, np.ndarray) else x for x in operands]
        outputs = inexact_parts(self.sample.compute(cnp, *tensors))
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

    def first_to_ten_digits(self, step: float = 1e-4) -> tuple[float, float]:
        """Return the same as `first`, with differences of order 6: at this step they err by 1e-12 of the values."""
        gradients, inputs = self.gradients(self.operands)
        directions = [_random(self.generator, tensor) for tensor in inputs]
        analytic = sum(float(np.sum(cnp.evaluate(g) * d).real) for g, d in zip(gradients, directions, strict=True))

        def difference(size: float) -> float:
            return self.loss(self.moved(directions, size)) - self.loss(self.moved(directions, -size))

        weights = ((45, 1), (-9, 2), (1, 3))
        return analytic, sum(weight * difference(size * step) for weight, size in weights) / (60 * step)
