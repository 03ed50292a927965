"""Tensors made before the trace and written in it: what `evaluate`, `inputs=` and later traces make of them."""

from __future__ import annotations

import copy
import gc
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

import composit as cnp
import flashlight
import mosaic
from composit.errors import AssignmentError, GuardError, StaleTensorError, UnreachedInputError
from composit.nn import chain_rule
from flashlight.capture.memory import memory_of
from flashlight.tracer import trace

X, NEW = torch.tensor([1.0, -2.0, 3.0]), torch.tensor([0.5, 4.0, -1.0])


def same(value: object, expected: torch.Tensor) -> None:
    np.testing.assert_allclose(value, expected.detach().numpy(), rtol=1e-6)  # type: ignore[arg-type]  # an array


def test_what_is_written_to_an_older_tensor_is_computed_anew_for_other_inputs() -> None:
    cache, x = torch.zeros(3), X.clone()
    with trace():
        cache.mul_(0.9).add_(x)
        y = x + 1
    same(cnp.evaluate((y, cache))[1], X)
    same(cnp.evaluate((y, cache), inputs={x: NEW})[1], NEW)
    same(mosaic.compile((y, cache), inputs=[x])(NEW.numpy())[1], NEW)


def test_statistics_of_a_norm_in_training_follow_the_inputs() -> None:
    norm, other = nn.BatchNorm1d(3).train(), nn.BatchNorm1d(3).train()
    x, new = torch.arange(15.0).reshape(5, 3), torch.linspace(-4, 7, 15).reshape(5, 3)
    with torch.no_grad(), trace():
        y = norm(x)
    expected = other(new)
    values = cnp.evaluate((y, norm.running_mean, norm.running_var), inputs={x: new})
    for value, tensor in zip(values, (expected, other.running_mean, other.running_var), strict=True):
        np.testing.assert_allclose(value, tensor.detach().numpy(), rtol=1e-5, atol=1e-6)


def test_a_view_made_before_the_trace_writes_into_its_base_met_later() -> None:
    cache, x = torch.arange(6.0).reshape(2, 3), X.clone()
    row = cache[0]
    with trace():
        row.copy_(x)
        total = cache.sum() + x
    same(cnp.evaluate(total), total)
    same(cnp.evaluate(total, inputs={x: NEW}), NEW.sum() + 12 + NEW)
    # The cache given is the one at the start of the trace.
    same(cnp.evaluate(total, inputs={cache: np.full((2, 3), 10, np.float32)}), X.sum() + 30 + X)


def test_columns_and_their_base_see_each_others_writes() -> None:
    base, x = torch.arange(12.0).reshape(3, 4), X.clone()
    column, row = base[:, 1], base[2]
    with trace():
        column.add_(x)
        row.mul_(2)
        base[0] = 7
        results = [column * 1, row * 1, base * 1]

    def expected(x: torch.Tensor) -> list[torch.Tensor]:
        base = torch.arange(12.0).reshape(3, 4)
        base[:, 1] += x
        base[2] *= 2
        base[0] = 7
        return [base[:, 1], base[2], base]

    for values, tensors in (
        (cnp.evaluate(results), expected(X)),
        (cnp.evaluate(results, inputs={x: NEW}), expected(NEW)),
    ):
        for value, tensor in zip(values, tensors, strict=True):
            same(value, tensor)


@pytest.mark.parametrize("position", [0, 1, -1])
def test_a_write_into_an_expanded_view_reaches_all_its_elements(position: int) -> None:
    with trace():
        a = torch.zeros(1).expand(3)
        a[position] = X[0] * 3
        b = torch.arange(2.0).reshape(2, 1).expand(2, 3)
        b[1, position] = 5.0
        results = [a * 1, b * 1, b[:, 0] * 1]
    for result in results:
        same(cnp.evaluate(result), result)


EXPANDED: tuple[Callable[[torch.Tensor], torch.Tensor], ...] = (
    lambda x: x[:1].expand(3),
    lambda x: x[:, None].expand(3, 2),
    lambda x: torch.cat([x, x]).as_strided((3, 2), (1, 1)),
    lambda x: torch.cat([x, x]).as_strided((2, 3), (3, 1)),
)


