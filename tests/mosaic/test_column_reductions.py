"""Reductions across rows inside the kernels that run over these rows: which join, values, and bits for any number of threads."""

from itertools import product
from typing import Any

import numpy as np
import pytest

import composit.numpy as cnp
import mosaic
from composit import nn
from composit.nn import chain_rule
from mosaic.passes import column_reductions
from tests.mosaic.comparison import assert_same_values, check, tensor, tensors
from tests.mosaic.passes.test_stages import around, doubles, text
from tests.mosaic.test_fusion import softmax
from tests.sampling import one_in

PASS = "join_column_reductions"


def num_kernels(outputs: list[Any], inputs: list[Any]) -> int:
    """The kernels of a program, after checking its values, and that these are the same bits on one thread and on three."""
    arrays = [np.asarray(cnp.evaluate(each)) for each in inputs]
    models = [mosaic.compile(outputs, inputs=inputs, num_threads=count) for count in (1, 3)]
    results = [np.asarray(each) for each in models[0](*arrays)]
    for one, other, expected in zip(results, models[1](*arrays), outputs, strict=True):
        assert_same_values(one, cnp.evaluate(expected))
        assert one.tobytes() == np.asarray(other).tobytes()
    return len(models[0].kernels)


def test_a_sum_of_few_rows_is_finished_by_the_kernel_that_runs_over_them() -> None:
    x = doubles(32, 3)
    before, after = around(PASS, [x / cnp.sum(x, axis=1, keepdims=True), cnp.sum(x * 2, axis=0)], [x])
    assert before == text(
        """
        for rows [32] of 3:
            local temporary_0[32, 1] = add over row of input_0[32, 3]
            temporary_1[32, 3] = divide(input_0[32, 3], temporary_0[32, 3 by 1, 0])
        for one row of 3:
            temporary_3[3] = add over 32 of multiply(input_0[3, 32 by 1, 3], 2.0)
        return temporary_1[32, 3], temporary_3[3]
        """
    )
    assert after == text(
        """
        for rows [32] of 3:
            temporary_3[1, 3] = add over rows of a part of multiply(input_0[32, 3], 2.0)
            local temporary_0[32, 1] = add over row of input_0[32, 3]
            temporary_1[32, 3] = divide(input_0[32, 3], temporary_0[32, 3 by 1, 0])
        return temporary_1[32, 3], temporary_3[3]
        """
    )


def test_parts_of_many_rows_are_tasks_and_are_added_behind_them() -> None:
    x = doubles(2_000, 64)
    y = softmax(x)
    _, after = around("schedule", [y, cnp.sum(y, axis=0)], [x])
    lines = after.splitlines()
    assert lines[0] == "for rows [2000] of 64 in 8 tasks of 250 by 4 lanes, 4 in turn, 4 in turn:"
    assert lines[5:8] == [
        "    temporary_6[8, 64] = add over rows of a part of temporary_4[2000, 64]",
        "for one row of 64 by 4 lanes, 8 at once:",
        "    temporary_5[64] = add over 8 of temporary_6[64, 8 by 1, 64]",
    ]


@pytest.mark.parametrize(
    ("shape", "dtype"),
    one_in(4, product([(16, 5), (100, 33), (1_111, 70)], ["float32", "float64", "int32", "int8", "bool"])),
)
def test_each_reducer_has_numpys_values_in_each_dtype(shape: tuple[int, int], dtype: str) -> None:
    x = tensor(*shape, dtype=dtype)
    y = cnp.where(x > cnp.min(x, axis=1, keepdims=True), x, x[:, :1])
    found = [cnp.sum(y, axis=0), cnp.max(y, axis=0), cnp.min(y, axis=0), cnp.any(y, axis=0), cnp.all(y, axis=0)]
    check(y, *found)
    assert "rows of a part" in around(PASS, [y, *found], [x])[1]


def test_signs_of_zero_and_nans_are_numpys() -> None:
    array = np.full((64, 9), -0.0)
    array[5, 1], array[7, 2], array[9, 3] = np.nan, np.inf, 1.0
    x = cnp.asarray(array)
    y = cnp.where(cnp.any(x > 0, axis=1, keepdims=True), x, -1.0)
    results = [y, cnp.sum(x, axis=0), cnp.max(x, axis=0), cnp.min(x, axis=0)]
    assert "rows of a part" in around(PASS, results, [x])[1]
    for one, expected in zip(mosaic.compile(results, inputs=[x])(array), cnp.evaluate(results), strict=True):
        np.testing.assert_array_equal(one, expected)
        np.testing.assert_array_equal(np.signbit(one), np.signbit(expected))


def test_the_derivative_of_layer_norm_reads_its_rows_once() -> None:
    x, weight, bias, cotangent = tensors([(40, 50, 70), (70,), (70,), (40, 50, 70)])
    y = nn.layer_norm(x, weight, bias)
    gradients = chain_rule({y: cotangent}, [x, weight, bias])
    assert num_kernels([y, *gradients], [x, weight, bias, cotangent]) == 4  # forward, backward, and parts of two sums


