"""Programs with the names and call forms of composit.nn that earlier frameworks of this kind had, compared with torch."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import composit as cnp
import composit.nn
from composit.errors import OperandError
from composit.nn import layers, losses, operations
from composit.nn.layers import group_norm, scaled_dot_product_attention
from composit.nn.optimize import optimize, sgd_optimizer

torch = pytest.importorskip("torch")
functional = torch.nn.functional
RNG = np.random.default_rng(0)


def _random(*shape: int) -> Any:
    return RNG.uniform(-1.0, 1.0, shape)


def _assert_equal(given: Any, expected: Any) -> None:
    assert given.shape == tuple(expected.shape)
    np.testing.assert_allclose(cnp.nn.evaluate(given), expected.detach().numpy(), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("package", [operations, layers, losses], ids=lambda package: package.__name__)
def test_a_star_import_gives_functions_that_composit_nn_has_too(package: Any) -> None:
    given: dict[str, Any] = {}
    exec(f"from {package.__name__} import *", given)
    names = given.keys() - {"__builtins__"}
    assert sorted(names) == sorted(package.__all__)
    assert not [name for name in names if isinstance(given[name], ModuleType)]
    assert not [name for name in names if getattr(cnp.nn, name, None) is not given[name]]


def test_the_names_that_earlier_frameworks_exported_are_exported() -> None:
    words = "embedding gelu relu sigmoid silu convolution average_pool max_pool"
    assert set(words.split()) <= set(operations.__all__)
    words = "softmax layer_norm batch_norm multi_head_attention feedforward resnet_module group_norm"
    assert {*words.split(), "scaled_dot_product_attention"} <= set(layers.__all__)


@pytest.mark.parametrize("place", [cnp.nn, operations])
@pytest.mark.parametrize("name", ["gelu", "relu", "sigmoid", "silu"])
def test_activations_are_found_in_both_places(place: Any, name: str) -> None:
    x = _random(5, 25, 15)
    _assert_equal(getattr(place, name)(cnp.asarray(x)), getattr(functional, name)(torch.from_numpy(x)))


def test_an_embedding_takes_indices_first() -> None:
    indices, weights = RNG.integers(0, 25, (5, 7)).astype(np.int32), _random(25, 10)
    _assert_equal(
        cnp.nn.embedding(cnp.asarray(indices), cnp.asarray(weights)),
        functional.embedding(torch.from_numpy(indices), torch.from_numpy(weights)),
    )


def _last(array: Any, channels_last: bool) -> Any:
    return cnp.moveaxis(array, 1, -1) if channels_last else array


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("strides", [1, 2])
@pytest.mark.parametrize("padding", [0, 3])
@pytest.mark.parametrize("rank", [1, 2])
def test_a_convolution_takes_its_settings_as_tuples(channels_last: bool, strides: int, padding: int, rank: int) -> None:
    x, filters = _random(1, 3, *(28, 38)[:rank]), _random(8, 3, *(5, 5)[:rank])
    result = cnp.nn.convolution(
        _last(cnp.asarray(x, name="x"), channels_last),
        _last(cnp.asarray(filters, name="filters"), channels_last),
        channels_last=channels_last,
        strides=(strides,) * rank,
        padding=(padding,) * rank,
    )
    theirs = (functional.conv1d, functional.conv2d)[rank - 1]
    expected = theirs(torch.from_numpy(x), torch.from_numpy(filters), stride=strides, padding=padding)
    _assert_equal(cnp.moveaxis(result, -1, 1) if channels_last else result, expected)


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("settings", [{}, {"strides": (2, 2)}, {"strides": (2, 1), "padding": (1, 1)}])
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [(operations.average_pool, functional.avg_pool2d), (operations.max_pool, functional.max_pool2d)],
)
def test_pooling_steps_by_one_unless_told(
    ours: Callable[..., Any], theirs: Callable[..., Any], channels_last: bool, settings: dict[str, Any]
) -> None:
    x = _random(1, 3, 9, 12)
    result = ours(_last(cnp.asarray(x), channels_last), kernel_size=(3, 2), channels_last=channels_last, **settings)
    expected = theirs(
        torch.from_numpy(x), (3, 2), stride=settings.get("strides", (1, 1)), padding=settings.get("padding", (0, 0))
    )
    _assert_equal(cnp.moveaxis(result, -1, 1) if channels_last else result, expected)


def test_norms_take_weight_and_bias_by_position() -> None:
    x, weight, bias = _random(2, 8, 6), _random(6), _random(6)
    tensors = [torch.from_numpy(each) for each in (x, weight, bias)]
    _assert_equal(layers.layer_norm(x, weight, bias), functional.layer_norm(tensors[0], (6,), *tensors[1:]))
    _assert_equal(
        layers.layer_norm(x, weight, bias, axis=-1, epsilon=1e-2),
        functional.layer_norm(tensors[0], (6,), *tensors[1:], eps=1e-2),
    )
    _assert_equal(layers.softmax(x, axis=-1), functional.softmax(tensors[0], dim=-1))


@pytest.mark.parametrize("in_place", [False, True], ids=["vectors", "vectors with axes behind"])
def test_norms_of_channels_take_vectors_with_and_without_axes_behind(in_place: bool) -> None:
    x, (mean, weight, bias), variance = _random(2, 8, 5, 3), _random(3, 8), np.abs(_random(8)) + 0.5
    given = [each.reshape(8, 1, 1) if in_place else each for each in (mean, variance, weight, bias)]
    tensors = [torch.from_numpy(each) for each in (x, mean, variance, weight, bias)]
    _assert_equal(layers.batch_norm(x, *given, epsilon=1e-3), functional.batch_norm(*tensors, eps=1e-3))
    _assert_equal(
        group_norm(x, *given[2:], channel_axis=1, num_groups=4, epsilon=1e-3),
        functional.group_norm(tensors[0], 4, *tensors[3:], eps=1e-3),
    )
    last = np.moveaxis(x, 1, -1)
    normed = layers.batch_norm(last, mean, variance, weight, bias, channel_axis=-1, epsilon=1e-3)
    _assert_equal(cnp.moveaxis(normed, -1, 1), functional.batch_norm(*tensors, eps=1e-3))


def test_attention_takes_its_parameters_by_position() -> None:
    width, head_size = 12, 4
    x, weights, biases = _random(2, 5, width), _random(4, width, width), _random(4, width)
    mask = np.where(RNG.random((2, 1, 1, 5)) < 0.3, -1e4, 0.0)
    pairs = [each for pair in zip(weights, biases, strict=True) for each in pair]
    heads = [
        (torch.from_numpy(x) @ torch.from_numpy(w) + torch.from_numpy(b)).reshape(2, 5, 3, head_size).transpose(1, 2)
        for w, b in zip(weights[:3], biases[:3], strict=True)
    ]
    for given in (None, mask):
        bias = None if given is None else torch.from_numpy(given)
        context = functional.scaled_dot_product_attention(*heads, attn_mask=bias).transpose(1, 2).reshape(2, 5, width)
        expected = context @ torch.from_numpy(weights[3]) + torch.from_numpy(biases[3])
        _assert_equal(layers.multi_head_attention(x, given, *pairs, head_size=head_size), expected)
    _assert_equal(
        scaled_dot_product_attention(*(each.numpy() for each in heads)),
        functional.scaled_dot_product_attention(*heads),
    )


def test_feedforward_is_two_products_with_gelu_between() -> None:
    given = _random(2, 5, 4), _random(4, 16), _random(16), _random(16, 4), _random(4)
    x, w1, b1, w2, b2 = map(torch.from_numpy, given)
    _assert_equal(layers.feedforward(*given), functional.gelu(x @ w1 + b1) @ w2 + b2)


def _module_parameters(inputs: int, inner: int, outputs: int, has_shortcut: bool) -> list[Any]:
    def normalized(before: int, after: int, kernel: int) -> list[Any]:
        statistics = [_random(after), np.abs(_random(after)) + 0.5, _random(after), _random(after)]
        return [_random(after, before, kernel, kernel), *statistics]

    right = [*normalized(inputs, inner, 1), *normalized(inner, inner, 3), *normalized(inner, outputs, 1)]
    return [*right, *(normalized(inputs, outputs, 1) if has_shortcut else [None] * 5)]


def _torchs_module(x: Any, parameters: list[Any], strides: tuple[int, int]) -> Any:
    tensors = [None if each is None else torch.from_numpy(each) for each in parameters]

    def normalized(x: Any, number: int, **settings: Any) -> Any:
        filters, *statistics = tensors[5 * number : 5 * number + 5]
        return functional.batch_norm(functional.conv2d(x, filters, **settings), *statistics)

    left = x if tensors[15] is None else normalized(x, 3, stride=strides)
    right = functional.relu(normalized(x, 0))
    right = functional.relu(normalized(right, 1, stride=strides, padding=1))
    return functional.relu(left + normalized(right, 2))


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize(("outputs", "strides"), [(6, (1, 1)), (10, (2, 2))])
def test_the_residual_module_takes_its_22_arguments_by_position(
    channels_last: bool, outputs: int, strides: tuple[int, int]
) -> None:
    x, parameters = _random(2, 6, 7, 7), _module_parameters(6, 4, outputs, has_shortcut=outputs != 6)
    given = [np.moveaxis(each, 1, -1) if channels_last and np.ndim(each) == 4 else each for each in parameters]
    image = np.moveaxis(x, 1, -1) if channels_last else x
    result = layers.resnet_module(image, *given, channels_last, module_strides=strides)
    expected = _torchs_module(torch.from_numpy(x), parameters, strides)
    _assert_equal(cnp.moveaxis(result, -1, 1) if channels_last else result, expected)


def test_training_with_incoming_gradients_is_torchs() -> None:
    parameters = [cnp.asarray(_random(15, 30), name="weight"), cnp.asarray(_random(30), name="bias")]
    theirs = [torch.tensor(np.asarray(each), requires_grad=True) for each in parameters]
    their_optimizer = torch.optim.SGD(theirs, lr=1e-2)
    for _ in range(5):
        x, incoming = _random(4, 15), _random(4, 30)
        output = cnp.tanh(cnp.asarray(x) @ parameters[0] + parameters[1])
        gradients = cnp.nn.chain_rule({output: cnp.asarray(incoming)}, parameters)
        parameters = cnp.nn.optimize(parameters, gradients, cnp.nn.optimize.sgd_optimizer(learning_rate=1e-2))
        their_optimizer.zero_grad()
        torch.tanh(torch.from_numpy(x) @ theirs[0] + theirs[1]).backward(torch.from_numpy(incoming))
        their_optimizer.step()
    assert [each.name for each in parameters] == ["weight", "bias"]
    for given, expected in zip(parameters, theirs, strict=True):
        _assert_equal(given, expected)


def test_optimize_is_a_function_of_the_module_of_its_name() -> None:
    assert cnp.nn.optimize is optimize
    assert cnp.nn.optimize.sgd_optimizer is sgd_optimizer  # type: ignore[attr-defined]
    weight = cnp.asarray(np.ones(2))
    run = partial(cnp.nn.evaluate, always_return_tuple=True)
    for arguments in ((), (None,), (run,)):
        (stepped,) = optimize([weight], [weight], sgd_optimizer(0.5), *arguments)
        np.testing.assert_array_equal(cnp.evaluate(stepped), [0.5, 0.5])


@pytest.mark.parametrize("backend", ["numpy", "mosaic"])
def test_a_cache_has_the_values_of_all_results(backend: str) -> None:
    x = cnp.asarray(np.array([4.0, 9.0]), name="x")
    root = cnp.sqrt(x)
    halves = cnp.split(root, 2)
    y, (z, cache) = cnp.sum(root), cnp.nn.evaluate(halves[1] * 2, return_cache=True, backend=backend)
    assert isinstance(cache, cnp.nn.Cache)
    np.testing.assert_array_equal(z, [6.0])
    np.testing.assert_array_equal(cache[root], [2.0, 3.0])
    np.testing.assert_array_equal(cache[halves[0]], [2.0])
    np.testing.assert_array_equal(cache[x], [4.0, 9.0])
    with pytest.raises(OperandError, match="expected a tensor that the evaluated ones depend on"):
        cache[y]
    (values, again), other = cnp.nn.evaluate(y, root, return_cache=True), cnp.nn.evaluate(y, return_cache=True)[1]
    assert isinstance(values, tuple)
    assert len(again) == len(other) == 3
    (alone,), _ = cnp.nn.evaluate(y, return_cache=True, always_return_tuple=True, inputs={x: np.array([1.0, 1.0])})
    assert alone == 2.0
