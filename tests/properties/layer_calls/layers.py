"""Random attention, norms, recurrent layers, and functions that choose elements by index."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

import composit as cnp
from composit.nn import layers, operations
from tests.properties.layer_calls.case import Case, Draw, Operand, Shape

_WIDTHS = (1, 2, 3, 4, 8, 16, 17)


def attention(draw: Draw) -> Case:
    heads, width, wide = draw.choice([1, 2, 4]), draw.choice([1, 2, 3, 8, 16]), draw.choice([1, 4, 5])
    queries, keys, batch = draw.choice([1, 3, 8, 17]), draw.choice([1, 2, 5, 9, 33]), draw.choice([1, 2, 3, 0])
    grouped = draw.chance(0.3) and heads > 1
    shared = draw.choice([1, heads // 2]) if grouped else draw.choice([heads, heads, 1])
    causal, scale = draw.chance(0.3), draw.choice([None, None, 0.3, -1.5, 0.0])
    kind = draw.choice(["none", "truth", "float", "hidden rows", "infinite"]) if not causal else "none"
    mask_shape = (draw.choice([1, batch]), draw.choice([1, heads]), draw.choice([queries, queries, 1]), keys)[
        draw.choice([0, 0, 2]) :
    ]
    q, k, v = (batch, heads, queries, width), (batch, shared, keys, width), (batch, shared, keys, wide)
    operands = [draw.normal(*q, scale=draw.choice([1.0, 1.0, 30.0])), draw.normal(*k), draw.normal(*v)]
    if kind == "truth":
        operands.append(draw.truth(*mask_shape))
    elif kind == "float":
        operands.append(draw.normal(*mask_shape))
    elif kind == "hidden rows":
        operands.append(Operand(lambda generator: _rows_hidden(generator, mask_shape)))
    elif kind == "infinite":
        operands.append(
            Operand(
                lambda generator: np.where(
                    _rows_hidden(generator, mask_shape), generator.normal(size=mask_shape), -np.inf
                )
            )
        )
    named: dict[str, Any] = {"scale": scale}

    def ours(q: Any, k: Any, v: Any, *mask: Any) -> Any:
        return layers.scaled_dot_product_attention(q, k, v, *mask, causal=causal, grouped_queries=grouped, **named)

    def theirs(q: Any, k: Any, v: Any, *mask: Any) -> Any:
        return F.scaled_dot_product_attention(q, k, v, *mask, is_causal=causal, enable_gqa=grouped, **named)

    text = f"attention({q}, {k}, {v}, mask={kind} {mask_shape}, causal={causal}, grouped={grouped}, scale={scale})"
    return Case(text, ours, theirs, tuple(operands), smooth=kind not in ("hidden rows", "infinite"))


def _rows_hidden(generator: np.random.Generator, shape: Shape) -> Any:
    seen = generator.random(shape) < 0.7
    seen[generator.random(shape[:-1]) < 0.4] = False
    return seen


def multi_head_attention(draw: Draw) -> Case:
    heads, size, width, length = (
        draw.choice([1, 2, 3]),
        draw.choice([1, 2, 4]),
        draw.choice([2, 5]),
        draw.choice([1, 3, 9]),
    )
    batch, wide = draw.choice([1, 2]), draw.choice([1, 6])
    inner = heads * size
    shapes = [(batch, length, width)] + [(width, inner), (inner,)] * 3 + [(inner, wide), (wide,)]
    causal = draw.chance(0.5)

    def ours(x: Any, *parts: Any) -> Any:
        return layers.multi_head_attention(x, None, *parts, head_size=size, causal=causal)

    def theirs(x: Any, *parts: Any) -> Any:
        q, k, v = (
            (x @ w + b).reshape(batch, length, heads, size).transpose(1, 2)
            for w, b in zip(parts[:6:2], parts[1:6:2], strict=True)
        )
        context = F.scaled_dot_product_attention(q, k, v, is_causal=causal)
        return context.transpose(1, 2).reshape(batch, length, inner) @ parts[6] + parts[7]

    operands = tuple(draw.normal(*shape) for shape in shapes)
    return Case(f"multi_head_attention({shapes}, head_size={size}, causal={causal})", ours, theirs, operands, True)


def layer_norm(draw: Draw) -> Case:
    shape = draw.each(draw.choice([1, 2, 3, 4]), (1, 2, 3, 5, 9, 16))
    count = draw.integer(1, len(shape))
    tail = shape[len(shape) - count :]
    has = draw.choice([(), (True,), (True, True)])
    epsilon = draw.choice([1e-5, 1e-3, 0.1])
    is_rms = draw.chance(0.4)
    axes = tuple(range(-count, 0))
    operands = [
        draw.normal(*shape, scale=draw.choice([1.0, 100.0])),
        *(draw.normal(*tail) for _ in has[: 1 if is_rms else 2]),
    ]

    def ours(x: Any, *parts: Any) -> Any:
        return (layers.rms_norm if is_rms else layers.layer_norm)(x, *parts, axis=axes, epsilon=epsilon)

    def theirs(x: Any, *parts: Any) -> Any:
        if is_rms:
            return F.rms_norm(x, tail, *parts, eps=epsilon)
        return F.layer_norm(x, tail, *parts, eps=epsilon)

    text = f"{'rms' if is_rms else 'layer'}_norm({shape}, {axes}, {len(operands) - 1} parts, epsilon={epsilon})"
    return Case(text, ours, theirs, tuple(operands), True)


def channel_norm(draw: Draw) -> Case:
    """Batch norm in both forms, group norm and instance norm."""
    kind = draw.choice(["batch", "training", "group", "instance", "local"])
    rank = draw.choice([1, 2, 3])
    groups = draw.choice([1, 2, 3])
    channels = groups * draw.choice([1, 2, 4])
    lengths = draw.each(rank, (1, 2, 3, 5))
    lengths = (max(lengths[0], 2), *lengths[1:])
    last = draw.chance(0.3) and kind != "local"
    shape: Shape = (draw.choice([1, 2, 3]), channels, *lengths)
    given = (shape[0], *lengths, channels) if last else shape
    axis = -1 if last else 1
    epsilon = draw.choice([1e-5, 0.01])
    affine = draw.chance(0.6)
    size = draw.choice([1, 2, 3, 5])
    statistics = kind == "batch" or (kind == "training" and draw.chance(0.5))
    operands = [draw.normal(*given)]
    if statistics:
        operands += [draw.normal(channels).fixed(), draw.uniform(0.3, 2.0, channels).fixed()]
    if affine and kind != "local":
        operands += [draw.normal(channels), draw.normal(channels)]

    def ours(x: Any, *parts: Any) -> Any:
        named = {"epsilon": epsilon, "channel_axis": axis}
        before, behind = (parts[:2], parts[2:]) if statistics else ((None, None), parts)
        if kind == "batch":
            return layers.batch_norm(x, *before, *behind, **named)
        if kind == "training":
            return layers.batch_norm_training(x, *before, *behind, momentum=0.3, **named)[0]
        if kind == "group":
            return layers.group_norm(x, *behind, num_groups=groups, **named)
        if kind == "instance":
            return layers.instance_norm(x, *behind, **named)
        return layers.local_response_norm(x, size, alpha=0.3, beta=0.6, k=1.2)

    def theirs(x: Any, *parts: Any) -> Any:
        x = x.movedim(-1, 1) if last else x
        # torch 2.13's derivative of inference with channels last reads a variance with step 0 as if it were dense.
        dense = tuple(part.contiguous() for part in parts)
        before, behind = (dense[:2], dense[2:]) if statistics else ((None, None), dense)
        behind = behind or (None, None)
        if kind in ("batch", "training"):
            if kind == "training" and statistics:
                before = tuple(part.detach().clone() for part in before)
            y = F.batch_norm(x, *before, *behind, kind == "training", 0.3, epsilon)
        elif kind == "group":
            y = F.group_norm(x, groups, *behind, epsilon)
        elif kind == "instance":
            y = F.instance_norm(x, None, None, *behind, True, 0.1, epsilon)
        else:
            y = F.local_response_norm(x, size, 0.3, 0.6, 1.2)
        return y.movedim(1, -1) if last else y

    text = f"{kind}_norm({given}, channels_last={last}, affine={affine}, groups={groups}, size={size}, {statistics=})"
    return Case(text, ours, theirs, tuple(operands), True)


def recurrent(draw: Draw) -> Case:
    kind = draw.choice(["rnn", "lstm", "gru"])
    gates = {"rnn": 1, "lstm": 4, "gru": 3}[kind]
    times, batch, n, hidden = (
        draw.choice([1, 2, 5]),
        draw.choice([1, 2, 3]),
        draw.choice([1, 3]),
        draw.choice([1, 2, 5]),
    )
    depth, both = draw.choice([1, 1, 2]), draw.chance(0.4)
    has_lengths = draw.chance(0.5)
    lengths = np.array([draw.integer(1, times) for _ in range(batch)]) if has_lengths else None
    names, shapes = [], []
    for layer in range(depth):
        width = n if layer == 0 else hidden * (1 + both)
        for suffix in ("", "_reverse")[: 1 + both]:
            names += [f"{part}_l{layer}{suffix}" for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
            shapes += [(gates * hidden, width), (gates * hidden, hidden), (gates * hidden,), (gates * hidden,)]
    function = getattr(layers, kind)
    num_states = 2 if kind == "lstm" else 1
    state = (depth * (1 + both), batch, hidden)
    operands = [
        draw.normal(times, batch, n),
        *(draw.normal(*state) for _ in range(num_states)),
        *(draw.normal(*shape, scale=0.5) for shape in shapes),
    ]

    def ours(x: Any, *parts: Any) -> Any:
        states = parts[:num_states]
        parameters = dict(zip(names, parts[num_states:], strict=True))
        output, last = function(x, states if num_states > 1 else states[0], parameters, lengths=lengths)
        return (output, *last) if num_states > 1 else (output, last)

    def theirs(x: Any, *parts: Any) -> Any:
        states = parts[:num_states]
        module = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[kind](
            n, hidden, depth, bidirectional=both, dtype=x.dtype
        )
        given = dict(zip(names, parts[num_states:], strict=True))
        packed = (
            x
            if lengths is None
            else torch.nn.utils.rnn.pack_padded_sequence(x, torch.tensor(lengths), enforce_sorted=False)
        )
        y, last = torch.func.functional_call(module, given, (packed, states if num_states > 1 else states[0]))
        if lengths is not None:
            y, _ = torch.nn.utils.rnn.pad_packed_sequence(y, total_length=times)
        return (y, *last) if num_states > 1 else (y, last)

    text = (
        f"{kind}(times={times}, batch={batch}, n={n}, hidden={hidden}, layers={depth}, both={both}, lengths={lengths})"
    )
    return Case(text, ours, theirs, tuple(operands), True)


def embedding(draw: Draw) -> Case:
    rows, width, count = draw.choice([1, 3, 9]), draw.choice(_WIDTHS), draw.choice([1, 4, 13])
    padding = draw.choice([None, 0, rows - 1])
    mode = draw.choice(["plain", "mean", "sum", "max"])
    weighted = mode == "sum" and draw.chance(0.5)
    offsets = np.sort(np.array([0, *(draw.integer(0, count) for _ in range(draw.integer(0, 4)))]))
    operands = [draw.below(rows, count), draw.normal(rows, width)]
    if weighted:
        operands.append(draw.normal(count))

    def ours(indices: Any, table: Any, *weights: Any) -> Any:
        if mode == "plain":
            return operations.embedding(indices, table, padding_index=padding)
        named = {"weights_of_indices": weights[0]} if weighted else {}
        return operations.embedding_bag(indices, table, offsets, mode=mode, padding_index=padding, **named)

    def theirs(indices: Any, table: Any, *weights: Any) -> Any:
        if mode == "plain":
            return F.embedding(indices, table, padding)
        return F.embedding_bag(
            indices,
            table,
            torch.tensor(offsets),
            mode=mode,
            padding_idx=padding,
            per_sample_weights=weights[0] if weighted else None,
        )

    text = f"embedding({count} of ({rows}, {width}), mode={mode}, padding={padding}, offsets={offsets}, weights={weighted})"
    return Case(text, ours, theirs, tuple(operands), smooth=mode in ("plain",))


def gather_scatter(draw: Draw) -> Case:
    rank = draw.choice([1, 2, 3])
    shape = draw.each(rank, (1, 2, 3, 5, 9))
    axis = draw.integer(0, rank - 1)
    chosen = tuple(
        draw.choice([1, length, 7]) if other == axis else draw.integer(1, length) for other, length in enumerate(shape)
    )
    kind = draw.choice(["gather", "scatter", "scatter_add"])
    if kind == "scatter" and chosen[axis] > shape[axis]:
        chosen = tuple(min(length, shape[other]) for other, length in enumerate(chosen))
    # Broadcast indices would be equal ones.
    view = draw.choice(["plain", "transposed", "flipped", "every second"]) if kind == "scatter" else draw.view(chosen)
    places = Operand(lambda generator: _indices(generator, chosen, shape[axis], axis, kind == "scatter"), view)
    operands = [draw.normal(*shape), places]
    if kind != "gather":
        operands.append(draw.normal(*chosen))
    negative = axis - rank

    def ours(x: Any, i: Any, *source: Any) -> Any:
        return getattr(operations, kind)(cnp.sin(x), i, *source, axis=negative)

    def theirs(x: Any, i: Any, *source: Any) -> Any:
        return getattr(torch, kind)(torch.sin(x), axis, i, *source)

    return Case(f"{kind}({shape}, {chosen}, axis={axis})", ours, theirs, tuple(operands), True)


def _indices(generator: np.random.Generator, shape: Shape, high: int, axis: int, distinct: bool) -> Any:
    if not distinct:
        return generator.integers(0, high, size=shape)
    # What torch keeps of equal indices depends on its threads.
    order = np.argsort(
        generator.random([high if other == axis else length for other, length in enumerate(shape)]), axis
    )
    return np.take(order, np.arange(shape[axis]), axis)


def ordered(draw: Draw) -> Case:
    """top_k and running sums, products, maxima."""
    rank = draw.choice([1, 2, 3])
    shape = draw.each(rank, (1, 2, 3, 8, 17))
    axis = draw.integer(-rank, rank - 1)
    kind = draw.choice(["top_k", "cumsum", "cumprod", "maximum", "minimum", "logcumsumexp"])
    k, largest = draw.integer(1, shape[axis]), draw.chance(0.5)

    def ours(x: Any) -> Any:
        if kind == "top_k":
            return operations.top_k(x, k, axis, largest=largest)
        if kind in ("cumsum", "cumprod"):
            return getattr(cnp, kind)(x, axis=axis)
        if kind == "logcumsumexp":
            return operations.logcumsumexp(x, axis)
        return getattr(cnp, kind).accumulate(x, axis=axis)

    def theirs(x: Any) -> Any:
        if kind == "top_k":
            return torch.topk(x, k, axis, largest=largest)
        if kind in ("cumsum", "cumprod", "logcumsumexp"):
            return getattr(torch, kind)(x, axis)
        return (torch.cummax if kind == "maximum" else torch.cummin)(x, axis)[0]

    return Case(f"{kind}({shape}, axis={axis}, k={k}, largest={largest})", ours, theirs, (draw.normal(*shape),), True)


_PAIRS = {
    "relu": F.relu,
    "relu6": F.relu6,
    "leaky_relu": F.leaky_relu,
    "elu": F.elu,
    "selu": F.selu,
    "celu": F.celu,
    "sigmoid": torch.sigmoid,
    "log_sigmoid": F.logsigmoid,
    "hard_sigmoid": F.hardsigmoid,
    "hard_swish": F.hardswish,
    "hard_tanh": F.hardtanh,
    "softplus": F.softplus,
    "softsign": F.softsign,
    "silu": F.silu,
    "mish": F.mish,
    "gelu": F.gelu,
    "tanh_shrink": F.tanhshrink,
    "soft_shrink": F.softshrink,
    "hard_shrink": F.hardshrink,
}


def activation(draw: Draw) -> Case:
    shape = draw.each(draw.choice([0, 1, 2, 3]), (1, 2, 5, 17, 33))
    name = draw.choice(list(_PAIRS))
    scale = draw.choice([1.0, 4.0, 50.0])
    return Case(
        f"{name}({shape}) * {scale}",
        getattr(operations, name),
        _PAIRS[name],
        (draw.normal(*shape, scale=scale),),
        smooth=name in ("sigmoid", "softplus", "silu", "mish", "gelu", "log_sigmoid", "elu", "celu", "selu"),
    )


def softmax(draw: Draw) -> Case:
    shape = draw.each(draw.choice([1, 2, 3]), (1, 2, 5, 17, 33))
    axis = draw.integer(-len(shape), len(shape) - 1)
    scale = draw.choice([1.0, 1.0, 100.0, 1e4])
    name = draw.choice(["softmax", "log_softmax", "softmin", "logsumexp"])
    theirs = {
        "softmax": torch.softmax,
        "log_softmax": torch.log_softmax,
        "softmin": F.softmin,
        "logsumexp": torch.logsumexp,
    }[name]
    return Case(
        f"{name}({shape} * {scale}, axis={axis})",
        lambda x: getattr(operations, name)(x, axis),
        lambda x: theirs(x, axis),
        (draw.normal(*shape, scale=scale),),
        True,
    )


def dropout(draw: Draw) -> Case:
    name = draw.choice(["dropout", "feature_dropout", "alpha_dropout", "feature_alpha_dropout"])
    shape = (draw.choice([1, 2]), draw.choice([1, 3]), *draw.each(draw.choice([1, 2]), (1, 2, 9)))
    rate = draw.choice([0.0, 0.1, 0.5, 1.0])
    is_feature = name.startswith("feature")
    mask_shape = (*shape[:2], *[1] * (len(shape) - 2)) if is_feature else shape

    def theirs(x: Any, mask: Any) -> Any:
        kept = mask.to(x.dtype)
        if "alpha" not in name:
            return x * kept / (1 - rate) if rate < 1 else x * 0
        if rate == 1:
            return x * 0
        alpha = -1.7580993408473766
        a = 1 / np.sqrt((1 - rate) * (1 + rate * alpha**2))
        return a * (x * kept + alpha * (1 - kept)) - a * alpha * rate

    mask = draw.truth(*mask_shape)
    if rate in (0.0, 1.0):
        mask = Operand(lambda generator: np.full(mask_shape, rate == 0.0))
    return Case(
        f"{name}({shape}, {rate})",
        lambda x, m: getattr(operations, name)(cnp.sin(x), rate, mask=m),
        lambda x, m: theirs(torch.sin(x), m),
        (draw.normal(*shape), mask),
        True,
    )


def distance(draw: Draw) -> Case:
    kind = draw.choice(["cosine", "pairwise", "cdist", "normalize", "pdist"])
    rows, others, width = draw.choice([1, 2, 5]), draw.choice([1, 4]), draw.choice([1, 2, 8, 17])
    order = draw.choice([1.0, 2.0, 3.0])
    x, y = draw.normal(rows, width), draw.normal(others if kind == "cdist" else rows, width)
    table: dict[str, tuple[Any, Any]] = {
        "cosine": (lambda x, y: operations.cosine_similarity(x, y), lambda x, y: F.cosine_similarity(x, y)),
        "pairwise": (
            lambda x, y: operations.pairwise_distance(x, y, order=order),
            lambda x, y: F.pairwise_distance(x, y, order),
        ),
        "cdist": (lambda x, y: operations.cdist(x, y, order=order), lambda x, y: torch.cdist(x, y, order)),
        "normalize": (lambda x: operations.normalize(x, order=order), lambda x: F.normalize(x, order)),
        "pdist": (lambda x: operations.pdist(x, order=order), lambda x: F.pdist(x, order)),
    }
    operands = (x,) if kind in ("normalize", "pdist") else (x, y)
    return Case(f"{kind}({rows}, {others}, {width}, order={order})", *table[kind], operands, smooth=kind in ("cosine",))


def products(draw: Draw) -> Case:
    outer = draw.each(draw.choice([0, 1, 2]), (1, 2, 5, 0))
    n, m, k = draw.choice(_WIDTHS), draw.choice(_WIDTHS), draw.choice(_WIDTHS)
    bias = draw.chance(0.5)
    if draw.chance(0.5):
        operands = [draw.normal(*outer, n), draw.normal(m, n)]
        name, theirs = "linear", F.linear
    else:
        operands = [draw.normal(*outer, n), draw.normal(*outer, k), draw.normal(m, n, k)]
        name, theirs = "bilinear", F.bilinear
        if not outer:
            operands = [draw.normal(1, n), draw.normal(1, k), draw.normal(m, n, k)]
    if bias:
        operands.append(draw.normal(m))
    return Case(
        f"{name}({outer}, {n}, {k} -> {m}, bias={bias})", getattr(operations, name), theirs, tuple(operands), True
    )


def scan(draw: Draw) -> Case:
    times, n = draw.choice([1, 2, 5]), draw.choice([1, 3, 8])
    reverse = draw.chance(0.5)

    def ours(h: Any, xs: Any, w: Any) -> Any:
        last, ys = operations.scan(lambda h, x: (cnp.tanh(h @ w + x), (h * x, cnp.sum(x))), h, xs, reverse=reverse)
        return last, *ys

    def theirs(h: Any, xs: Any, w: Any) -> Any:
        ys, sums = [], []
        for x in reversed(xs) if reverse else xs:
            ys.append(h * x)
            sums.append(x.sum())
            h = torch.tanh(h @ w + x)
        if reverse:
            ys, sums = ys[::-1], sums[::-1]
        return h, torch.stack(ys), torch.stack(sums)

    operands = (draw.normal(2, n), draw.normal(times, 2, n), draw.normal(n, n, scale=0.5))
    return Case(f"scan(times={times}, {n}, reverse={reverse})", ours, theirs, operands, True)


LAYERS = (
    *(attention,) * 5,
    multi_head_attention,
    *(layer_norm,) * 2,
    *(channel_norm,) * 3,
    *(recurrent,) * 2,
    *(embedding,) * 2,
    *(gather_scatter,) * 2,
    *(ordered,) * 2,
    activation,
    *(softmax,) * 2,
    dropout,
    distance,
    products,
    scan,
)
