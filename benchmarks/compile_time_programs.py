"""Programs for `benchmarks/compile_time.py`: chains that apply one function to its own result, long ones, and wide ones."""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

import composit.numpy as cnp
from composit.numpy.elementwise.functions import ElementwiseFunction
from composit.numpy.elementwise.table import ELEMENTWISE_FUNCTIONS
from mosaic.codegen.elementwise import is_compiled

Tensor = cnp.LazyTensor
Program = tuple[Tensor | list[Tensor], list[Tensor]]
Step = Callable[[Tensor, Tensor], Tensor]

FUNCTIONS = {function.name: function for function in ELEMENTWISE_FUNCTIONS}
_DTYPES = ("?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8")
_NUM_ELEMENTS = 1001  # whole vectors, and a rest
_SIDE = 32
_generator = np.random.default_rng(0)
_INDICES = _generator.integers(0, _SIDE, _SIDE)
_ALONG = _generator.integers(0, _SIDE, (_SIDE, _SIDE))
_WEIGHTS = _generator.uniform(size=(_SIDE, _SIDE)).astype("f4")


@dataclass(frozen=True, slots=True)
class Chain:
    """A step from a tensor and a second operand to a tensor of the same type."""

    name: str
    step: Step
    dtype: str
    shape: tuple[int, ...]

    def program(self, num_nodes: int) -> Program:
        """As many steps as make about so many nodes: a step may record several, such as a comparison and a conversion."""
        x, y = (cnp.ones(self.shape, dtype=self.dtype) for _ in range(2))
        result, steps = self.step(x, y), max(1, num_nodes // self.nodes_per_step)
        for _ in range(steps - 1):
            result = self.step(result, y)
        return cnp.multiply(result, y) if self.dtype != "?" else cnp.logical_and(result, y), [x, y]

    @property
    def nodes_per_step(self) -> int:
        """The nodes that one step adds, leaves apart."""
        x, y = (cnp.ones(self.shape, dtype=self.dtype) for _ in range(2))
        once = self.step(x, y)
        return max(1, len(self.step(once, y).graph) - len(once.graph))


def chains() -> Iterator[Chain]:
    """Every elementwise function for every dtype for which it has C, and what else is compiled by topic."""
    for function in ELEMENTWISE_FUNCTIONS:
        for dtype in _DTYPES:
            if _has_c(function, np.dtype(dtype)):
                yield Chain(f"{function.name} {dtype}", partial(_applied, function), dtype, (_NUM_ELEMENTS,))
    for name, step in _STEPS.items():
        yield Chain(name, step, "i8" if name.endswith("i8") else "f4", (_SIDE, _SIDE))


def _has_c(function: ElementwiseFunction, dtype: np.dtype[Any]) -> bool:
    """Whether the loop for operands of the dtype takes them as they are, has one result, and has C."""
    try:
        loop = function._resolve((*[dtype] * function.nin, *[None] * function.nout))
    except TypeError:
        return False
    operands = loop[: function.nin]
    return function.nout == 1 and set(operands) == {dtype} and is_compiled(function.name, operands)


def _applied(function: ElementwiseFunction, x: Tensor, y: Tensor) -> Tensor:
    result: Tensor = function(*[x, y, y][: function.nin])
    converted: Tensor = result.astype(x.dtype)
    return result if result.dtype == x.dtype else converted


def _reduced(name: str, axis: int | None, x: Tensor, y: Tensor) -> Tensor:
    result: Tensor = x + getattr(cnp, name)(x, axis=axis, keepdims=True).astype(x.dtype)
    return result


def _cast_and_back(dtype: str, x: Tensor, y: Tensor) -> Tensor:
    result: Tensor = x.astype(dtype).astype(x.dtype)
    return result


def _softmax(x: Tensor, y: Tensor) -> Tensor:
    exponentials = cnp.exp(x - cnp.max(x, axis=-1, keepdims=True))
    result: Tensor = exponentials / cnp.sum(exponentials, axis=-1, keepdims=True)
    return result


def _normalised(x: Tensor, y: Tensor) -> Tensor:
    result: Tensor = (x - x.mean(-1, keepdims=True)) / cnp.sqrt(x.var(-1, keepdims=True) + 1e-5)
    return result


def _gelu(x: Tensor, y: Tensor) -> Tensor:
    result: Tensor = 0.5 * x * (1 + cnp.tanh(0.79 * (x + 0.044 * x**3)))
    return result


_STEPS: dict[str, Step] = {
    "where": lambda x, y: cnp.where(x > y, x, y),
    "clip": lambda x, y: cnp.clip(x, -1, 5),
    "sinc": lambda x, y: cnp.sinc(x),
    "x ** 3": lambda x, y: x**3,
    "x ** 2.5": lambda x, y: x**2.5,
    "x // 7 i8": lambda x, y: x // 7,
    "gelu": _gelu,
    "softmax": _softmax,
    "normalise": _normalised,
    "x @ y": lambda x, y: x @ y,
    "x @ weights": lambda x, y: x @ _WEIGHTS,
    "x @ x.T": lambda x, y: x @ x.T,
    "x @ y[0]": lambda x, y: (x @ y[0])[:, None] + x,
    "outer": lambda x, y: cnp.outer(x[0], y[0]) + x,
    "einsum ij,ik->jk": lambda x, y: cnp.einsum("ij,ik->jk", x, y),
    "x.T + 1": lambda x, y: x.T + 1,
    "x[::-1] * 2": lambda x, y: x[::-1] * 2,
    "roll": lambda x, y: cnp.roll(x, 5, axis=1),
    "pad": lambda x, y: cnp.pad(x, 3)[3:-3, 2:-4] + 1,
    "concatenate": lambda x, y: cnp.concatenate([x[:, 16:], y[:, :16]], axis=1),
    "stack": lambda x, y: cnp.stack([x[:16], y[:16]], axis=1).reshape(_SIDE, _SIDE),
    "repeat": lambda x, y: cnp.repeat(x[::2], 2, axis=0),
    "tril": lambda x, y: cnp.tril(x),
    "diff": lambda x, y: cnp.diff(x, axis=1, prepend=0),
    "take": lambda x, y: cnp.take(x, _INDICES, axis=1),
    "x[i, i]": lambda x, y: x[_INDICES[:, None], _INDICES],
    "take_along_axis": lambda x, y: cnp.take_along_axis(x, _ALONG, axis=1),
    "cumsum": lambda x, y: cnp.cumsum(x, axis=1),
    **{
        f"{name}, axis {axis}": partial(_reduced, name, axis)
        for name in ("sum", "prod", "max", "min", "any", "all", "argmax", "argmin", "mean", "var")
        for axis in (None, 0, 1)
    },
    **{f"astype {dtype}": partial(_cast_and_back, dtype) for dtype in _DTYPES if dtype != "f4"},
}


def long_chain(name: str, num_nodes: int) -> Program:
    """A chain of one elementwise function of float32."""
    return Chain(name, partial(_applied, FUNCTIONS[name]), "f4", (_NUM_ELEMENTS,)).program(num_nodes)


def mixed(num_nodes: int) -> Program:
    """Functions drawn at random, applied to results drawn from the latest: no two kernels of it are equal."""
    draw = random.Random(1)
    inputs = [cnp.ones((_NUM_ELEMENTS,), dtype="f4") for _ in range(3)]
    latest = list(inputs)
    count = 0
    while count < num_nodes:
        nodes, function = draw.choice(_MIXED)
        latest = [*latest[-20:], function(latest[-1], draw.choice(latest))]
        count += nodes
    return latest[-1], inputs


_MIXED: tuple[tuple[int, Step], ...] = (
    (1, lambda x, y: cnp.exp(x)),
    (1, lambda x, y: cnp.sin(x)),
    (1, lambda x, y: x * y),
    (1, lambda x, y: x + y),
    (1, lambda x, y: cnp.maximum(x, y)),
    (1, lambda x, y: x - 1.0),
    (2, lambda x, y: cnp.tanh(y) + x),
    (2, lambda x, y: cnp.sqrt(cnp.abs(x))),
    (3, lambda x, y: cnp.where(x < y, x, y * 0.5)),
    (3, lambda x, y: x / (y * y + 1.0)),
)


def _sum(tensors: Sequence[Tensor]) -> Tensor:
    result = tensors[0]
    for each in tensors[1:]:
        result = result + each
    return result


def _tree(tensors: list[Tensor]) -> Tensor:
    while len(tensors) > 1:
        pairs = [left + right for left, right in zip(tensors[::2], tensors[1::2], strict=False)]
        tensors = pairs + tensors[2 * len(pairs) :]
    return tensors[0]


def _wide(combine: Callable[[list[Tensor]], Tensor | list[Tensor]]) -> Callable[[int], Program]:
    def program(width: int) -> Program:
        inputs = [cnp.ones((64,), dtype="float32") for _ in range(width)]
        return combine(inputs), inputs

    return program


def _different_kernels(width: int) -> Program:
    inputs = [cnp.ones((16 + number,), dtype="float32") for number in range(width)]
    return [cnp.exp(each) for each in inputs], inputs


def _written_one_by_one(width: int) -> Program:
    x, y = cnp.ones((width,), dtype="float32"), cnp.zeros((width,), dtype="float32")
    for place in range(width):
        y[place] = x[place] * 2
    return y, [x]


WIDE: dict[str, Callable[[int], Program]] = {
    "sum of inputs": _wide(_sum),
    "sum of inputs as a tree": _wide(_tree),
    "sum of exp of inputs": _wide(lambda inputs: _sum([cnp.exp(each) * 0.5 for each in inputs])),
    "concatenation of inputs": _wide(cnp.concatenate),
    "an output for each input": _wide(lambda inputs: [cnp.exp(each) for each in inputs]),
    "kernels that all differ": _different_kernels,
    "elements assigned one by one": _written_one_by_one,
}
