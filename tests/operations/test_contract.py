"""Every operation, by its rows in samples.py: types and values are numpy's, gradients are right, identity is kept."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import composit as cnp
from composit.operation import Input
from composit.types import LazyTensor
from tests.operations.sample import Sample
from tests.operations.samples import SAMPLES

every_sample = pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
differentiable_samples = pytest.mark.parametrize(
    "sample", [sample for sample in SAMPLES if sample.differentiable], ids=lambda sample: sample.name
)


def test_names_of_samples_are_unique():
    names = [sample.name for sample in SAMPLES]
    assert len(names) == len(set(names))


@every_sample
def test_types_and_values_are_numpys(sample: Sample):
    operands = sample.operands()
    with np.errstate(all="ignore"):
        expected = _parts(sample.by_numpy(*operands))
        tensors = _parts(sample.compute(cnp, *_tensors(operands)))
        values = [cnp.evaluate(tensor) for tensor in tensors]
    assert len(tensors) == len(expected)
    for part, tensor, value in zip(expected, tensors, values, strict=True):
        assert isinstance(tensor, LazyTensor)
        assert (tensor.shape, tensor.dtype) == (np.shape(part), part.dtype)
        assert tensor.type.is_scalar == isinstance(part, np.generic)
        assert type(value) is type(part)
        assert (value.shape, value.dtype) == (part.shape, part.dtype)
        if sample.rtol:
            np.testing.assert_allclose(value, part, rtol=sample.rtol, atol=0)
        else:
            np.testing.assert_array_equal(value, part)
            if part.dtype.kind == "f":
                np.testing.assert_array_equal(np.signbit(value), np.signbit(part))


@every_sample
def test_the_same_call_is_the_same_expression_unless_it_makes_an_array(sample: Sample):
    tensors = _tensors(sample.operands())
    with np.errstate(all="ignore"):
        first, second = _parts(sample.compute(cnp, *tensors)), _parts(sample.compute(cnp, *tensors))
    for one, other in zip(first, second, strict=True):
        assert (one.node == other.node) is not sample.is_fresh
        # The types follow from the operation and its operands, whoever asks.
        operand_types = [node.types[index] for node, index in one.node.operands]
        operation = one.node.operation
        assert operation.result_types(*operand_types) == one.node.types
        if not isinstance(operation, Input):
            loaded = pickle.loads(pickle.dumps(operation))
            assert loaded == operation
            assert (loaded.key(), loaded.structure()) == (operation.key(), operation.structure())


@differentiable_samples
def test_gradients_agree_with_differences(sample: Sample):
    # Central differences of step 1e-6 in float64: rounding leaves about 1e-9 of values below 100, curvature 1e-12.
    operands = sample.operands()
    generator = np.random.default_rng(0)
    tensors = _tensors(operands)
    outputs = [part for part in _parts(sample.compute(cnp, *tensors)) if part.dtype.kind == "f"]
    weights = [generator.normal(size=output.shape) for output in outputs]
    inputs = [tensor for tensor in tensors if isinstance(tensor, LazyTensor) and tensor.dtype == np.float64]
    gradients = cnp.nn.chain_rule(dict(zip(outputs, map(cnp.asarray, weights), strict=True)), inputs, unreached="zeros")
    directions = [generator.normal(size=tensor.shape) for tensor in inputs]
    for gradient, tensor in zip(gradients, inputs, strict=True):
        assert (gradient.shape, gradient.dtype) == (tensor.shape, tensor.dtype)
    analytic = sum(float(np.sum(cnp.evaluate(g) * d)) for g, d in zip(gradients, directions, strict=True))
    numeric = _difference_along(sample, operands, weights, directions)
    np.testing.assert_allclose(analytic, numeric, rtol=1e-5, atol=1e-6)


def _difference_along(
    sample: Sample, operands: Sequence[Any], weights: Sequence[np.ndarray], directions: Sequence[np.ndarray]
) -> float:
    step = 1e-6

    def loss(sign: int) -> float:
        moves = iter(directions)
        moved = [x + sign * step * next(moves) if _is_float64_array(x) else x for x in operands]
        parts = [np.asarray(part) for part in _parts(sample.by_numpy(*moved))]
        floating = [part for part in parts if part.dtype.kind == "f"]
        return sum(float(np.sum(part * weight)) for part, weight in zip(floating, weights, strict=True))

    return (loss(1) - loss(-1)) / (2 * step)


def _is_float64_array(operand: Any) -> bool:
    return isinstance(operand, np.ndarray | np.generic) and operand.dtype == np.float64


def _tensors(operands: Sequence[Any]) -> list[Any]:
    return [cnp.asarray(x) if isinstance(x, np.ndarray) else x for x in operands]


def _parts(result: Any) -> list[Any]:
    return list(result) if isinstance(result, tuple | list) else [result]