@pytest.mark.parametrize("make", EXPANDED)
def test_a_write_into_one_element_of_an_expanded_input_reaches_all_in_its_place(
    make: Callable[[torch.Tensor], torch.Tensor],
) -> None:
    def program(x: torch.Tensor) -> torch.Tensor:
        x[(1, 0)[: x.ndim]].add_(5)
        x[(-1,) * x.ndim].mul_(2)
        return x * 2

    x, new = make(X), make(NEW)
    given = new.clone()
    with trace():
        y = program(x)
    expected = program(new)
    same(cnp.evaluate(y), y)
    same(cnp.evaluate(y, inputs={x: given}), expected)
    same(mosaic.compile(y, inputs=[x])(given.numpy()), expected)


class InPlace(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x.add_(1)
        return x * 2


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_a_model_that_writes_to_its_input_takes_others(context: Callable[[], torch.no_grad]) -> None:
    x = X.clone()
    with context(), trace():
        y = InPlace()(x)
    expected = (NEW + 1) * 2
    same(cnp.evaluate(y, inputs={x: NEW}), expected)
    same(mosaic.compile(y, inputs=[x])(NEW.numpy()), expected)
    same(cnp.evaluate(x), X + 1)
    same(cnp.evaluate((x, y), inputs={x: NEW})[0], NEW + 1)


RETURNING_THEIR_OPERAND: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "dropout in evaluation": lambda x: nn.functional.dropout(x, 0.5, training=False),
    "dropout of channels in evaluation": lambda x: nn.functional.dropout1d(x[None], 0.5, training=False),
    "alpha dropout in evaluation": lambda x: nn.functional.alpha_dropout(x, 0.5, training=False),
    "contiguous": lambda x: x.contiguous(),
    "reshape": lambda x: x.reshape(-1),
    "conversion to the same dtype": lambda x: x.to(x.dtype),
    "broadcast_tensors": lambda x: torch.broadcast_tensors(x, torch.ones(1))[0],
}


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode, torch.enable_grad])
@pytest.mark.parametrize("name", RETURNING_THEIR_OPERAND)
def test_a_write_to_what_returns_its_operand_changes_the_operand(
    name: str, context: Callable[[], torch.no_grad]
) -> None:
    def program(x: torch.Tensor) -> torch.Tensor:
        RETURNING_THEIR_OPERAND[name](x).add_(1)
        return x * 2

    with context():
        expected, x = program(X.clone()), X.clone()
        with trace():
            y = program(x)
    same(y, expected)
    same(cnp.evaluate(y), expected)


def test_gradients_are_those_of_the_value_before_the_write() -> None:
    x = X.clone()
    with torch.no_grad(), trace():
        x.mul_(x)
        loss = (x * 3).sum()
    (gradient,) = chain_rule({loss: loss}, [x])
    same(cnp.evaluate(gradient), 6 * X)


def test_a_view_given_beside_its_base_is_an_input_of_its_own() -> None:
    a = torch.arange(6.0).reshape(2, 3)
    b = a[:1]
    for first in (a, b):
        with trace():
            first + 0
            y = a.sum(0) + 10 * b
        ones = np.ones((2, 3), np.float32)
        same(cnp.evaluate(y, inputs={a: ones}), 2 + 10 * b)
        same(cnp.evaluate(y, inputs={b: ones[:1]}), a.sum(0)[None] + 10)
        same(cnp.evaluate(y, inputs={a: ones, b: ones[:1] * 2}), torch.full((1, 3), 22.0))
        assert mosaic.compile(y, inputs=[a, b])(ones, ones[:1]).shape == (1, 3)


def test_gradients_flow_through_a_view_that_autograd_made_before_the_trace() -> None:
    weight = torch.arange(6.0).reshape(2, 3).requires_grad_()
    row = weight[1]
    with trace():
        loss = (weight.sum() + (row * row).sum()) * 2
    (gradient,) = chain_rule({loss: loss}, [weight])
    same(cnp.evaluate(gradient), torch.autograd.grad(loss, weight)[0])


def test_each_trace_takes_a_written_tensor_as_an_input_again() -> None:
    cache, x = torch.zeros(3), X.clone()
    outputs = []
    for _ in range(3):
        with trace():
            cache.add_(x)
            outputs.append(cache * 1)
    assert len(flashlight.lazy_tensor(outputs[2]).graph) < 8
    for count, output in enumerate(outputs, 1):
        same(cnp.evaluate(output), X * count)
        same(cnp.evaluate(output, inputs={cache: NEW}), NEW + X)


