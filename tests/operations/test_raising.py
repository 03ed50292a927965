"""What values make an operation raise is found out: rows are run on zeros, negative and huge numbers, NaN and the like.

An operation whose evaluation raises must say so by `raises_by_value`, so that a `try` around its call gets the error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest

import composit as cnp
from composit.apply import is_given
from composit.node import Node
from composit.types import LazyTensor
from tests.operations.sample import Sample
from tests.operations.samples import SAMPLES

Fill = Callable[[np.ndarray], np.ndarray]

_EXTREMES: dict[str, float] = {"b": 1, "i": 100, "u": 200, "f": np.nan, "c": np.nan}

FILLS: dict[str, Fill] = {
    "zeros": np.zeros_like,
    "negative": lambda x: np.full_like(x, -1) if x.dtype.kind in "ifc" else np.ones_like(x),
    "extreme": lambda x: np.full_like(x, _EXTREMES[x.dtype.kind]),
    "infinite": lambda x: np.full_like(x, np.inf) if x.dtype.kind in "fc" else np.zeros_like(x),
    "falling": lambda x: np.arange(x.size)[::-1].astype(x.dtype).reshape(x.shape),
    "of both signs": lambda x: np.resize(np.array([1, -1]), x.shape).astype(x.dtype),
}


def _is_filled(operand: Any) -> bool:
    return isinstance(operand, np.ndarray) and operand.dtype.kind in _EXTREMES


def _variants(operands: Sequence[Any]) -> Iterator[list[Any]]:
    """Yield the operands with all arrays filled, and with one of them, for each way to fill."""
    places = [place for place, operand in enumerate(operands) if _is_filled(operand)]
    for fill in FILLS.values():
        for chosen in [places, *([place] for place in places if len(places) > 1)]:
            yield [fill(each) if place in chosen else each for place, each in enumerate(operands)]


def _computed(operand: Any) -> Any:
    """Return a tensor whose values no call can know before they are computed."""
    if not isinstance(operand, np.ndarray):
        return operand
    tensor = cnp.asarray(operand)
    return cnp.where(cnp.ones(operand.shape, dtype=bool), tensor, tensor) if _is_filled(operand) else tensor


def _says_so(tensor: LazyTensor) -> bool:
    return any(node.operation.raises_by_value and _may_raise(node) for node in tensor.graph)


def _may_raise(node: Node) -> bool:
    operands = node.operands
    types = [operand.types[index] for operand, index in operands]
    return node.operation.may_raise(types, [is_given(operand) for operand, _ in operands])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_an_operation_that_values_make_raise_says_so(sample: Sample) -> None:
    for operands in _variants(sample.operands()):
        with np.errstate(all="ignore"):
            try:
                result = sample.compute(cnp, *map(_computed, operands))
            except (ValueError, ArithmeticError, LookupError, TypeError):
                continue  # at the call, where numpy raises
        for tensor in result if isinstance(result, tuple | list) else (result,):
            if not isinstance(tensor, LazyTensor):
                continue
            error = _error_of(tensor)
            assert error is None or _says_so(tensor), f"{tensor!r} raises {error!r} for {operands}"


def _error_of(tensor: LazyTensor) -> Exception | None:
    try:
        with np.errstate(all="ignore"):
            cnp.evaluate(tensor)
    except (ValueError, ArithmeticError, LookupError, TypeError) as error:
        return error
    return None


def test_values_make_some_operations_raise() -> None:
    matrices = _computed(np.zeros((2, 2)))
    with pytest.raises(np.linalg.LinAlgError):
        cnp.evaluate(cnp.numpy.linalg.inv(matrices))
    assert _says_so(cnp.numpy.linalg.inv(matrices))
    assert not _says_so(cnp.numpy.exp(matrices))
