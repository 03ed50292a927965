"""Random programs of several calls of composit.nn with shared values, slices, transpositions, writes and concatenations between them.

A program is a list of steps; each takes values that earlier steps made, of which several may be read again. All values have four axes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

import composit as cnp
from composit.nn import layers, operations
from tests.properties.layer_calls.case import Case, Draw, Operand, Shape

# Any, in functions: our tensors or torch's.
Function = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Step:
    """One call: which values it takes, and how it is written for us and for torch."""

    text: str
    operands: tuple[int, ...]
    ours: Function
    theirs: Function


class _Writer:
    """Draws the steps of one program. `tensors` are lazy, and say what shape each value has."""

    def __init__(self, draw: Draw) -> None:
        self.draw = draw
        self.inputs: list[Operand] = []
        self.tensors: list[Any] = []
        self.steps: list[Step] = []

    def given(self, *shape: int, scale: float = 1.0) -> int:
        """Add an input of the program; return the number of its value."""
        self.inputs.append(self.draw.normal(*shape, scale=scale))
        self.tensors.append(cnp.zeros(shape))
        self.steps.append(Step(f"given{shape}", (), lambda: None, lambda: None))
        return len(self.tensors) - 1

    def add(self, text: str, operands: tuple[int, ...], ours: Function, theirs: Function) -> int:
        self.tensors.append(ours(*(self.tensors[number] for number in operands)))
        self.steps.append(Step(text, operands, ours, theirs))
        return len(self.tensors) - 1

    def shape(self, number: int) -> Shape:
        found: Shape = self.tensors[number].shape
        return found

    def images(self) -> list[int]:
        return [number for number, each in enumerate(self.tensors) if each.ndim == 4]

    def value(self) -> int:
        """Return a value with four axes: a new one more often than an old one, and not one that grew too large."""
        images = [number for number in self.images() if self.tensors[number].size <= 3000]
        return images[-1] if self.draw.chance(0.4) else int(self.draw.choice(images))


def _convolved(w: _Writer, x: int) -> None:
    channels = w.shape(x)[1]
    taps = w.draw.choice([1, 2, 3])
    outputs = w.draw.choice([1, 2, 4, 5])
    last = w.draw.chance(0.3)
    filters = w.given(outputs, channels, taps, taps, scale=0.4)
    strides = w.draw.choice([1, 1, 2])
    padding = taps // 2 if min(w.shape(x)[2:]) + 2 * (taps // 2) >= taps else taps

    def ours(x: Any, f: Any) -> Any:
        if not last:
            return operations.convolution(x, f, strides=strides, padding=padding)
        x, f = (cnp.transpose(each, (0, 2, 3, 1)) for each in (x, f))
        y = operations.convolution(x, f, strides=strides, padding=padding, channels_last=True)
        return cnp.transpose(y, (0, 3, 1, 2))

    w.add(
        f"convolution(taps={taps}, strides={strides}, padding={padding}, {last=})",
        (x, filters),
        ours,
        lambda x, f: F.conv2d(x, f, stride=strides, padding=padding),
    )


def _spread(w: _Writer, x: int) -> None:
    filters = w.given(w.shape(x)[1], w.draw.choice([1, 3]), 2, 2, scale=0.4)
    strides = w.draw.choice([1, 2])
    w.add(
        f"transposed_convolution(strides={strides})",
        (x, filters),
        lambda x, f: operations.transposed_convolution(x, f, strides=strides),
        lambda x, f: F.conv_transpose2d(x, f, stride=strides),
    )


def _pooled(w: _Writer, x: int) -> None:
    kind, strides = w.draw.choice(["max", "average", "adaptive"]), w.draw.choice([1, 2])
    taps = tuple(min(3, length) for length in w.shape(x)[2:])
    sides = tuple(each // 2 for each in taps)
    if kind == "max":
        named: dict[str, Any] = {"kernel_size": taps, "padding": sides}
        w.add(
            f"max_pool({named}, {strides})",
            (x,),
            lambda x: operations.max_pool(x, strides=strides, **named),
            lambda x: F.max_pool2d(x, stride=strides, **named),
        )
    elif kind == "average":
        w.add(
            f"average_pool({taps}, {strides})",
            (x,),
            lambda x: operations.average_pool(x, kernel_size=taps, strides=strides, padding=sides),
            lambda x: F.avg_pool2d(x, taps, strides, sides),
        )
    else:
        w.add(
            "adaptive_average_pool(3)",
            (x,),
            lambda x: operations.adaptive_average_pool(x, 3),
            lambda x: F.adaptive_avg_pool2d(x, 3),
        )


def _normed(w: _Writer, x: int) -> None:
    kind, shape = w.draw.choice(["layer", "instance", "softmax", "log_softmax", "rms"]), w.shape(x)
    axis = w.draw.integer(0, 3)
    if kind in ("layer", "rms"):
        weight = w.given(shape[-1])
        name = f"{kind}_norm"
        w.add(
            name,
            (x, weight),
            lambda x, v: getattr(layers, name)(x, v, epsilon=1e-2),
            lambda x, v: getattr(F, name)(x, shape[-1:], v, eps=1e-2),
        )
    elif kind == "instance" and shape[2] * shape[3] > 1:
        w.add(
            "instance_norm",
            (x,),
            lambda x: layers.instance_norm(x, epsilon=1e-2),
            lambda x: F.instance_norm(x, eps=1e-2),
        )
    else:
        function = "log_softmax" if kind == "log_softmax" else "softmax"
        w.add(
            f"{function}(axis={axis})",
            (x,),
            lambda x: getattr(operations, function)(x, axis),
            lambda x: getattr(torch, function)(x, axis),
        )


_ELEMENTWISE: dict[str, tuple[Function, Function]] = {
    "gelu": (operations.gelu, F.gelu),
    "silu": (operations.silu, F.silu),
    "relu": (operations.relu, F.relu),
    "tanh": (cnp.tanh, torch.tanh),
    "sigmoid": (operations.sigmoid, torch.sigmoid),
    "sine of three": (lambda x: cnp.sin(3 * x), lambda x: torch.sin(3 * x)),
}


def _elementwise(w: _Writer, x: int) -> None:
    name = w.draw.choice(list(_ELEMENTWISE))
    w.add(name, (x,), *_ELEMENTWISE[name])


def _moved(w: _Writer, x: int) -> None:
    kind = w.draw.choice(["transpose", "flip", "roll", "reshape", "pad", "cumsum", "take"])
    axis = w.draw.integer(0, 3)
    n, c, h, v = w.shape(x)
    order = tuple(w.draw.choice([(0, 1, 3, 2), (0, 2, 3, 1), (1, 0, 2, 3), (3, 2, 1, 0), (2, 0, 1, 3)]))
    chosen = np.array([w.draw.integer(0, w.shape(x)[axis] - 1) for _ in range(w.draw.integer(1, 5))])
    table: dict[str, tuple[Function, Function]] = {
        "transpose": (lambda x: cnp.transpose(x, order), lambda x: x.permute(order)),
        "flip": (lambda x: cnp.flip(x, axis), lambda x: x.flip(axis)),
        "roll": (lambda x: cnp.roll(x, 1, axis), lambda x: x.roll(1, axis)),
        "reshape": (lambda x: cnp.reshape(x, (n, v, c, h)), lambda x: x.reshape(n, v, c, h)),
        "pad": (
            lambda x: cnp.pad(x, ((0, 0), (0, 0), (1, 0), (0, 2))),
            lambda x: F.pad(x, (0, 2, 1, 0)),
        ),
        "cumsum": (lambda x: cnp.cumsum(x, axis=axis) / 2, lambda x: x.cumsum(axis) / 2),
        "take": (lambda x: cnp.take(x, chosen, axis), lambda x: x.index_select(axis, torch.tensor(chosen))),
    }
    text = {"transpose": f"transpose{order}", "take": f"take({chosen}, {axis})"}.get(kind, f"{kind}({axis})")
    w.add(text, (x,), *table[kind])


def _sliced(w: _Writer, x: int) -> None:
    parts = []
    for length in w.shape(x):
        start = w.draw.integer(0, min(1, length - 1))
        step = w.draw.choice([1, 1, 1, 2])
        parts.append(slice(start, w.draw.choice([length, length, max(length - 1, start + 1)]), step))
    index = tuple(parts)
    w.add(f"slice{index}", (x,), lambda x: x[index], lambda x: x[index])


def _meeting(w: _Writer, x: int, y: int, axis: int | None = None) -> tuple[Any, Any]:
    """Return the indices that cut two values to their common shape, but for an axis."""
    common = tuple(min(one, other) for one, other in zip(w.shape(x), w.shape(y), strict=True))
    index = tuple(slice(None) if place == axis else slice(length) for place, length in enumerate(common))
    return index, index


def _combined(w: _Writer, x: int) -> None:
    y = w.value()
    kind, axis = w.draw.choice(["add", "multiply", "where", "concatenate", "write", "add at"]), w.draw.integer(0, 3)
    first, second = _meeting(w, x, y, axis if kind == "concatenate" else None)
    table: dict[str, tuple[Function, Function]] = {
        "add": (lambda x, y: x[first] + 0.5 * y[second],) * 2,
        "multiply": (
            lambda x, y: x[first] * cnp.tanh(y[second]),
            lambda x, y: x[first] * torch.tanh(y[second]),
        ),
        "where": (
            lambda x, y: cnp.where(x[first] > y[second], x[first], y[second] * 2),
            lambda x, y: torch.where(x[first] > y[second], x[first], y[second] * 2),
        ),
        "concatenate": (
            lambda x, y: cnp.concatenate([x[first], y[second]], axis),
            lambda x, y: torch.cat([x[first], y[second]], axis),
        ),
        "write": (
            lambda x, y: _written(cnp.array(x), first, y[second]),
            lambda x, y: _written(x.clone(), first, y[second]),
        ),
        "add at": (
            lambda x, y: _added(cnp.array(x), first, y[second]),
            lambda x, y: _added(x.clone(), first, y[second]),
        ),
    }
    w.add(f"{kind}({axis}, {first})", (x, y), *table[kind])


def _written(x: Any, index: Any, value: Any) -> Any:
    x[index] = value
    return x


def _added(x: Any, index: Any, value: Any) -> Any:
    x[index] += value
    return x


def _attended(w: _Writer, x: int) -> None:
    y = w.value()
    n, c, _, width = (min(one, other) for one, other in zip(w.shape(x), w.shape(y), strict=True))
    causal = w.draw.chance(0.4)

    def cut(x: Any) -> Any:
        return x[:n, :c, :, :width]

    w.add(
        f"attention({causal=})",
        (x, y),
        lambda x, y: layers.scaled_dot_product_attention(cut(x), cut(y), cut(y), causal=causal),
        lambda x, y: F.scaled_dot_product_attention(cut(x), cut(y), cut(y), is_causal=causal),
    )


def _multiplied(w: _Writer, x: int) -> None:
    matrix = w.given(w.shape(x)[-1], w.draw.choice([1, 3, 8]), scale=0.5)
    w.add("matmul", (x, matrix), lambda x, m: x @ m, lambda x, m: x @ m)


def _reduced(w: _Writer, x: int) -> None:
    axis, kind = w.draw.integer(0, 3), w.draw.choice(["mean", "max", "subtract mean"])
    table: dict[str, tuple[Function, Function]] = {
        "mean": (
            lambda x: cnp.mean(x, axis=axis, keepdims=True),
            lambda x: x.mean(axis, keepdim=True),
        ),
        "max": (lambda x: cnp.max(x, axis=axis, keepdims=True), lambda x: x.amax(axis, keepdim=True)),
        "subtract mean": (
            lambda x: x - cnp.mean(x, axis=axis, keepdims=True),
            lambda x: x - x.mean(axis, keepdim=True),
        ),
    }
    w.add(f"{kind}({axis})", (x,), *table[kind])


def _resized(w: _Writer, x: int) -> None:
    mode = w.draw.choice(["nearest", "bilinear"])
    size = (w.draw.choice([1, 3, 5]), w.draw.choice([2, 4, 7]))
    w.add(
        f"interpolate({size}, {mode})",
        (x,),
        lambda x: operations.interpolate(x, size, mode=mode),
        lambda x: F.interpolate(x, size, mode=mode),
    )


_STEPS = (
    *(_convolved,) * 2,
    _spread,
    *(_pooled,) * 2,
    *(_normed,) * 3,
    *(_elementwise,) * 2,
    *(_moved,) * 3,
    *(_sliced,) * 2,
    *(_combined,) * 4,
    *(_attended,) * 2,
    _multiplied,
    _reduced,
    _resized,
)


def program(draw: Draw) -> Case:
    """Return a program of some steps as a call; its results are its last value and some before it."""
    w = _Writer(draw)
    for _ in range(draw.integer(1, 2)):
        w.given(draw.choice([1, 2]), draw.choice([1, 2, 4]), draw.choice([2, 3, 5, 8]), draw.choice([2, 4, 7, 16]))
    for _ in range(draw.integer(4, 11)):
        draw.choice(_STEPS)(w, w.value())
    images = w.images()
    returned = sorted({images[-1], *(draw.choice(images) for _ in range(draw.integer(0, 2)))})
    is_given = [step.text.startswith("given") for step in w.steps]

    def run(spelling: str, arguments: tuple[Any, ...]) -> list[Any]:
        following = iter(arguments)
        values: list[Any] = []
        for step, given in zip(w.steps, is_given, strict=True):
            operands = [values[number] for number in step.operands]
            values.append(next(following) if given else getattr(step, spelling)(*operands))
        return [values[number] * 1 for number in returned]

    steps = "; ".join(f"{number}={step.text}{list(step.operands)}" for number, step in enumerate(w.steps))
    return Case(
        f"program({steps} -> {returned})",
        lambda *arguments: run("ours", arguments),
        lambda *arguments: run("theirs", arguments),
        tuple(w.inputs),
    )