def test_a_result_of_one_trace_that_the_next_writes_to_is_given_at_the_start_of_it() -> None:
    x = X.clone()
    with trace():
        y = x * 2
        z = y + 0
    with trace():
        y.add_(1)
        w = y * 10
    same(cnp.evaluate(w, inputs={x: NEW}), (NEW * 2 + 1) * 10)
    same(cnp.evaluate(w, inputs={y: NEW}), (NEW + 1) * 10)
    same(cnp.evaluate(z, inputs={y: NEW}), NEW)


def test_data_is_the_same_memory_under_another_name() -> None:
    average, x = torch.zeros(3), X.clone()
    parameter = nn.Parameter(torch.ones(3))
    with trace():
        average.data.mul_(0.5).add_(x.data)
        parameter.data[0] = 4.0
        y = average * parameter
    assert parameter.data is not parameter
    same(cnp.evaluate(y), y)
    same(cnp.evaluate(y, inputs={x: NEW}), NEW * torch.tensor([4.0, 1, 1]))


def test_new_data_is_the_value_of_the_tensor_that_gave_it() -> None:
    x, weight = X.clone(), nn.Parameter(torch.ones(3))
    with trace():
        before = weight * x
        weight.data = x * 2
        after = weight * x
        weight.data.add_(1)
        last = weight * 1
    for value in (before, after, last, weight):
        same(cnp.evaluate(value), value)
    same(cnp.evaluate(after, inputs={x: NEW}), 2 * NEW * NEW)
    same(cnp.evaluate(last, inputs={x: NEW}), 2 * NEW + 1)
    same(cnp.evaluate(before, inputs={weight: NEW}), NEW * X)


