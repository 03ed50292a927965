"""Shapes of results as expressions, for operations of which every model has many: torch's own rules take milliseconds for each.

A rule takes the arguments, with `Metadata` in place of tensors, and returns the shape of each result, or None where it does not
know, so that torch's rule is asked. A shape is a claim: it is compared with what the operation gives, at the trace and at other sizes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, TypeAlias

import torch
from torch._ops import OpOverload, OpOverloadPacket

from flashlight.sizes.metadata import Metadata, are_equal

aten = torch.ops.aten
Shape: TypeAlias = tuple[Any, ...]
Shapes: TypeAlias = list[Shape] | None
Rule: TypeAlias = Callable[..., Shapes]


def broadcast(*shapes: Shape) -> Shape | None:
    """Return the shape to which shapes broadcast, None if that depends on sizes."""
    rank = max(map(len, shapes), default=0)
    result = []
    for axis in range(-rank, 0):
        lengths = [shape[axis] for shape in shapes if len(shape) >= -axis]
        longer = [length for length in lengths if not (isinstance(length, int) and length == 1)] or [1]
        if not all(are_equal(length, longer[0]) for length in longer[1:]):
            return None
        result.append(longer[0])
    return tuple(result)


def _of_elements(*args: Any, **kwargs: Any) -> Shapes:
    given = [*args, *kwargs.values()]
    if any(isinstance(each, list | tuple) for each in given):
        return None
    shape = broadcast(*(each.shape for each in given if isinstance(each, Metadata)))
    return None if shape is None else [shape]


def _of_first(x: Metadata, *_: Any, **__: Any) -> Shapes:
    return [x.shape]


def _of_first_twice(x: Metadata, *_: Any, **__: Any) -> Shapes:
    return [x.shape, x.shape]


def _matmul(x: Metadata, y: Metadata) -> Shapes:
    return [(*x.shape[:-1], y.shape[-1])]


def _add_matmul(_: Metadata, x: Metadata, y: Metadata, **__: Any) -> Shapes:
    return _matmul(x, y)


def _embedding(weight: Metadata, at: Metadata, *_: Any, **__: Any) -> Shapes:
    return [(*at.shape, weight.shape[1])]


def _layer_norm(x: Metadata, normalized: Sequence[Any], *_: Any) -> Shapes:
    kept = len(x.shape) - len(normalized)
    statistics = (*x.shape[:kept], *(1 for _ in normalized))
    return [x.shape, statistics, statistics]


def _batch_norm(x: Metadata, weight: Any, bias: Any, mean: Any, variance: Any, is_training: bool, *_: Any) -> Shapes:
    statistics = (x.shape[1],) if is_training else (0,)
    return [x.shape, statistics, statistics]


def _view(x: Metadata, shape: Sequence[Any]) -> Shapes:
    unknown = [axis for axis, length in enumerate(shape) if isinstance(length, int) and length < 0]
    if not unknown:
        return [tuple(shape)]
    rest = _quotient(x.shape, [length for axis, length in enumerate(shape) if axis not in unknown])
    return None if rest is None else [tuple(rest if axis in unknown else length for axis, length in enumerate(shape))]


def _quotient(lengths: Sequence[Any], divisors: Sequence[Any]) -> Any | None:
    """Return the product of lengths by that of divisors, None where it is not clear that no rest is left."""
    left = list(lengths)
    number = 1
    for divisor in divisors:
        at = next((at for at, length in enumerate(left) if are_equal(length, divisor)), None)
        if at is not None:
            del left[at]
        elif isinstance(divisor, int) and divisor:
            number *= divisor
        else:
            return None
    known = prod(length for length in left if isinstance(length, int))
    if known % number:
        return None
    product: Any = known // number
    for length in left:
        if not isinstance(length, int):
            product = length if isinstance(product, int) and product == 1 else product * length
    return product


def _filled(shape: Sequence[Any], *_: Any, **__: Any) -> Shapes:
    return [tuple(shape)]


def _concatenate(parts: Sequence[Metadata], axis: int = 0) -> Shapes:
    shapes = [part.shape for part in parts]
    rank = len(shapes[0])
    if any(len(shape) != rank for shape in shapes):
        return None
    total: Any = 0
    for shape in shapes:
        total = total + shape[axis]
    at = axis % rank
    return [(*shapes[0][:at], total, *shapes[0][at + 1 :])]


def _mean(x: Metadata, axes: Sequence[int] | None = None, keepdims: bool = False, **_: Any) -> Shapes:
    rank = len(x.shape)
    gone = set(range(rank)) if not axes else {axis % rank for axis in axes}
    if keepdims:
        return [tuple(1 if axis in gone else length for axis, length in enumerate(x.shape))]
    return [tuple(length for axis, length in enumerate(x.shape) if axis not in gone)]


def _attention(query: Metadata, key: Metadata, value: Metadata, *_: Any, **__: Any) -> Shapes:
    shape = query.shape
    return [(*shape[:-1], value.shape[-1]), shape[:-1]]


def _recurrent(x: Metadata, state: Any, *rest: Any) -> Shapes:
    states = state if isinstance(state, list | tuple) else [state]
    directions = 2 if rest[-2] else 1
    return [(*x.shape[:-1], directions * states[0].shape[-1]), *(each.shape for each in states)]


def _scalar(x: Metadata, **_: Any) -> Shapes:
    return [()]


def _pad(x: Metadata, pad: Sequence[Any], *_: Any) -> Shapes:
    shape = list(x.shape)
    for position in range(len(pad) // 2):
        before, after = pad[2 * position : 2 * position + 2]
        shape[-1 - position] = shape[-1 - position] + before + after
    return [tuple(shape)]


def _convolution(
    x: Metadata,
    weight: Metadata,
    bias: Any,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    is_transposed: bool,
    *_: Any,
) -> Shapes:
    num_axes = len(weight.shape) - 2
    if is_transposed or len(x.shape) != num_axes + 2:
        return None
    each = [_for_axis(values, num_axes) for values in (stride, padding, dilation)]
    windows = zip(x.shape[2:], weight.shape[2:], *each, strict=True)
    lengths = [(length + 2 * pad - wide * (width - 1) - 1) // step + 1 for length, width, step, pad, wide in windows]
    return [(x.shape[0], weight.shape[0], *lengths)]


def _for_axis(values: Sequence[int], num_axes: int) -> Sequence[int]:
    return list(values) * num_axes if len(values) == 1 else values


_RULES: dict[OpOverload[..., Any] | OpOverloadPacket[..., Any], Rule] = {
    **dict.fromkeys((aten.mm, aten.bmm), _matmul),
    **dict.fromkeys((aten.addmm, aten.baddbmm), _add_matmul),
    **dict.fromkeys((aten._softmax, aten._log_softmax, aten.clone, aten._to_copy, aten.cumsum, aten.detach), _of_first),
    **dict.fromkeys(
        (aten.zeros_like, aten.ones_like, aten.full_like, aten.empty_like, aten.copy_, aten.tril), _of_first
    ),
    **dict.fromkeys((aten.triu, aten.alias, aten.lift_fresh), _of_first),
    aten.native_dropout: _of_first_twice,
    aten.embedding.default: _embedding,
    aten.native_layer_norm: _layer_norm,
    aten.native_batch_norm: _batch_norm,
    aten._scaled_dot_product_flash_attention_for_cpu.default: _attention,
    **dict.fromkeys((aten.view.default, aten._unsafe_view), _view),
    **dict.fromkeys((aten.full.default, aten.zeros.default, aten.ones.default, aten.empty.memory_format), _filled),
    aten.cat.default: _concatenate,
    **dict.fromkeys((aten.mean.dim, aten.sum.dim_IntList, aten.amax.default, aten.amin.default), _mean),
    **dict.fromkeys(
        (aten.all.default, aten.any.default, aten.sum.default, aten.mean.default, aten.max.default), _scalar
    ),
    **dict.fromkeys((aten.lstm.input, aten.gru.input, aten.rnn_tanh.input, aten.rnn_relu.input), _recurrent),
    aten.constant_pad_nd: _pad,
    aten.convolution.default: _convolution,
}


def own_rule(operation: OpOverload[..., Any]) -> Rule | None:
    """Return the rule of an operation, None if torch's is asked."""
    rule = _RULES.get(operation) or _RULES.get(operation.overloadpacket)
    return _of_elements if rule is None and torch.Tag.pointwise in operation.tags else rule


