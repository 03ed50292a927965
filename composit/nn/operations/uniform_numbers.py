"""Numbers drawn from 0 to 1, as inputs of the graph: what all random functions of this package are made from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

import composit.numpy as cnp
from composit.labels import labelled
from composit.operation import Dtype, Shape

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor


def uniform(label: str, seed: Any, shape: Shape, dtype: Dtype) -> LazyTensor:  # Any: a seed or a generator
    """Return numbers from 0 to 1, drawn now; float16 compares with float32."""
    kind = np.float64 if dtype == np.float64 else np.float32
    numbers: LazyTensor = cnp.random.default_rng(seed).random(size=shape, dtype=kind)
    return labelled(numbers, label) if numbers.ndim else numbers
