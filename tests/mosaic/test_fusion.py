"""What belongs together becomes one kernel, and values stay what they were."""

import re
from typing import Any

import numpy as np
import pytest

import composit as cnp
import mosaic
from composit import nn
from composit.nn import chain_rule
from tests.mosaic.comparison import assert_same_values, check, tensor, tensors
from tests.sampling import one_in, only

LENGTHS = [(5, 7), (130, 130), (300, 77), (1, 64), (33, 700)]  # rows and columns of scores


def softmax(x: Any) -> Any:
    """The usual softmax over the last axis."""
    e = cnp.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def layer_norm(x: Any, weight: Any, bias: Any) -> Any:
    """Normalisation over the last axis."""
    centred = x - x.mean(axis=-1, keepdims=True)
    variance = (centred * centred).mean(axis=-1, keepdims=True)
    return centred / cnp.sqrt(variance + 1e-12) * weight + bias


def gelu(x: Any) -> Any:
    """The exact gelu."""
    return x * 0.5 * (cnp.erf(x * np.float32(0.70710678)) + 1.0)


def kernels_of(output: Any, inputs: list[Any]) -> list[tuple[str, ...]]:
    """The operations of each kernel, after checking the values against numpy."""
    model = mosaic.compile(output, inputs=inputs)
    arrays = [cnp.evaluate(each) for each in inputs]
    assert_same_values(model(*arrays), cnp.evaluate(output))
    return [record.operations for record in model.kernels]


def test_a_chain_of_elementwise_operations_is_one_kernel() -> None:
    x = tensor(30, 40)
    assert len(kernels_of(cnp.tanh(cnp.exp(-x) * 2 + 1) / 3, [x])) == 1


def test_a_chain_of_two_hundred_additions_is_a_few_kernels() -> None:
    x = y = tensor(10)
    for _ in range(200):
        y = y + x
    assert len(kernels_of(y, [x])) <= 3


def test_the_derivative_of_group_norm_stores_nothing_else_as_large_as_its_operand() -> None:
    x, weight, bias, cotangent = tensors([(4, 16, 12, 12), (16,), (16,), (4, 16, 12, 12)])
    gradients = chain_rule({nn.group_norm(x, weight, bias, num_groups=4): cotangent}, [x, weight, bias])
    check(*gradients)
    (text,) = [
        each.text for each in mosaic.stages(gradients, inputs=[x, weight, bias, cotangent]) if each.name == "schedule"
    ]
    assert len(re.findall(r"^    temporary_\d+\[[^\]]*(?:144|576)\] =", text, re.MULTILINE)) == 1


def test_softmax_is_one_kernel() -> None:
    x = tensor(4, 6, 50)
    assert len(kernels_of(softmax(x), [x])) == 1


def test_layer_norm_is_one_kernel() -> None:
    x, weight, bias = tensors([(4, 6, 50), (50,), (50,)])
    assert len(kernels_of(layer_norm(x, weight, bias), [x, weight, bias])) == 1


def test_a_product_takes_bias_and_activation_with_it() -> None:
    x, weight, bias = tensors([(32, 64), (64, 96), (96,)])
    assert kernels_of(gelu(x @ weight + bias), [x]) == [
        ("matmul", "add", "multiply", "multiply", "erf", "add", "multiply")
    ]


def test_a_product_takes_the_residual_with_it() -> None:
    x, weight, bias = tensors([(32, 64), (64, 64), (64,)])
    assert len(kernels_of(x @ weight + bias + x, [x])) == 1


def test_a_transposed_result_is_stored_where_it_belongs() -> None:
    p, v = tensors([(2, 3, 10, 12), (2, 3, 12, 16)])
    merged = (p @ v).transpose((0, 2, 1, 3)).reshape((2, 10, 48))
    assert len([names for names in kernels_of(merged, [p]) if "matmul" in names]) == 1


def test_an_embedding_lookup_joins_what_follows() -> None:
    table, positions, weight, bias = tensors([(20, 48), (7, 48), (48,), (48,)])
    ids = cnp.asarray(np.array([[0, 3, 5, 19, 2, 2, 1]]))
    assert len(kernels_of(layer_norm(cnp.take(table, ids, axis=0) + positions, weight, bias), [ids])) == 1