@dataclass(frozen=True, slots=True)
class ViewOf:
    """The shape of a view. strides: computed when somebody asks; offset: from that of the operand"""

    shape: Shape
    strides: Callable[[], Shape]
    offset: Any = 0


def _expand(x: Metadata, shape: Sequence[Any], **_: Any) -> ViewOf:
    new = len(shape) - len(x.shape)
    own = (*((1,) * new), *x.shape)
    is_own = [isinstance(length, int) and length < 0 for length in shape]
    longer = tuple(mine if keep else length for mine, length, keep in zip(own, shape, is_own, strict=True))

    def strides() -> Shape:
        known = (*((0,) * new), *x.strides)
        return tuple(step if are_equal(a, b) else 0 for step, a, b in zip(known, own, longer, strict=True))

    return ViewOf(longer, strides)


def _permute(x: Metadata, axes: Sequence[int]) -> ViewOf:
    return ViewOf(tuple(x.shape[axis] for axis in axes), lambda: tuple(x.strides[axis] for axis in axes))


def _transpose(x: Metadata, first: int, second: int) -> ViewOf:
    axes = list(range(len(x.shape)))
    if axes:
        axes[first], axes[second] = axes[second], axes[first]
    return _permute(x, axes)


def _unsqueeze(x: Metadata, axis: int) -> ViewOf:
    at = axis if axis >= 0 else axis + len(x.shape) + 1

    def strides() -> Shape:
        known, lengths = x.strides, x.shape
        step = known[at] * lengths[at] if at < len(known) else 1
        return (*known[:at], step, *known[at:])

    return ViewOf((*x.shape[:at], 1, *x.shape[at:]), strides)