def test_the_gradient_of_a_bias_joins_the_derivative_of_an_activation() -> None:
    x, cotangent = tensors([(64, 256), (64, 256)])
    g = cotangent * (x > 0)
    assert num_kernels([g, cnp.sum(g, axis=0)], [x, cotangent]) == 1


def test_what_follows_a_reduction_in_its_kernel_stays_there() -> None:
    x, bias, weight = tensors([(64, 40), (40,), (40,)])
    rows = softmax(x)
    outputs = [rows, bias - 0.1 * cnp.sum(rows, axis=0), weight - 0.1 * cnp.sum(rows * x, axis=0)]
    _, after = around(PASS, outputs, [x, bias, weight])
    assert after.count("add over rows of a part") == 2
    assert "add over 64" not in after
    assert num_kernels(outputs, [x, bias, weight]) == 3
    many, other = tensors([(2_000, 40), (40,)])
    outputs = [softmax(many), other - cnp.sum(many, axis=0)]
    _, after = around(PASS, outputs, [many, other])
    assert "add over rows of a part" in after
    assert num_kernels(outputs, [many, other]) == 2


def test_rows_longer_than_the_stack_are_added_up_in_the_arena() -> None:
    x = tensor(160, 9_000)
    assert num_kernels([softmax(x), cnp.sum(x * 2, axis=0)], [x]) == 2


def test_a_reduction_of_wider_numbers_does_not_join() -> None:
    x = tensor(64, 80)
    rows = softmax(x)
    assert num_kernels([rows, cnp.sum(x, axis=0, dtype="float64")], [x]) == 2


def test_an_elementwise_kernel_of_short_rows_stays_along_all_elements() -> None:
    x = tensor(640, 10)
    assert num_kernels([x * 2 + 1, cnp.sum(x, axis=0)], [x]) == 2


def test_a_reduction_that_stands_before_the_kernel_joins_it_unless_its_result_is_read_in_between() -> None:
    x = tensor(64, 40)
    before = cnp.sum(x, axis=0)
    shifted = softmax(x * 3)
    assert num_kernels([before, shifted], [x]) == 1
    assert num_kernels([before, softmax(x - before)], [x]) == 2


def test_a_kernel_moves_behind_what_the_reduction_needs_unless_that_needs_the_kernel() -> None:
    x, other = tensors([(64, 40), (64, 40)])
    rows = softmax(x)
    factors = cnp.exp(cnp.sum(other, axis=1, keepdims=True) / 40)
    assert num_kernels([rows, factors, cnp.sum(x * factors, axis=0)], [x, other]) == 2
    product = rows @ cnp.swapaxes(rows, 0, 1)
    needing = cnp.exp(cnp.sum(product, axis=1, keepdims=True))
    outputs = [rows, needing, cnp.sum(x * needing, axis=0)]
    assert "rows of a part" not in around(PASS, outputs, [x])[1]
    assert num_kernels(outputs, [x]) > 3


def test_reductions_of_few_long_rows_stay_by_themselves() -> None:
    x = tensor(4, 50_000)
    assert column_reductions.num_parts(4, 50_000) == 0
    assert num_kernels([cnp.exp(x), cnp.sum(x, axis=0)], [x]) == 2


@pytest.mark.parametrize(("rows", "length"), [(16, 1), (130, 10_000), (4_096, 768), (5_000, 7), (100_003, 3)])
def test_parts_cover_all_rows_and_none_is_empty(rows: int, length: int) -> None:
    parts = column_reductions.num_parts(rows, length)
    per_part = -(-rows // parts)
    assert (parts - 1) * per_part < rows <= parts * per_part


def test_an_argument_that_is_given_away_is_overwritten_only_where_its_sum_has_been_taken() -> None:
    x = tensor(48, 80)
    array = np.asarray(cnp.evaluate(x)).copy()
    outputs = [x * 2 + 1, cnp.sum(x, axis=0)]
    expected = cnp.evaluate(outputs)
    step = nn.compile_step(lambda x: (x * 2 + 1, cnp.sum(x, axis=0)), backend="mosaic", donate=0)
    for one, other in zip(step(array), expected, strict=True):
        assert_same_values(cnp.evaluate(one), other)


def test_a_scan_over_steps_adds_up_rows_in_each_turn() -> None:
    xs, start = tensors([(5, 32, 20), (32, 20)])

    def step(state: Any, x: Any) -> tuple[Any, Any]:
        grown = cnp.tanh(state + x) / cnp.sum(cnp.exp(x), axis=1, keepdims=True)
        return grown, cnp.sum(grown, axis=0)

    last, sums = nn.scan(step, start, xs)
    check(last, sums)
