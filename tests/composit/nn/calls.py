"""Small calls of every public function of composit.nn that computes tensors, and what numpy still runs of them under mosaic.

Each call is a function of arrays; those of a floating dtype are differentiated by. docs/operations.md is made from this table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

import composit as cnp
import mosaic.lowering  # noqa: F401  # registers the lowerings
from composit.containers import flatten
from composit.evaluation import bind
from composit.guards import leaf_value
from composit.nn import chain_rule, layers, losses, operations
from composit.program import without_values
from composit.value import value_of
from mosaic.ir.islands import Island
from mosaic.lowering import lower_program
from mosaic.lowering.registry import Memory
from mosaic.passes.fold_constants import fold_constants

Function = Callable[..., Any]  # of arrays and tensors


@dataclass(frozen=True)
class Call:
    """One call: a function of operands, and the operands."""

    function: Function
    operands: tuple[np.ndarray, ...]


def _normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape) + len(shape)).normal(size=shape)


def _positive(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).uniform(0.1, 0.9, size=shape)


def _signs(*shape: int) -> np.ndarray:
    return np.sign(_normal(*shape))


def _below(high: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(high).integers(0, high, size=shape)


def _of(function: Function, *operands: np.ndarray, **options: Any) -> Call:
    return Call(lambda *given: function(*given, **options), operands)


def _each(function: Function, *operands: np.ndarray, **options: tuple[Any, ...]) -> tuple[Call, ...]:
    """One call for each value of one option."""
    ((name, values),) = options.items()
    return tuple(_of(function, *operands, **{name: value}) for value in values)


_x = _normal(3, 8)
_image = _normal(2, 4, 7, 7)
_classes = _below(5, 6)
_scores = _normal(6, 5)
_indices = _below(8, 3, 4)
_bags, _table = _below(9, 7), _normal(9, 4)
_o, _l, _loss = operations, layers, losses

_ELEMENTWISE = (
    *("relu", "relu6", "leaky_relu", "elu", "selu", "celu", "sigmoid", "log_sigmoid", "hard_sigmoid", "hard_swish"),
    *(
        "hard_tanh",
        "softplus",
        "softsign",
        "silu",
        "mish",
        "hard_shrink",
        "soft_shrink",
        "tanh_shrink",
        "glu",
        "swiglu",
    ),
    *("softmax", "log_softmax", "softmin", "logsumexp"),
)


def _attention_weights() -> tuple[np.ndarray, ...]:
    return tuple(part for _ in range(4) for part in (_normal(6, 6), _normal(6)))


def _normalized(inputs: int, outputs: int, kernel: int) -> tuple[np.ndarray, ...]:
    """Filters, running mean and variance, weight and bias."""
    vector = _normal(outputs)
    return _normal(outputs, inputs, kernel, kernel), vector, _positive(outputs), vector, vector


def _spatial() -> dict[str, tuple[Call, ...]]:
    o, wide = _o, _normal(1, 2, 5, 6, 5)
    pooled = o.max_pool(_image, kernel_size=2, strides=2, return_indices=True)
    values, places = cnp.evaluate(pooled)
    grid = _normal(2, 5, 5, 2)
    filters = _normal(6, 2, 3, 3)
    return {
        "convolution": (
            *_each(o.convolution, _image, filters, groups=(2,)),
            _of(o.convolution, _image, _normal(6, 4, 3, 3), _normal(6), strides=2, padding=1, dilation=2),
            *(
                _of(o.convolution, _image, _normal(6, 4, 3, 3), padding=1, padding_mode=mode)
                for mode in ("reflect", "replicate", "circular")
            ),
            _of(o.convolution, _normal(2, 9, 4), _normal(6, 3, 4), padding="same", channels_last=True),
            _of(o.convolution, wide, _normal(3, 2, 2, 2, 2)),
        ),
        "transposed_convolution": (
            _of(o.transposed_convolution, _image, _normal(4, 3, 3, 3), strides=2, padding=1, output_padding=1),
            _of(o.transposed_convolution, _image, _normal(4, 2, 3, 3), groups=2, dilation=2),
        ),
        "max_pool": (
            _of(o.max_pool, _image, kernel_size=3, strides=2, padding=1, ceil_mode=True),
            _of(o.max_pool, _image, kernel_size=2, dilation=2, return_indices=True),
            _of(o.max_pool, _image, kernel_size=5, return_indices=True),
        ),
        "average_pool": (
            _of(o.average_pool, _image, kernel_size=3, strides=2, padding=1, count_include_pad=False),
            _of(o.average_pool, _image, kernel_size=3, strides=2, ceil_mode=True),
        ),
        "lp_pool": _each(
            lambda x, norm: o.lp_pool(x, norm, kernel_size=2, strides=2), np.abs(_image), norm=(2, 3, 1.5)
        ),
        "max_unpool": (Call(lambda x, i: o.max_unpool(x, i, kernel_size=2, output_size=(7, 7)), (values, places)),),
        "adaptive_average_pool": _each(o.adaptive_average_pool, _image, output_size=(3, (2, None))),
        "adaptive_max_pool": (
            _of(o.adaptive_max_pool, _image, output_size=3),
            _of(o.adaptive_max_pool, _image, output_size=3, return_indices=True),
        ),
        "global_average_pool": (_of(o.global_average_pool, _image),),
        "global_max_pool": (_of(o.global_max_pool, _image),),
        "fractional_max_pool": (
            _of(o.fractional_max_pool, _image, kernel_size=2, output_size=3, samples=0, return_indices=True),
            _of(o.fractional_max_pool, _image, kernel_size=2, output_size=3, samples=_positive(2, 4, 2)),
        ),
        "interpolate": (
            *_each(lambda x, mode: o.interpolate(x, 9, mode=mode), _image, mode=("nearest", "nearest-exact", "area")),
            *_each(lambda x, align: o.interpolate(x, 9, mode="bilinear", align_corners=align), _image, align=(0, 1)),
            *_each(lambda x, align: o.interpolate(x, 4, mode="bicubic", align_corners=align), _image, align=(0, 1)),
            _of(o.interpolate, _normal(2, 4, 7), scale_factor=1.7, mode="linear"),
            _of(o.interpolate, wide, scale_factor=2, mode="trilinear"),
        ),
        "grid_sample": tuple(
            _of(o.grid_sample, _image, grid, mode=mode, padding_mode=padding)
            for mode in ("bilinear", "nearest", "bicubic")
            for padding in ("zeros", "border", "reflection")
        ),
        "affine_grid": (_of(o.affine_grid, _normal(2, 2, 3), size=(2, 4, 5, 6)),),
        "unfold": (_of(o.unfold, _image, kernel_size=3, strides=2, padding=1),),
        "fold": (_of(o.fold, _normal(2, 12, 36), output_size=(7, 7), kernel_size=2),),
        "pixel_shuffle": (_of(o.pixel_shuffle, _image, upscale_factor=2),),
        "pixel_unshuffle": (_of(o.pixel_unshuffle, _normal(2, 4, 6, 6), downscale_factor=2),),
        "channel_shuffle": (_of(o.channel_shuffle, _image, groups=2),),
    }


def _of_elements() -> dict[str, tuple[Call, ...]]:
    o = _o
    return {
        **{name: (_of(getattr(o, name), _x),) for name in _ELEMENTWISE},
        "round_to_bfloat16": (_of(o.round_to_bfloat16, _x.astype(np.float32)),),
        "round_to_float16": (_of(o.round_to_float16, _x.astype(np.float32)),),
        "gelu": _each(o.gelu, _x, approximate=("none", "tanh")),
        "prelu": (_of(o.prelu, _x, _normal(8)),),
        "rrelu": _each(o.rrelu, _x, training=(False, True)),
        "threshold": (_of(o.threshold, _x, threshold=0.1, value=2.0),),
        "linear": (_of(o.linear, _x, _normal(5, 8), _normal(5)),),
        "bilinear": (_of(o.bilinear, _x, _normal(3, 4), _normal(5, 8, 4), _normal(5)),),
        "gather": (_of(o.gather, _x, _indices, axis=1),),
        "scatter": (
            _of(o.scatter, _x, _indices, _normal(3, 4), axis=1),
            Call(lambda x, i: o.scatter(x, i, 2.0, axis=0), (_normal(8, 6), _indices)),
        ),
        "scatter_add": (
            _of(o.scatter_add, _x, _indices, _normal(3, 4), axis=1),
            _of(o.scatter_add, _normal(9, 6), _indices, _normal(3, 4), axis=0),
        ),
        "masked_fill": (_of(o.masked_fill, _x, _below(2, 3, 8) > 0, np.float64(-1.0)),),
        "top_k": (
            *_each(lambda x, largest: o.top_k(x, 3, largest=largest), _x, largest=(True, False)),
            _of(o.top_k, _image, k=2, axis=1),
            _of(o.top_k, _below(9, 4, 5), k=2),
        ),
        "embedding": (
            _of(o.embedding, _indices, _table),
            _of(o.embedding, _indices, _table, padding_index=2, largest_norm=1.0),
        ),
        "embedding_bag": (
            *_each(o.embedding_bag, _bags.reshape(1, 7), _table, mode=("mean", "sum", "max")),
            *(
                _of(o.embedding_bag, _bags, _table, np.array([0, 2, 2]), mode=mode, padding_index=1)
                for mode in ("mean", "sum", "max")
            ),
            Call(
                lambda i, w, f: o.embedding_bag(i, w, [0, 3], mode="sum", weights_of_indices=f),
                (_bags, _table, _normal(7)),
            ),
        ),
        "logcumsumexp": _each(o.logcumsumexp, 50 * _x, axis=(0, -1)),
        "one_hot": (_of(o.one_hot, _classes, num_classes=5),),
        "rotary_embedding": _each(o.rotary_embedding, _normal(2, 5, 8), interleaved=(False, True)),
        "cosine_similarity": (_of(o.cosine_similarity, _x, _normal(3, 8)),),
        "pairwise_distance": _each(o.pairwise_distance, _x, _normal(3, 8), order=(1.0, 2.0, 3.5, np.inf)),
        "cdist": (
            *_each(o.cdist, _x, _normal(4, 8), order=(0.0, 1.0, 2.0, 3.5, np.inf)),
            _of(o.cdist, _normal(30, 3), _normal(4, 3)),
        ),
        "pdist": _each(o.pdist, _x, order=(1.0, 2.0, 3.5, np.inf)),
        "scan": (Call(lambda h, x: o.scan(lambda h, x: (cnp.tanh(h * x), h + x), h, x), (_normal(4), _normal(5, 4))),),
        "normalize": _each(o.normalize, _x, order=(1.0, 2.0, 3.0)),
        **_random(),
    }


def _random() -> dict[str, tuple[Call, ...]]:
    o, names = _o, ("dropout", "feature_dropout", "alpha_dropout", "feature_alpha_dropout")
    return {
        **{name: (_of(getattr(o, name), _x, rate=0.5, seed=0),) for name in names},
        "dropout_mask": (Call(lambda x: o.dropout_mask(x.shape, 0.5, seed=0), (_x,)),),
        "bernoulli": (_of(o.bernoulli, _positive(3, 8), seed=0),),
        "multinomial": _each(
            lambda x, replacement: o.multinomial(x, 2, seed=0, replacement=replacement),
            _positive(3, 8),
            replacement=(True, False),
        ),
    }


def _of_layers() -> dict[str, tuple[Call, ...]]:
    vector, heads = _normal(4), _normal(2, 4, 5, 8)
    shared = _normal(2, 2, 5, 8)
    return {
        "layer_norm": (_of(_l.layer_norm, _x, _normal(8), _normal(8)), _of(_l.layer_norm, _x, axis=(0, 1))),
        "rms_norm": (_of(_l.rms_norm, _x, _normal(8)),),
        "batch_norm": (_of(_l.batch_norm, _image, vector, _positive(4), vector, vector),),
        "batch_norm_training": (_of(_l.batch_norm_training, _image, vector, _positive(4), vector, vector),),
        "group_norm": (_of(_l.group_norm, _image, vector, vector, num_groups=2),),
        "instance_norm": (_of(_l.instance_norm, _image, vector, vector),),
        "local_response_norm": (_of(_l.local_response_norm, _image, size=3),),
        "scaled_dot_product_attention": (
            _of(_l.scaled_dot_product_attention, heads, heads, heads, causal=True),
            _of(_l.scaled_dot_product_attention, heads, heads, heads, _below(2, 5, 5) > 0),
            _of(_l.scaled_dot_product_attention, heads, heads, heads, _normal(5, 5), dropout_rate=0.1, seed=0),
            _of(_l.scaled_dot_product_attention, heads, shared, shared, grouped_queries=True),
        ),
        "multi_head_attention": (
            Call(
                lambda x, *parts: _l.multi_head_attention(x, None, *parts, head_size=3),
                (_normal(2, 4, 6), *_attention_weights()),
            ),
        ),
        "rnn": _recurrent("rnn", 1, 1),
        "lstm": _recurrent("lstm", 4, 2),
        "gru": _recurrent("gru", 3, 1),
        "rnn_cell": (_of(_l.rnn_cell, _normal(2, 4), _normal(2, 3), _normal(3, 4), _normal(3, 3), _normal(3)),),
        "gru_cell": (_of(_l.gru_cell, _normal(2, 4), _normal(2, 3), _normal(9, 4), _normal(9, 3), _normal(9)),),
        "lstm_cell": (
            Call(
                lambda x, h, c, *weights: _l.lstm_cell(x, (h, c), *weights),
                (_normal(2, 4), _normal(2, 3), _normal(2, 3), _normal(12, 4), _normal(12, 3)),
            ),
        ),
        "feedforward": (_of(_l.feedforward, _x, _normal(8, 16), _normal(16), _normal(16, 8), _normal(8)),),
        "resnet_module": (
            Call(
                lambda x, *parts: _l.resnet_module(x, *parts, *[None] * 5, False),
                (_normal(1, 4, 6, 6), *_normalized(4, 2, 1), *_normalized(2, 2, 3), *_normalized(2, 4, 1)),
            ),
        ),
    }


def _recurrent(name: str, num_gates: int, num_states: int) -> tuple[Call, ...]:
    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    rows, function = 3 * num_gates, getattr(_l, name)
    parts = (_normal(rows, 4), _normal(rows, 3), _normal(rows), _normal(rows))

    def call(x: Any, *given: Any, lengths: Any = None) -> Any:
        states = given[:num_states] if num_states > 1 else given[0]
        return function(x, states, dict(zip(names, given[num_states:], strict=True)), lengths=lengths)

    states = tuple(_normal(1, 2, 3) for _ in range(num_states))
    return _each(call, _normal(5, 2, 4), *states, *parts, lengths=(None, np.array([3, 5])))


def _of_losses() -> dict[str, tuple[Call, ...]]:
    s, x, y = _loss, _x, _normal(3, 8)
    return {
        **{name: (_of(getattr(s, name), x, y),) for name in ("mse", "l1", "huber", "smooth_l1")},
        "poisson_nll": _each(
            lambda x, t, log: s.poisson_nll(x, t, log_input=log, full=True), _positive(3), _positive(3), log=(1, 0)
        ),
        "gaussian_nll": (_of(s.gaussian_nll, x, y, _positive(3, 8)),),
        "kl_div": _each(s.kl_div, x, _positive(3, 8), log_target=(False, True)),
        "bce": (_of(s.bce, _positive(3, 8), _positive(3, 8)),),
        "bce_with_logits": (_of(s.bce_with_logits, x, _positive(3, 8)),),
        "soft_margin": (_of(s.soft_margin, x, _signs(3, 8)),),
        "multilabel_soft_margin": (_of(s.multilabel_soft_margin, x, _positive(3, 8)),),
        "hinge": (_of(s.hinge, x, _signs(3, 8)),),
        "hinge_embedding": (_of(s.hinge_embedding, x, _signs(3, 8)),),
        "cross_entropy": (
            Call(
                lambda x, t, w: s.cross_entropy(x, t, weight=w, label_smoothing=0.1), (_scores, _classes, _positive(5))
            ),
            _of(s.cross_entropy, _scores, _positive(6, 5)),
        ),
        "nll": (_of(s.nll, _scores, _classes, ignore_index=1),),
        "multi_margin": _each(s.multi_margin, _scores, _classes, order=(1, 2)),
        "multilabel_margin": (_of(s.multilabel_margin, _scores, np.array([[0, 2, -1, 1, 1]] * 6)),),
        "margin_ranking": (_of(s.margin_ranking, x, y, _signs(3, 8)),),
        "cosine_embedding": (_of(s.cosine_embedding, x, y, _signs(3)),),
        "triplet": (_of(s.triplet, x, y, _normal(4, 8)[:3], swap=True),),
        "ctc": (
            _of(s.ctc, _normal(7, 3, 5), _below(4, 3, 2) + 1, np.array([7, 6, 5]), np.array([2, 1, 2])),
            _of(
                s.ctc, _normal(7, 3, 5), _below(4, 5) + 1, np.array([7, 6, 5]), np.array([2, 1, 2]), zero_infinity=True
            ),
        ),
    }


CALLS: dict[str, tuple[Call, ...]] = {
    **{f"operations.{name}": calls for name, calls in (*_of_elements().items(), *_spatial().items())},
    **{f"layers.{name}": calls for name, calls in _of_layers().items()},
    **{f"losses.{name}": calls for name, calls in _of_losses().items()},
}
"""The calls of each public function, by its place in composit.nn."""


def public_functions() -> Iterator[str]:
    """Yield the places of the public functions: their modules say which names are theirs."""
    for package in (operations, layers, losses):
        for name, value in vars(package).items():
            if callable(value) and not isinstance(value, ModuleType) and not name.startswith("_"):
                if str(getattr(value, "__module__", "")).startswith(package.__name__):
                    yield f"{package.__name__.rpartition('.')[2]}.{name}"


def outputs_of(call: Call) -> tuple[list[Any], list[Any]]:
    """Return the tensors of a call's operands and cotangents, and its results with their gradients by the floating operands."""
    inputs = [cnp.asarray(each) for each in call.operands]
    result = call.function(*inputs)
    results, _ = flatten(result)
    generator = np.random.default_rng(1)
    floating = [part for part in results if part.dtype.kind == "f"]
    seeds = {part: cnp.asarray(np.asarray(generator.normal(size=part.shape))) for part in floating}
    varied = [each for each in inputs if each.dtype.kind == "f"]
    gradients = chain_rule(seeds, varied, unreached="zeros") if seeds and varied else []
    return [*inputs, *seeds.values()], [*results, *gradients]


def islands(call: Call) -> dict[str, str]:
    """Return what numpy runs of a call and its gradient when mosaic compiles them: reasons by operation."""
    inputs, outputs = outputs_of(call)
    given = [value_of(each) for each in inputs]
    bound, _ = bind([value_of(each) for each in outputs], given)
    identities = {each.identity for each in given}
    leaves = list(zip(bound.program.inputs, bound.leaves, strict=True))
    constants = {place: np.asarray(leaf_value(leaf)) for place, leaf in leaves if leaf.identity not in identities}
    program = without_values(bound.program)
    positions = [place for place in program.inputs if place not in constants]
    lowered = lower_program(program, fold_constants(program, constants), positions, Memory())
    return {
        program.instructions[each.origins[0]].operation.name: each.reason
        for each in lowered.statements
        if isinstance(each, Island)
    }