def _slice(x: Metadata, axis: int = 0, start: Any = None, end: Any = None, step: int = 1) -> ViewOf:
    length, at = x.shape[axis], axis % len(x.shape)
    is_whole = end is None or are_equal(end, length) or (isinstance(end, int) and end >= _NO_END)
    first = _from_start(0 if start is None else start, length)
    last = length if is_whole else _from_start(end, length)
    shorter = last if isinstance(first, int) and first == 0 else last - first
    if step != 1:
        shorter = (shorter + (step - 1)) // step
    shape = (*x.shape[:at], shorter, *x.shape[at + 1 :])
    is_moved = not isinstance(first, int) or first != 0
    offset = x.strides[at] * first if is_moved else 0
    return ViewOf(shape, lambda: (*x.strides[:at], x.strides[at] * step, *x.strides[at + 1 :]), offset)


_NO_END = 2**62


def _from_start(position: Any, length: Any) -> Any:
    return length + position if isinstance(position, int) and position < 0 else position


def _select(x: Metadata, axis: int, position: Any) -> ViewOf:
    at = axis % len(x.shape)
    offset = x.strides[at] * _from_start(position, x.shape[at])
    return ViewOf((*x.shape[:at], *x.shape[at + 1 :]), lambda: (*x.strides[:at], *x.strides[at + 1 :]), offset)


_VIEWS: dict[OpOverload[..., Any], Callable[..., ViewOf]] = {
    aten.expand.default: _expand,
    aten.permute.default: _permute,
    aten.transpose.int: _transpose,
    aten.t.default: lambda x: _transpose(x, 0, -1),
    aten.unsqueeze.default: _unsqueeze,
    aten.slice.Tensor: _slice,
    aten.select.int: _select,
}


def own_view(operation: OpOverload[..., Any]) -> Callable[..., ViewOf] | None:
    """Return the rule of a view, None for other operations."""
    return _VIEWS.get(operation)