@pytest.mark.parametrize("size", [3, 40_000])
def test_a_write_to_data_after_the_trace_is_an_error_and_a_new_trace_sees_it(size: int) -> None:
    weight = nn.Parameter(torch.ones(size))
    with trace():
        y = weight * 2
    weight.data[size // 2] = 5.0
    with pytest.raises(StaleTensorError, match="written to after it was traced"):
        cnp.evaluate(y)
    with trace():
        z = weight * 2
    same(cnp.evaluate(z), weight * 2)
    weight.detach().numpy()[[0, size // 2]] = weight.detach().numpy()[[size // 2, 0]]
    with pytest.raises(StaleTensorError):
        cnp.evaluate(z)


def test_results_in_out_go_through_views() -> None:
    x = X.clone()
    with trace():
        whole = torch.zeros(2, 3)
        torch.mul(x, 2, out=whole[1])
        torch.add(x, 1, out=whole.t()[:, 0])
        small = torch.empty(0)
        torch.exp(x, out=small)
        counts = torch.zeros(3, dtype=torch.float64)
        torch.add(torch.arange(3), 1, out=counts)
        results = [whole * 1, small * 1, counts * 1]
    for result in results:
        same(cnp.evaluate(result), result)
    same(cnp.evaluate(results[0], inputs={x: NEW}), torch.stack([NEW + 1, NEW * 2]))


def test_strided_views_are_found_by_where_they_lie() -> None:
    x, new = torch.arange(12.0), torch.linspace(-1, 1, 12)

    def overlapping(x: torch.Tensor) -> list[torch.Tensor]:
        windows = x.clone().as_strided((4, 3), (2, 1), 1)
        y = x * 2
        y.as_strided((3,), (4,)).zero_()
        z = x + 1
        z.as_strided_((3, 4), (1, 3))
        z[0] = 5
        return [windows * 1, y, z * 1, x.as_strided((2, 2), (1, 5)) + 0]

    with trace():
        results = overlapping(x)
    for value, tensor in zip(cnp.evaluate(results), overlapping(torch.arange(12.0)), strict=True):
        same(value, tensor)
    for value, tensor in zip(cnp.evaluate(results, inputs={x: new}), overlapping(new), strict=True):
        same(value, tensor)


def test_parts_of_complex_numbers_are_written_through() -> None:
    x = X.clone()

    def write(x: torch.Tensor) -> list[torch.Tensor]:
        z = torch.complex(x, x * 2)
        torch.view_as_real(z)[:, 1] = x * 10
        z.real[0] = 7.0
        w = z.clone()
        w.conj()[1] = 1 + 2j
        bits = x * 1
        bits.view(torch.int32)[1] = 1_065_353_216
        return [torch.view_as_real(z) * 1, torch.view_as_real(w) * 1, bits * 1]

    with trace():
        results = write(x)
    for values, tensors in ((cnp.evaluate(results), write(X)), (cnp.evaluate(results, inputs={x: NEW}), write(NEW))):
        for value, tensor in zip(values, tensors, strict=True):
            same(value, tensor)


def test_memory_met_under_two_dtypes_is_an_error_when_it_is_written_to() -> None:
    numbers = torch.zeros(4)
    bits = numbers.view(torch.int32)
    with trace():
        (numbers + 1, bits + 1)
        with pytest.raises(AssignmentError, match="met as torch.float32 and as torch.int32"):
            numbers.add_(1)


def test_what_is_written_behind_the_trace_is_guarded() -> None:
    x = X.clone()
    with trace():
        y = x * 2
        with torch.utils._python_dispatch._disable_current_modes():
            y.add_(y)
        z = y + x
    same(cnp.evaluate(z), z)
    with pytest.raises(GuardError, match="could not see"):
        cnp.evaluate(z, inputs={x: NEW})


def test_tensors_of_dlpack_are_aliases() -> None:
    x = X.clone()
    with trace():
        y = x * 2
        other = torch.from_dlpack(y)
        other.add_(1)
        third = torch.utils.dlpack.from_dlpack(torch.utils.dlpack.to_dlpack(y))
        third.mul_(3)
        result = y + x
    same(cnp.evaluate(result), result)
    same(cnp.evaluate(result, inputs={x: NEW.numpy()}), (NEW * 2 + 1) * 3 + NEW)


def through_numpy(x: torch.Tensor) -> torch.Tensor:
    y = x * 2
    array = y.numpy()
    y.add_(1)
    array[0] = 9
    return y + x


def through_numpy_at_the_end(x: torch.Tensor) -> torch.Tensor:
    y = x * 2 + x
    y.numpy()[1] = 4
    return y


def through_a_function(x: torch.Tensor) -> torch.Tensor:
    y = x * 1
    y.apply_(lambda value: value + 1)
    return y + x


@pytest.mark.filterwarnings("ignore::flashlight.DataLeavesWarning")
@pytest.mark.parametrize("write", [through_numpy, through_numpy_at_the_end, through_a_function])
def test_what_python_writes_into_memory_that_it_got_is_a_guarded_constant(
    write: Callable[[torch.Tensor], torch.Tensor],
) -> None:
    x = X.clone()
    with trace():
        y = write(x)
    same(cnp.evaluate(y), y)
    with pytest.raises((GuardError, UnreachedInputError)):
        cnp.evaluate(y, inputs={x: NEW})


def test_deep_copies_are_followed() -> None:
    torch.manual_seed(0)
    x, layer = X.clone(), nn.Linear(3, 3)
    with torch.no_grad(), trace():
        y = x * 2
        z = copy.deepcopy(y)
        z.add_(1)
        other = copy.deepcopy(layer)
        other.weight.mul_(2)
        w = copy.deepcopy(x) + other(y + z)
    same(cnp.evaluate(w), w)
    expected = NEW + (NEW * 4 + 1) @ layer.weight.T * 2 + layer.bias
    np.testing.assert_allclose(cnp.evaluate(w, inputs={x: NEW}), expected.detach().numpy(), rtol=1e-5)


def test_a_tensor_on_the_memory_of_one_that_is_gone_is_an_input_of_its_own() -> None:
    def traced_once() -> tuple[torch.Tensor, torch.Tensor]:
        first = torch.ones(3)
        with flashlight.tracer.trace():
            assert cnp.evaluate(first + 1)[0] == 2
        return first.detach(), first[1:].detach()

    second, part = traced_once()
    gc.collect()
    assert not [root for root in memory_of(second).roots if root.tensor() is not None], (
        "the first tensor is still there"
    )
    with flashlight.tracer.trace():
        doubled, tail = second * 2, part + 1
    np.testing.assert_array_equal(cnp.evaluate(doubled, inputs={second: np.arange(3, dtype="f4")}), [0, 2, 4])
    np.testing.assert_array_equal(cnp.evaluate(tail), [2, 2])


def test_a_constant_can_be_resized_although_the_graph_shares_its_memory() -> None:
    x, buffer = torch.arange(6.0).reshape(2, 3), torch.tensor([])
    with trace():
        made = torch.tensor([7.0])
        kept = made + 0
        buffer.resize_(3).copy_(x.amin(0))
        made.resize_(3)[1:] = x[0, :2]
    new = {x: x.numpy()[::-1].copy() + 1}
    np.testing.assert_array_equal(cnp.evaluate(buffer, inputs=new), [1, 2, 3])
    np.testing.assert_array_equal(cnp.evaluate(made, inputs=new), [7, 4, 5])
    np.testing.assert_array_equal(cnp.evaluate(kept), [7])
