"""How torch's arguments become ours: one row per entry of torch.nn.functional."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

import composit as cnp
from composit.nn import layers, losses, operations

Tensor = Any
Function = Callable[..., Any]

NUMPYS = {"dim": "axis", "keepdim": "keepdims", "eps": "epsilon", "p": "order"}


def renamed(function: Function, **names: str) -> Function:
    """The function with torch's names of keyword arguments. What torch has for its own sake (inplace) is left out."""
    translation = {**NUMPYS, **names}

    def call(*args: Any, **kwargs: Any) -> Any:
        kwargs.pop("inplace", None)
        return function(*args, **{translation.get(name, name): value for name, value in kwargs.items()})

    return call


def loss(function: Function, *positional: str, **names: str) -> Function:
    """A loss, whose arguments behind the target have these names with us."""
    given = renamed(function, log_input="log_input", **names)

    def call(x: Tensor, target: Tensor, *args: Any, **kwargs: Any) -> Any:
        return given(x, target, **dict(zip(positional, args, strict=False)), **kwargs)

    return call


def along_axis(function: Function) -> Function:
    """softmax and its kin: torch takes an axis of rank 0, and a dtype."""

    def call(x: Tensor, dim: int | None = None, dtype: Any = None, **kwargs: Any) -> Any:
        given = x if dtype is None else x.astype(str(dtype).removeprefix("torch."))
        return function(given, axis=dim)

    return call


def layer_norm(x: Tensor, shape: Any, weight: Tensor = None, bias: Tensor = None, eps: float = 1e-5) -> Tensor:
    return layers.layer_norm(x, weight, bias, axis=tuple(range(-len(shape), 0)), epsilon=eps)


def rms_norm(x: Tensor, shape: Any, weight: Tensor = None, eps: float | None = None) -> Tensor:
    return layers.rms_norm(x, weight, axis=tuple(range(-len(shape), 0)), epsilon=eps)


def group_norm(x: Tensor, num_groups: int, weight: Tensor = None, bias: Tensor = None, eps: float = 1e-5) -> Tensor:
    return layers.group_norm(x, weight, bias, num_groups=num_groups, epsilon=eps)