def test_views_take_no_kernel() -> None:
    x = tensor(4, 6)
    model = mosaic.compile(x.reshape(2, 12).T[::-1, None].squeeze() + 1, inputs=[x])
    assert [record.operations for record in model.kernels] == [("add",)]


def test_values_that_are_read_together_are_computed_together() -> None:
    # The averages of Adam share a gradient that a kernel of its own computes, and the step reads both.
    x, mean, square, weight = tensors([(64, 30), (64, 30), (64, 30), (64, 30)])
    slope = cnp.cumsum(x, axis=0)
    mean, square = 0.9 * mean + 0.1 * slope, 0.99 * square + 0.01 * slope * slope
    outputs = [weight - mean / (cnp.sqrt(cnp.abs(square)) + 1e-3), mean, square]
    assert len(mosaic.compile(outputs, inputs=[x, weight]).kernels) == 2
    check(*outputs)


def test_values_that_a_later_kernel_needs_first_stay_apart() -> None:
    x = tensor(64, 30)
    slope = cnp.cumsum(x, axis=0)
    first, second = cnp.exp(slope), cnp.sin(slope)
    between = cnp.cumsum(first, axis=1)  # reads `first`, and `second` reads it
    second = second + between
    check(first * second, first, second, between)


@pytest.mark.parametrize("seed", one_in(6, range(12)))
def test_groups_that_join_each_other_compute_what_numpy_does(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = [cnp.cumsum(tensor(12, 20), axis=0), tensor(12, 20, seed=1), tensor(12, 20, seed=2)]
    for _ in range(25):
        one, other = (values[int(each)] for each in rng.integers(0, len(values), 2))
        made = [
            lambda one=one, other=other: one * 0.5 + other,
            lambda one=one, other=other: cnp.tanh(one) - other,
            lambda one=one: cnp.cumsum(one, axis=0) * 0.1,
            lambda one=one, other=other: one - cnp.max(other, axis=1, keepdims=True),
            lambda one=one, other=other: cnp.concatenate([one[:5], other[5:]]),
        ]
        values.append(made[int(rng.integers(0, len(made)))]())
        if rng.random() < 0.15:
            written = values[-1].copy()
            written[2:4] = other[:2] * 2.0
            values.append(written)
    check(*values[3:])


def test_a_value_with_two_users_is_computed_once() -> None:
    x = tensor(100, 30)
    e = cnp.exp(x)
    model = mosaic.compile([e.sum(axis=0), e.sum(axis=1), e * 2], inputs=[x])
    assert model.source.count("= exp_f32") <= 4
    check(e.sum(axis=0), e.sum(axis=1), e * 2)


def attention(x: Any, weights: list[Any], mask: Any, heads: int) -> Any:
    """Self-attention with a residual, as BERT has it."""
    batch, length, width = x.shape
    split = (batch, length, heads, width // heads)
    query, key, value = ((x @ weight).reshape(split).transpose((0, 2, 1, 3)) for weight in weights[:3])
    scores = query @ key.transpose((0, 1, 3, 2)) / np.float32(4.0) + mask
    context = (softmax(scores) @ value).transpose((0, 2, 1, 3)).reshape(x.shape)
    return context @ weights[3] + x


def test_scores_softmax_and_values_are_one_kernel() -> None:
    x = tensor(2, 16, 64)
    mask = cnp.asarray(np.zeros(16, "float32"))
    names = kernels_of(attention(x, tensors([(64, 64)] * 4), mask, 4), [x])
    assert [kernel.count("matmul") for kernel in names if "exp" in kernel] == [2]


@pytest.mark.parametrize(
    ("rows", "columns", "dtype"),
    only(
        [(5, 7, "float64"), (33, 700, "float32")],
        [(*sizes, dtype) for dtype in ("float32", "float64") for sizes in LENGTHS],
    ),
)
def test_attention_of_any_length_and_mask_is_numpys(rows: int, columns: int, dtype: str) -> None:
    number = np.dtype(dtype).type
    query = tensor(2, rows, 3, 16, dtype=dtype).transpose((0, 2, 1, 3))
    key, value = (tensor(2, columns, 3, 16, dtype=dtype, seed=seed).transpose((0, 2, 1, 3)) for seed in (1, 2))
    scores = query @ key.transpose((0, 1, 3, 2)) * number(0.3)
    is_before = cnp.arange(rows)[:, None] >= cnp.arange(columns)[None, :] - columns // 2
    ids = tensor(2, columns, dtype="int64")
    shared = tensor(2, 1, columns, 16, dtype=dtype, seed=3)
    check(
        softmax(scores) @ value,
        softmax(cnp.where(is_before, scores, number(-1e9))) @ value,
        softmax(cnp.where((ids > 0)[:, None, None, :], scores - scores.max(axis=-1, keepdims=True), -50)) @ value,
        (softmax(query @ shared.transpose((0, 1, 3, 2))) @ value).transpose((0, 2, 1, 3)).reshape((2, rows, 48)),
    )


@pytest.mark.parametrize(("batch", "length"), only([(3, 33)], [(1, 5), (2, 16), (3, 33)]))
def test_an_encoder_layer_is_numpys(batch: int, length: int) -> None:
    x = tensor(batch, length, 64)
    weights = tensors([(64, 64)] * 4)
    mask = cnp.asarray(np.where(np.arange(length) < length - 1, 0, -1e4).astype("float32"))
    y = layer_norm(attention(x, weights, mask, 4), *tensors([(64,), (64,)]))
    wide, narrow = tensors([(64, 256), (256, 64)])
    check(layer_norm(gelu(y @ wide) @ narrow + y, *tensors([(64,), (64,)])))


def test_identical_layers_share_their_kernels() -> None:
    x = y = tensor(16, 32)
    for weight in tensors([(32, 32)] * 6):
        y = cnp.tanh(y @ weight)
    model = mosaic.compile(y, inputs=[x])
    assert len({record.function for record in model.kernels}) == 1
    assert len(model.kernels) == 6


def test_a_gradient_step_is_numpys() -> None:
    x, weight, bias, target = tensors([(40, 20), (20, 30), (30,), (40, 30)])
    hidden = cnp.tanh(x @ weight + bias)
    error = (hidden - target) * (1 - hidden * hidden)
    check(x.T @ error, error.sum(axis=0), weight - 0.1 * (x.T @ error), ((hidden - target) ** 2).mean())


def test_a_long_unrolled_loop_calls_its_polynomials_in_place_of_copying_them():
    x = cnp.asarray(np.linspace(-1, 1, 37, dtype="float32"))
    y = x
    for step in range(60):
        y = cnp.tanh(y) * np.float32(0.9 + step / 1000) + x
    model = mosaic.compile(y, inputs=[x], num_threads=1)
    assert re.search(r"noinline\S*\s.*tanh_|tanh_.*noinline", model.source)
    np.testing.assert_allclose(model(cnp.evaluate(x)), cnp.evaluate(y), rtol=2e-5)
    once = mosaic.compile(cnp.tanh(x), inputs=[x], num_threads=1)
    assert not re.search(r"noinline\S*\s.*tanh_|tanh_.*noinline", once.source)


def test_rows_that_the_second_product_reads_twice_are_kept() -> None:
    # Only a left operand is at hand a block of rows at a time.
    rows = softmax(tensor(2, 8, 4) @ tensor(2, 4, 8))
    outputs = [rows @ rows, rows @ cnp.swapaxes(rows, -1, -2), rows @ tensor(2, 8, 8) + rows]
    for output in outputs:
        check(output)
    check(*outputs)


def test_heads_that_share_keys_and_values_are_one_kernel() -> None:
    query, key, value = tensors([(4, 33, 16), (40, 16), (40, 16)])
    scores = query @ (key * 2).T
    y = cnp.transpose(softmax(scores) @ (value * 2), (1, 0, 2)) * 3
    names = kernels_of(y, [query, key, value])
    assert [kernel.count("matmul") for kernel in names if "exp" in kernel] == [2]
    check(y)
