"""One row per form of a function of composit.nn, and what is checked of each: values, derivatives, C. torch is the oracle."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

import composit as cnp
import mosaic
from composit.nn import chain_rule
from tests.operations.sample import Maker

Value = Any  # an array, a tensor of ours or of torch's


@dataclass(frozen=True, slots=True)
class Row:
    """One call: `ours` and `theirs` take the same operands, as tensors of composit and of torch.

    makers:         of the operands
    smooth:         the second derivative is compared, too
    differentiated: so many operands, the first ones of a floating dtype; torch refuses derivatives by some weights and targets
    """

    name: str
    ours: Callable[..., Value]
    theirs: Callable[..., Value]
    makers: tuple[Maker, ...]
    smooth: bool = True
    differentiated: int = 99

    def operands(self, dtype: type = np.float64) -> list[np.ndarray]:
        """Return the operands, the same in every process, with floats in the dtype."""
        generator = np.random.default_rng(zlib.crc32(self.name.encode()))
        made = [np.asarray(maker(generator)) for maker in self.makers]
        # Not by astype alone, which would make a dense copy of a strided operand.
        return [each if each.dtype == dtype or each.dtype.kind != "f" else each.astype(dtype) for each in made]


def identifier(row: Row) -> str:
    return row.name


def check_values(row: Row) -> None:
    """The values are torch's in float64 and float32, with the same shapes and dtypes."""
    # float32: some ten roundings of values around 1, and sums in another order.
    for dtype, tolerance in ((np.float64, 1e-10), (np.float32, 2e-5)):
        operands = row.operands(dtype)
        with np.errstate(all="ignore"):
            values = [np.asarray(cnp.evaluate(part)) for part in parts(row.ours(*map(cnp.asarray, operands)))]
        expected = [part.detach().numpy() for part in parts(row.theirs(*map(_to_torch, operands)))]
        assert len(values) == len(expected)
        for value, part in zip(values, expected, strict=True):
            assert (value.shape, value.dtype) == (part.shape, part.dtype)
            np.testing.assert_allclose(value, part, rtol=tolerance, atol=tolerance)


def check_derivatives(row: Row) -> None:
    """First derivatives of all floating operands, and second ones of smooth functions, are torch's in float64."""
    comparison = _Comparison(row)
    np.testing.assert_equal(len(comparison.gradients), len(comparison.torch_gradients))
    for ours, theirs in zip(comparison.gradients, comparison.torch_gradients, strict=True):
        assert (ours.shape, ours.dtype) == (tuple(theirs.shape), np.float64)
        _assert_close(cnp.evaluate(ours), theirs, 1e-7)
    if row.smooth:
        for ours, theirs in zip(*comparison.second(), strict=True):
            _assert_close(cnp.evaluate(ours), theirs, 1e-6)


def _to_torch(array: np.ndarray, requires_grad: bool = False) -> torch.Tensor:
    # torch takes no negative strides.
    return torch.tensor(np.array(array, order="C"), requires_grad=requires_grad)


def _assert_close(ours: Value, theirs: torch.Tensor, tolerance: float) -> None:
    expected = theirs.detach().numpy()
    # Relative to the largest: elements of a gradient are sums in which digits cancel.
    finite = np.abs(expected[np.isfinite(expected)])
    scale = max(1.0, float(finite.max())) if finite.size else 1.0
    np.testing.assert_allclose(np.asarray(ours), expected, rtol=tolerance, atol=tolerance * scale)


class _Comparison:
    """The gradients of sum(w f) with random weights w, by chain_rule and by torch.autograd."""

    def __init__(self, row: Row) -> None:
        operands = row.operands()
        self.generator = np.random.default_rng(1)
        ours = [cnp.asarray(each) for each in operands]
        is_varied = [place < row.differentiated and each.dtype.kind == "f" for place, each in enumerate(operands)]
        theirs = [_to_torch(each, varied) for each, varied in zip(operands, is_varied, strict=True)]
        self.tensors = ours
        self.inputs = [each for each, varied in zip(ours, is_varied, strict=True) if varied]
        self.torch_inputs = [each for each in theirs if each.requires_grad]
        outputs = [part for part in parts(row.ours(*ours)) if part.dtype.kind == "f"]
        torch_outputs = [part for part in parts(row.theirs(*theirs)) if part.dtype.is_floating_point]
        weights = [np.asarray(self.generator.normal(size=part.shape)) for part in outputs]
        cotangents = {part: cnp.asarray(weight) for part, weight in zip(outputs, weights, strict=True)}
        self.outputs = outputs
        self.gradients = chain_rule(cotangents, self.inputs, unreached="zeros")
        self.torch_gradients = self._by_torch(torch_outputs, list(map(torch.tensor, weights)))

    def _by_torch(self, outputs: Sequence[torch.Tensor], weights: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        pairs = [(part, weight) for part, weight in zip(outputs, weights, strict=True) if part.requires_grad]
        if not pairs:
            return [torch.zeros_like(each) for each in self.torch_inputs]
        found = torch.autograd.grad(
            [part for part, _ in pairs],
            self.torch_inputs,
            [weight for _, weight in pairs],
            create_graph=True,
            allow_unused=True,
        )
        return [torch.zeros_like(x) if each is None else each for each, x in zip(found, self.torch_inputs, strict=True)]

    def second(self) -> tuple[list[Value], list[torch.Tensor]]:
        """Return the gradients of the gradients along random directions."""
        weights = [np.asarray(self.generator.normal(size=each.shape)) for each in self.gradients]
        cotangents = {part: cnp.asarray(weight) for part, weight in zip(self.gradients, weights, strict=True)}
        ours = chain_rule(cotangents, self.inputs, unreached="zeros")
        return ours, self._by_torch(self.torch_gradients, list(map(torch.tensor, weights)))


def check_in_c(rows: Sequence[Row]) -> None:
    """mosaic computes values and gradients of all rows, as one program without islands, equal to numpy's."""
    comparisons = {row.name: _Comparison(row) for row in rows}
    results: dict[str, Any] = {
        name: {"outputs": each.outputs, "gradients": each.gradients} for name, each in comparisons.items()
    }
    inputs = [tensor for each in comparisons.values() for tensor in each.tensors]
    results["operands"] = inputs  # some reach no other output
    with np.errstate(all="ignore"):
        model = mosaic.compile(results, inputs=inputs)
        expected, values = cnp.evaluate(results), model(*cnp.evaluate(inputs))
    assert [line for line in model.explain().splitlines() if "numpy island" in line] == []
    differences = [row.name for row in rows if not _agree(values[row.name], expected[row.name])]
    assert differences == []


def _agree(value: Any, expected: Any) -> bool:
    if isinstance(expected, dict):
        return all(_agree(value[name], expected[name]) for name in expected)
    if isinstance(expected, list):
        return all(_agree(part, other) for part, other in zip(value, expected, strict=True))
    is_same_type = (value.dtype, value.shape) == (expected.dtype, expected.shape)
    finite = np.abs(np.asarray(expected)[np.isfinite(expected)])
    scale = max(1.0, float(finite.max())) if finite.size else 1.0
    return is_same_type and bool(np.allclose(value, expected, rtol=1e-12, atol=1e-12 * scale, equal_nan=True))


def parts(result: Value) -> list[Value]:
    return list(result) if isinstance(result, tuple | list) else [result]
