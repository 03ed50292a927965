"""What a C function of a user's is told: for each operation a struct of int64 numbers, and how a case fills it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import singledispatch

from composit.nn.operations.convolution import Convolution
from composit.nn.operations.logistic import Relu
from composit.nn.operations.pooling_windows import WindowMaximum, WindowSum
from composit.numpy.products.matrix_products import Matmul
from composit.operation import Operation, Shape, TensorType
from mosaic.lowering.registry import NoLowering

Numbers = tuple[int, ...]
Types = Sequence[TensorType]


@dataclass(frozen=True, slots=True)
class Sizes:
    """The struct of one kind of operation: its name, its C text, and what stands in it.

    operands: the numbers of the operands that the function is given
    """

    name: str
    text: str
    numbers: Numbers
    operands: tuple[int, ...]


def _text(name: str, meaning: str, fields: Sequence[tuple[str, str]]) -> str:
    lines = [f"    int64_t {field + ';':<13}{f' /* {words} */' if words else ''}".rstrip() for field, words in fields]
    return "\n".join([f"/* {meaning} */", "typedef struct {", *lines, f"}} {name};"])


CONVOLUTION = _text(
    "mosaic_convolution",
    "result[n, o, p] = sum over c, k of x[n, c, strides * p + dilation * k] * filters[o, c, k], group by group; x is padded",
    (
        ("rank", "axes that the filters move over: 1, 2 or 3"),
        ("batch", "n"),
        ("channels", "of x; channels / groups of a filter"),
        ("outputs", "o: channels of the result"),
        ("groups", "outputs / groups of them read channels / groups of x"),
        ("lengths[3]", "of x, padding included; 1 beyond the rank"),
        ("kernel[3]", "of the filters"),
        ("positions[3]", "of the result"),
        ("strides[3]", ""),
        ("dilation[3]", ""),
    ),
)
POOLING = _text(
    "mosaic_pooling",
    "result[i, p] = the largest, or the sum over k, of x[i, strides * p + dilation * k]; x has its border",
    (
        ("rank", "axes that windows move over: 1, 2 or 3"),
        ("outer", "i: all axes before these"),
        ("lengths[3]", "of x; 1 beyond the rank"),
        ("kernel[3]", "of a window"),
        ("positions[3]", "of the result"),
        ("strides[3]", ""),
        ("dilation[3]", ""),
    ),
)
PRODUCT = _text(
    "mosaic_product",
    "result[b, i, j] = sum over k of left[b * left_step, i, k] * right[b * right_step, k, j]",
    (
        ("batch", "b: pairs of matrices"),
        ("rows", "i"),
        ("columns", "j"),
        ("depth", "k"),
        ("left_step", "1, or 0 where all pairs have the same left matrix"),
        ("right_step", "1, or 0 where all pairs have the same right matrix"),
    ),
)
ELEMENTS = _text("mosaic_elements", "result[i] of x[i]", (("count", "i"),))


@singledispatch
def sizes_of(operation: Operation, operand_types: Types, types: Types) -> Sizes:
    """Return what a C function is told about a case; raises NoLowering where no struct can say it."""
    raise NoLowering(
        f"functions in C can be given for convolutions, pooling, matmul and relu, not for {operation.name}"
    )


def _three(lengths: Shape) -> Numbers:
    return (*lengths, 1, 1, 1)[:3]


@sizes_of.register
def _(operation: Convolution, operand_types: Types, types: Types) -> Sizes:
    x, filters, result = operand_types[0].shape, operand_types[1].shape, types[0].shape
    counts = (len(operation.strides), x[0], x[1], filters[0], operation.groups)
    lengths = (x[2:], filters[2:], result[2:], operation.strides, operation.dilation)
    return Sizes("mosaic_convolution", CONVOLUTION, (*counts, *_joined(lengths)), (0, 1))


@sizes_of.register(WindowMaximum)
@sizes_of.register(WindowSum)
def _(operation: WindowMaximum | WindowSum, operand_types: Types, types: Types) -> Sizes:
    rank, x, result = len(operation.kernel), operand_types[-1].shape, types[0].shape
    lengths = (x[-rank:], operation.kernel, result[-rank:], operation.strides, operation.dilation)
    return Sizes("mosaic_pooling", POOLING, (rank, math.prod(x[:-rank]), *_joined(lengths)), (len(operand_types) - 1,))


@sizes_of.register
def _(operation: Matmul, operand_types: Types, types: Types) -> Sizes:
    left, right = operand_types[0].shape, operand_types[1].shape
    rows, columns = left[-2] if len(left) > 1 else 1, right[-1] if len(right) > 1 else 1
    num_axes = (len(left) > 1) + (len(right) > 1)
    batch = math.prod(types[0].shape[: types[0].ndim - num_axes])
    steps = []
    for each in (left, right):
        count = math.prod(each[:-2])
        if count not in (1, batch):
            raise NoLowering(f"its batch is broadcast: matrices of {left} and {right} are not paired one by one")
        steps.append(int(count == batch and batch > 1))
    return Sizes("mosaic_product", PRODUCT, (batch, rows, columns, left[-1], *steps), (0, 1))


@sizes_of.register
def _(operation: Relu, operand_types: Types, types: Types) -> Sizes:
    return Sizes("mosaic_elements", ELEMENTS, (types[0].size,), (0,))


def _joined(lengths: Sequence[Shape]) -> Numbers:
    return tuple(number for each in lengths for number in _three(each))


NumParts = int | Callable[..., int]