def batch_norm(
    x: Tensor,
    mean: Tensor,
    variance: Tensor,
    weight: Tensor = None,
    bias: Tensor = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    axis = min(1, x.ndim - 1)  # torch takes a vector of no elements
    if not training:
        return layers.batch_norm(x, mean, variance, weight, bias, epsilon=eps, channel_axis=axis)
    return layers.batch_norm_training(
        x, mean, variance, weight, bias, momentum=momentum, epsilon=eps, channel_axis=axis
    )[0]


def instance_norm(
    x: Tensor,
    running_mean: Tensor = None,
    running_var: Tensor = None,
    weight: Tensor = None,
    bias: Tensor = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    if not use_input_stats:
        return layers.batch_norm(x, running_mean, running_var, weight, bias, epsilon=eps)
    return layers.instance_norm(x, weight, bias, epsilon=eps)


def local_response_norm(x: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Tensor:
    return layers.local_response_norm(x, size, alpha=alpha, beta=beta, k=k)


def attention(query: Tensor, key: Tensor, value: Tensor, dropout_p: float = 0.0, **named: Any) -> Tensor:
    given = renamed(
        layers.scaled_dot_product_attention,
        attn_mask="attention_mask",
        is_causal="causal",
        enable_gqa="grouped_queries",
    )
    if not dropout_p:
        return given(query, key, value, **named)
    shape = (*np.broadcast_shapes(query.shape[:-2], key.shape[:-2]), query.shape[-2], key.shape[-2])
    mask = F.dropout(torch.ones(shape, dtype=torch.float64), dropout_p).numpy() != 0
    return given(query, key, value, dropout_rate=dropout_p, dropout_mask=mask, **named)


def linear_cross_entropy(x: Tensor, matrix: Tensor, target: Tensor, /, **named: Any) -> Tensor:
    """The loss of x times a matrix of weights, which may be spread over several axes of places."""
    named.pop("options", None)  # in how many parts to compute
    class_weight, bias = named.pop("weight", None), named.pop("linear_bias", None)
    rows = cnp.reshape(matrix, (-1, matrix.shape[-1]))
    scores = operations.linear(x, rows, None if bias is None else cnp.reshape(bias, (-1,)))
    scores = cnp.reshape(scores, (*x.shape[:-1], *matrix.shape[:-1]))
    return losses.cross_entropy(scores, target, weight=class_weight, **named)


def embedding(weight: Tensor, indices: Tensor, **named: Any) -> Tensor:
    for name in ("sparse", "scale_grad_by_freq"):
        named.pop(name, None)
    return renamed(operations.embedding, padding_idx="padding_index", max_norm="largest_norm", norm_type="norm_order")(
        indices, weight, **named
    )


def embedding_bag(weight: Tensor, indices: Tensor, offsets: Tensor = None, **named: Any) -> Tensor:
    for name in ("sparse", "scale_grad_by_freq", "max_norm", "norm_type"):
        named.pop(name, None)
    return renamed(
        operations.embedding_bag,
        per_sample_weights="weights_of_indices",
        padding_idx="padding_index",
        include_last_offset="includes_last_offset",
    )(indices, weight, offsets, **named)


def one_hot(x: Tensor, num_classes: int = -1) -> Tensor:
    return operations.one_hot(x, None if num_classes == -1 else num_classes)


def dropped(ours: Function, theirs: Function, default: bool = True) -> Function:
    """A form of dropout with the mask that torch draws from the same state of its generator."""

    def call(x: Tensor, p: float = 0.5, training: bool = default, inplace: bool = False) -> Tensor:
        if not training:
            return ours(x, 0.0, seed=0)
        # What stays is positive: 1 / (1 - p), or what alpha_dropout moves 0 to.
        is_alpha = ours is operations.alpha_dropout
        base = (torch.zeros if is_alpha else torch.ones)(x.shape, dtype=torch.float64)
        mask = theirs(base, p, True).numpy() > 0
        mask = mask if 0 < p < 1 else np.full(x.shape, p == 0)
        return ours(x, p, mask=mask)

    return call


def rrelu(
    x: Tensor, lower: float = 1 / 8, upper: float = 1 / 3, training: bool = False, inplace: bool = False
) -> Tensor:
    """The slopes that torch draws for the elements that are not positive, from the same state of its generator."""
    if not training:
        return operations.rrelu(x, lower, upper)
    given = np.where(cnp.evaluate(x) > 0, 1.0, -1.0)
    slopes = np.abs(F.rrelu(torch.tensor(given), lower, upper, True).numpy())
    return operations.rrelu(x, lower, upper, slopes=slopes)


def multi_head_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    width: int,
    num_heads: int,
    in_weight: Tensor,
    in_bias: Tensor,
    key_bias: Tensor,
    value_bias: Tensor,
    adds_zeros: bool,
    rate: float,
    out_weight: Tensor,
    out_bias: Tensor,
    *,
    attn_mask: Tensor = None,
    training: bool = True,
    use_separate_proj_weight: bool = False,
    **weights: Tensor,
) -> tuple[Tensor, Tensor]:
    """Attention of several sequences with one more key and value; torch also returns the weights of keys, averaged over heads."""
    assert not adds_zeros
    is_single = query.ndim == 2
    query, key, value = [cnp.expand_dims(x, 1) if is_single else x for x in (query, key, value)]
    count = query.shape[1]
    own = [weights[f"{name}_proj_weight"] for name in "qkv"] if use_separate_proj_weight else cnp.split(in_weight, 3)
    projected = [
        operations.linear(x, w, b) for x, w, b in zip((query, key, value), own, cnp.split(in_bias, 3), strict=True)
    ]
    for place, further in ((1, key_bias), (2, value_bias)):
        row = cnp.broadcast_to(further, (1, count, width))
        projected[place] = cnp.concatenate([projected[place], row])
    heads = [cnp.swapaxes(cnp.reshape(x, (x.shape[0], count * num_heads, width // num_heads)), 0, 1) for x in projected]
    scores = heads[0] @ cnp.swapaxes(heads[1], 1, 2) / np.sqrt(width / num_heads)
    if attn_mask is not None:
        scores = scores + cnp.pad(attn_mask, [(0, 0)] * (attn_mask.ndim - 1) + [(0, 1)])
    shares = operations.softmax(scores)
    if training and rate:
        mask = F.dropout(torch.ones(shares.shape, dtype=torch.float64), rate).numpy() != 0
        shares = operations.dropout(shares, rate, mask=mask)
    attended = cnp.reshape(cnp.swapaxes(shares @ heads[2], 0, 1), query.shape)
    result = operations.linear(attended, out_weight, out_bias)
    averages = cnp.mean(cnp.reshape(shares, (count, num_heads, *shares.shape[1:])), axis=1)
    return (result[:, 0], averages[0]) if is_single else (result, averages)


def hard_tanh(x: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
    return operations.hard_tanh(x, min_val, max_val)


def triplet(anchor: Tensor, positive: Tensor, negative: Tensor, **named: Any) -> Tensor:
    return renamed(losses.triplet, distance_function="distance")(anchor, positive, negative, **named)


def distance_triplet(
    anchor: Tensor, positive: Tensor, negative: Tensor, *, distance_function: Any = None, **named: Any
) -> Tensor:
    # torch's samples bring functions of torch tensors.
    assert distance_function is None or "Module" in str(type(distance_function).__mro__)
    return losses.triplet(anchor, positive, negative, **named)


def ctc(
    x: Tensor,
    targets: Tensor,
    inputs: Any,
    lengths: Any,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    return losses.ctc(
        x,
        targets,
        np.asarray(inputs),
        np.asarray(lengths),
        blank=blank,
        reduction=reduction,
        zero_infinity=zero_infinity,
    )


def gaussian(x: Tensor, target: Tensor, variance: Tensor, **named: Any) -> Tensor:
    return renamed(losses.gaussian_nll)(x, target, variance, **named)


def cosine_similarity(x: Tensor, y: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    if not x.ndim:
        return operations.cosine_similarity(cnp.reshape(x, (1,)), cnp.reshape(y, (1,)), axis=0, epsilon=eps)
    return operations.cosine_similarity(x, y, axis=dim, epsilon=eps)


ADAPTERS: dict[str, Function] = {
    "relu": renamed(operations.relu),
    "relu6": renamed(operations.relu6),
    "leaky_relu": renamed(operations.leaky_relu),
    "prelu": operations.prelu,
    "elu": renamed(operations.elu),
    "selu": renamed(operations.selu),
    "celu": renamed(operations.celu),
    "silu": renamed(operations.silu),
    "silu|complex": renamed(operations.silu),
    "rrelu": rrelu,
    "gelu": operations.gelu,
    "logsigmoid": operations.log_sigmoid,
    "hardsigmoid": renamed(operations.hard_sigmoid),
    "hardswish": renamed(operations.hard_swish),
    "hardtanh": hard_tanh,
    "softplus": operations.softplus,
    "softsign": operations.softsign,
    "mish": renamed(operations.mish),
    "hardshrink": renamed(operations.hard_shrink, lambd="threshold"),
    "softshrink": renamed(operations.soft_shrink, lambd="threshold"),
    "tanhshrink": operations.tanh_shrink,
    "threshold": renamed(operations.threshold),
    "glu": renamed(operations.glu),
    "softmin": along_axis(operations.softmin),
    "softmin|with_dtype": along_axis(operations.softmin),
    "linear": operations.linear,
    "bilinear": operations.bilinear,
    "embedding": embedding,
    "embedding_bag": embedding_bag,
    "one_hot": one_hot,
    "normalize": renamed(operations.normalize),
    "cosine_similarity": cosine_similarity,
    "pairwise_distance": renamed(operations.pairwise_distance),
    "pdist": renamed(operations.pdist),
    "layer_norm": layer_norm,
    "rms_norm": rms_norm,
    "group_norm": group_norm,
    "batch_norm": batch_norm,
    "instance_norm": instance_norm,
    "local_response_norm": local_response_norm,
    "scaled_dot_product_attention": attention,
    "multi_head_attention_forward": multi_head_attention,
    "mse_loss": loss(losses.mse),
    "l1_loss": loss(losses.l1),
    "huber_loss": loss(losses.huber),
    "smooth_l1_loss": loss(losses.smooth_l1),
    "poisson_nll_loss": loss(losses.poisson_nll),
    "gaussian_nll_loss": gaussian,
    "kl_div": loss(losses.kl_div),
    "binary_cross_entropy": loss(losses.bce, "weight"),
    "binary_cross_entropy_with_logits": loss(losses.bce_with_logits, "weight", pos_weight="positive_weight"),
    "soft_margin_loss": loss(losses.soft_margin),
    "multilabel_soft_margin_loss": loss(losses.multilabel_soft_margin),
    "multilabel_margin_loss": loss(losses.multilabel_margin),
    "multi_margin_loss": loss(losses.multi_margin),
    "hinge_embedding_loss": loss(losses.hinge_embedding),
    "cross_entropy": loss(losses.cross_entropy),
    "nll_loss": loss(losses.nll),
    "ctc_loss": ctc,
    "margin_ranking_loss": lambda *args, **named: renamed(losses.margin_ranking)(*args, **named),
    "cosine_embedding_loss": lambda *args, **named: renamed(losses.cosine_embedding)(*args, **named),
    "triplet_margin_loss": triplet,
    "triplet_margin_with_distance_loss": distance_triplet,
    "linear_cross_entropy": linear_cross_entropy,
    "linear_cross_entropy|chunked": linear_cross_entropy,
    "linear_cross_entropy|chunked_none": linear_cross_entropy,
    "dropout": dropped(operations.dropout, F.dropout),
    "dropout2d": dropped(operations.dropout, F.dropout2d),
    "dropout3d": dropped(operations.dropout, F.dropout3d),
    "alpha_dropout": dropped(operations.alpha_dropout, F.alpha_dropout, False),
    "feature_alpha_dropout|with_train": dropped(operations.alpha_dropout, F.feature_alpha_dropout, False),
    "feature_alpha_dropout|without_train": dropped(operations.alpha_dropout, F.feature_alpha_dropout, False),
}
