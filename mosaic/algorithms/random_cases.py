"""Random occurrences of operations that have algorithms: odd sizes, strides, dilation, groups, and operands that are views."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

import composit.numpy as cnp
from composit.apply import apply
from composit.errors import ParameterError
from composit.nn.operations.convolution import Convolution, FilterGradient, TransposedConvolution
from composit.nn.operations.logistic import Relu
from composit.nn.operations.pooling_windows import WindowMaximum, WindowSum
from composit.numpy.manipulation.reshaping import Reshape
from composit.numpy.products.matrix_products import Matmul
from composit.numpy.tensor.lazy_tensor import LazyTensor
from composit.operation import Array, Dtype, Operation, Shape
from mosaic.algorithms.families import plain

MOST_LENGTH = 13
MOST_CHANNELS = 5


@dataclass(frozen=True, slots=True)
class RandomCase:
    """One occurrence: the result, and the leaves that it is computed from with their arrays.

    operands:   the values of the operation's operands
    num_inputs: how many of the leaves, the first ones, are inputs of the program; the others are constants, as weights are
    """

    operation: Operation
    result: LazyTensor
    leaves: tuple[LazyTensor, ...]
    arrays: tuple[Array, ...]
    operands: tuple[Array, ...]
    num_inputs: int

    def __str__(self) -> str:
        types = ", ".join(f"{each.dtype}{list(each.shape)}" for each in self.operands)
        return f"{self.operation}({types})"


class Source:
    """Draws the parts of a case."""

    def __init__(self, rng: np.random.Generator, dtype: Dtype) -> None:
        self.rng = rng
        self.dtype = dtype

    def number(self, low: int, high: int) -> int:
        """Return a number between two, both included."""
        return int(self.rng.integers(low, high + 1))

    def numbers(self, count: int, low: int, high: int) -> Shape:
        """Return several such numbers."""
        return tuple(self.number(low, high) for _ in range(count))

    def values(self, shape: Shape) -> Array:
        """Return values near 1, or of random signs, or with zeros among them."""
        drawn = self.rng.normal(size=shape)
        kind = self.number(0, 2)
        values = (drawn, 1 + drawn / 8, np.where(drawn > 0, drawn, 0))[kind]
        return np.asarray(values, self.dtype)

    def operand(self, shape: Shape, leaves: list[tuple[LazyTensor, Array]]) -> LazyTensor:
        """Return a tensor of this shape: a leaf, or a view of one (reordered axes, every other element, reversed)."""
        kind, axis = self.number(0, 3), self.number(0, max(0, len(shape) - 1))
        if not shape or kind == 0:
            return self.leaf(shape, leaves)
        if kind == 1:
            order = self.rng.permutation(len(shape))
            leaf = self.leaf(tuple(shape[each] for each in order), leaves)
            return cnp.transpose(leaf, tuple(int(each) for each in np.argsort(order)))
        longer = (*shape[:axis], 2 * shape[axis], *shape[axis + 1 :]) if kind == 2 else shape
        step = slice(None, None, 2 if kind == 2 else -1)
        view: LazyTensor = self.leaf(longer, leaves)[(slice(None),) * axis + (step,)]
        return view

    def leaf(self, shape: Shape, leaves: list[tuple[LazyTensor, Array]]) -> LazyTensor:
        """Return a new leaf with random values."""
        array = self.values(shape)
        leaves.append((cnp.asarray(array), array))
        return leaves[-1][0]


Shapes = tuple[Operation, tuple[Shape, ...]]


def _convolution(source: Source, rank: int) -> tuple[Convolution, Shape, Shape, Shape]:
    """Return a convolution, and the shapes of x, of the filters, and of the result."""
    groups, kernel = source.number(1, 4), source.numbers(rank, 1, 4)
    strides, dilation = source.numbers(rank, 1, 3), source.numbers(rank, 1, 3)
    channels, outputs = source.number(1, MOST_CHANNELS), source.number(1, MOST_CHANNELS)
    if source.number(0, 2) == 0:  # what most networks have
        groups, strides, dilation = 1, (1,) * rank, (1,) * rank
        kernel, channels, outputs = (3,) * rank, source.number(1, 40), source.number(1, 40)
    spans = [dilation[axis] * (kernel[axis] - 1) + 1 for axis in range(rank)]
    lengths = tuple(span + source.number(0, MOST_LENGTH) for span in spans)
    pairs = zip(lengths, spans, strides, strict=True)
    positions = tuple((length - span) // stride + 1 for length, span, stride in pairs)
    x = (source.number(1, 3), groups * channels, *lengths)
    filters = (groups * outputs, channels, *kernel)
    return Convolution(strides, dilation, groups), x, filters, (x[0], filters[0], *positions)


def _of_convolution(source: Source, rank: int) -> Shapes:
    operation, x, filters, _ = _convolution(source, rank)
    return operation, (x, filters)


def _of_transposed(source: Source, rank: int) -> Shapes:
    operation, x, filters, result = _convolution(source, rank)
    steps = (operation.strides, operation.dilation, operation.groups)
    return TransposedConvolution(*steps, x[2:]), (result, filters)


def _of_filter_gradient(source: Source, rank: int) -> Shapes:
    operation, x, filters, result = _convolution(source, rank)
    steps = (operation.strides, operation.dilation, operation.groups)
    return FilterGradient(*steps, filters[2:]), (x, result)


def _of_pooling(source: Source, rank: int, is_maximum: bool) -> Shapes:
    operation, x, filters, _ = _convolution(source, rank)
    moves = (filters[2:], operation.strides, operation.dilation)
    return WindowMaximum(*moves, (0,) * rank) if is_maximum else WindowSum(*moves), (x,)


def _of_product(source: Source) -> Shapes:
    rows, depth, columns = source.number(1, 40), source.number(1, 60), source.number(1, 40)
    left, right = (
        ((rows, depth), (depth,))[source.number(0, 5) == 0],
        ((depth, columns), (depth,))[source.number(0, 5) == 0],
    )
    batch = source.numbers(source.number(0, 2), 1, 3)
    kind = source.number(0, 3)
    return Matmul(), (
        left if kind == 1 or len(left) == 1 else (*batch, *left),
        right if kind == 2 or len(right) == 1 else (*batch, *right),
    )


def _of_relu(source: Source) -> Shapes:
    return Relu(), (source.numbers(source.number(0, 4), 1, MOST_LENGTH),)


def _of_reshape(source: Source) -> Shapes:
    shape = source.numbers(source.number(1, 4), 1, MOST_LENGTH)
    return Reshape((int(np.prod(shape)),)), (shape,)


def _samplers(rank: int) -> dict[str, Callable[[Source], Shapes]]:
    """Return the functions that draw operations over so many axes, by plain names."""
    return {
        f"conv{rank}d": partial(_of_convolution, rank=rank),
        f"convtranspose{rank}d": partial(_of_transposed, rank=rank),
        f"conv{rank}dweight": partial(_of_filter_gradient, rank=rank),
        f"maxpool{rank}d": partial(_of_pooling, rank=rank, is_maximum=True),
        f"avgpool{rank}d": partial(_of_pooling, rank=rank, is_maximum=False),
    }


_SAMPLERS: dict[str, Callable[[Source], Shapes]] = {
    **_samplers(1),
    **_samplers(2),
    **_samplers(3),
    "matmul": _of_product,
    "relu": _of_relu,
    "reshape": _of_reshape,
}


def random_case(operation: str, rng: np.random.Generator, dtype: Dtype) -> RandomCase:
    """Return a random occurrence of an operation.

    Raises:  ParameterError: nothing draws such operations
    """
    sampler = _SAMPLERS.get(plain(operation))
    if sampler is None:
        raise ParameterError(
            f"check_algorithm: the operation {operation!r} was given, of which no random cases are known; expected one of "
            f"{', '.join(sorted(_SAMPLERS))}; compare what a compiled model gives with evaluate instead"
        )
    source = Source(rng, dtype)
    made, shapes = sampler(source)
    leaves: list[tuple[LazyTensor, Array]] = []
    operands = [source.operand(shape, leaves) for shape in shapes]
    result: Any = apply(made, *operands)
    values = tuple(np.array(cnp.evaluate(each)) for each in operands)
    tensors, arrays = zip(*leaves, strict=True)
    return RandomCase(made, result, tensors, arrays, values, source.number(1, len(tensors)))
