"""Writes and views inside a trace: the graph gives what torch's memory holds, whoever wrote to it."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

import composit as cnp
import flashlight
from composit.errors import CompositError
from flashlight.tracer import trace

CONTEXTS = [torch.no_grad, torch.inference_mode, torch.enable_grad]


def data() -> torch.Tensor:
    return torch.arange(24.0).reshape(4, 6)


def add_in_place(x: torch.Tensor) -> list[torch.Tensor]:
    y = x + 0
    y.add_(1).mul_(2)
    y -= 3
    return [y]


def write_through_a_view(x: torch.Tensor) -> list[torch.Tensor]:
    y = x.clone()
    row, column, flat = y[1], y[:, 2], y.view(-1)
    row.mul_(10)
    column += 100
    flat[0] = -1
    return [y, row, column, flat]


def write_through_views_of_views(x: torch.Tensor) -> list[torch.Tensor]:
    y = x.clone()
    inner = y.t()[1:3].transpose(0, 1)[2:]
    inner.fill_(7)
    return [y, inner, y.t()]


def assign_slices(x: torch.Tensor) -> list[torch.Tensor]:
    y = x.clone()
    y[1:3, 2:5] = 0
    y[0] = torch.ones(6)
    y[:, -1] = y[:, 0]
    y[..., 1] = 5
    y[::2, ::3] = -1
    return [y]


def write_twice_to_one_place(x: torch.Tensor) -> list[torch.Tensor]:
    y = x.clone()
    y[torch.tensor([0, 0, 2])] = x[1:] * 2
    z = x.scatter(1, torch.tensor([[0, 0, 1]]), x + 100)
    flags = x > 1000
    flags[torch.tensor([1, 1]), torch.tensor([2, 2])] = torch.tensor([True, False])
    return [y, z, flags]


def turn_in_place(x: torch.Tensor) -> list[torch.Tensor]:
    y = x.clone()
    y.transpose_(0, 1)
    y[0] = 1
    return [y, y.swapaxes_(0, 1) + 1]


def assign_by_tensors(x: torch.Tensor) -> list[torch.Tensor]:
    y = x.clone()
    y[torch.tensor([0, 2])] = 1.0
    y[y > 20] = 0.0
    y[torch.tensor([1, 3]), torch.tensor([0, 5])] = torch.tensor([8.0, 9.0])
    return [y]


def copy_and_fill(x: torch.Tensor) -> list[torch.Tensor]:
    y, z, w = x.clone(), torch.empty(4, 6), torch.zeros(4, 6)
    y.zero_()
    z.copy_(x)
    w[1].copy_(x[2].double())
    return [y, z, w]


def fill_a_buffer_in_steps(x: torch.Tensor) -> list[torch.Tensor]:
    buffer = torch.zeros(4, 6)
    for row in range(4):
        buffer[row] = x[row] * row
    return [buffer, buffer[2]]


def write_to_the_argument(x: torch.Tensor) -> list[torch.Tensor]:
    before = x * 1
    x.add_(1)
    return [before, x, x * 2]


def masked_fill_in_place(x: torch.Tensor) -> list[torch.Tensor]:
    y = x.clone()
    y.masked_fill_(y > 10, float("-inf"))
    y[0].clamp_(min=2)
    return [y]


def out_arguments(x: torch.Tensor) -> list[torch.Tensor]:
    y, z = torch.empty(4, 6), torch.empty(6)
    torch.mul(x, 2, out=y)
    torch.sum(x, dim=0, out=z)
    return [y, z]


def change_shape_in_place(x: torch.Tensor) -> list[torch.Tensor]:
    y = x.clone()
    z = y.view(24)
    y.t_()
    y.unsqueeze_(0)
    z.add_(1)
    y.squeeze_(0)
    return [y, z]


def wrap_as_parameter(x: torch.Tensor) -> list[torch.Tensor]:
    y = x + 1
    parameter = nn.Parameter(y, requires_grad=False)
    z = parameter * 2
    y.add_(5)
    return [z, parameter, parameter * 1]


def write_to_parts(x: torch.Tensor) -> list[torch.Tensor]:
    y = x.clone()
    left, right = y.chunk(2, dim=1)
    left.mul_(2)
    for part in y.unbind(0):
        part.add_(1)
    y.diagonal().zero_()
    return [y, left, right]


def scatter_in_place(x: torch.Tensor) -> list[torch.Tensor]:
    y = torch.zeros(4, 6)
    y.scatter_(1, torch.tensor([[0, 2], [1, 3], [5, 4], [2, 0]]), x)
    y.index_add_(0, torch.tensor([0, 0]), x[:2])
    return [y]


WRITES: list[Callable[[torch.Tensor], list[torch.Tensor]]] = [
    add_in_place,
    write_through_a_view,
    write_through_views_of_views,
    assign_slices,
    assign_by_tensors,
    write_twice_to_one_place,
    turn_in_place,
    copy_and_fill,
    fill_a_buffer_in_steps,
    write_to_the_argument,
    masked_fill_in_place,
    out_arguments,
    change_shape_in_place,
    wrap_as_parameter,
    write_to_parts,
    scatter_in_place,
]


@pytest.mark.parametrize("context", CONTEXTS, ids=lambda context: context.__name__)
@pytest.mark.parametrize("write", WRITES, ids=lambda write: write.__name__)
def test_the_graph_gives_what_torch_wrote(
    write: Callable[[torch.Tensor], list[torch.Tensor]], context: Callable[[], torch.no_grad]
) -> None:
    x = data()
    with context(), trace():
        outputs = write(x)
    for output, value in zip(outputs, cnp.evaluate(outputs), strict=True):
        np.testing.assert_array_equal(value, output.numpy())


@pytest.mark.parametrize("write", WRITES, ids=lambda write: write.__name__)
def test_the_graph_computes_the_writes_anew_for_other_inputs(
    write: Callable[[torch.Tensor], list[torch.Tensor]],
) -> None:
    x = data()
    original = x + 0
    with torch.no_grad(), trace():
        # The trace sees the input under a name of its own, because some functions write to it.
        outputs = write(x)
        lazy = flashlight.lazy_tensor(original * 0 + x)
    del lazy
    if write in (write_to_the_argument, assign_by_tensors):
        return
    other = data().flip(0) / 2
    expected = write(other.clone())
    values = cnp.evaluate(outputs, inputs={x: other.numpy()}, guards="ignore")
    for value, tensor in zip(values, expected, strict=True):
        np.testing.assert_allclose(value, tensor.numpy(), rtol=1e-6)


def test_a_parameter_that_is_written_to_keeps_its_value_in_the_graph() -> None:
    norm = nn.BatchNorm1d(3).train()
    x = torch.arange(12.0).reshape(4, 3)
    before = norm.running_mean.clone()
    with torch.no_grad(), trace():
        used = norm.running_mean + 0
        output = norm(x)
    np.testing.assert_allclose(cnp.evaluate(used), before.numpy())
    np.testing.assert_allclose(cnp.evaluate(output), output.numpy(), atol=1e-6)
    np.testing.assert_allclose(cnp.evaluate(norm.running_mean), norm.running_mean.numpy(), rtol=1e-6)
    np.testing.assert_allclose(cnp.evaluate(norm.running_var), norm.running_var.numpy(), rtol=1e-5)
    np.testing.assert_array_equal(cnp.evaluate(norm.num_batches_tracked), norm.num_batches_tracked.numpy())


def test_buffers_written_in_one_trace_do_not_keep_its_graph() -> None:
    norm = nn.BatchNorm1d(3).train()
    for _ in range(3):
        with torch.no_grad(), trace():
            output = norm(torch.randn(4, 3))
    assert len(flashlight.lazy_tensor(output).graph) < 60
    np.testing.assert_allclose(cnp.evaluate(norm.running_mean), norm.running_mean.numpy(), rtol=1e-6)


def test_a_write_behind_the_trace_is_noticed() -> None:
    x, other = data(), torch.ones(4, 6)
    with torch.no_grad(), trace() as recorder:
        y = x + 1
        mode = torch.utils._python_dispatch._disable_current_modes
        with mode():
            y.add_(other)
        z = y * 2
    assert recorder.num_operations == 2
    np.testing.assert_array_equal(cnp.evaluate(z), z.numpy())


def test_two_overlapping_inputs_see_each_others_writes() -> None:
    whole, x = torch.arange(10.0), torch.ones(6)
    first, second = whole[:6], whole[4:]
    with trace():
        before = second * 1
        first.add_(x)
        second.mul_(2)
        results = [first + 0, second + 0, whole + 0, before]
    for result in results:
        np.testing.assert_array_equal(cnp.evaluate(result), result.numpy())
    values = cnp.evaluate(results, inputs={x: np.full(6, 10, np.float32)})
    np.testing.assert_array_equal(values[0], [10, 11, 12, 13, 28, 30])
    np.testing.assert_array_equal(values[1], [28, 30, 12, 14, 16, 18])
    np.testing.assert_array_equal(values[2], [10, 11, 12, 13, 28, 30, 12, 14, 16, 18])


def test_a_view_made_before_the_trace_follows_writes_to_its_base() -> None:
    base = torch.arange(12.0)
    view = base.view(3, 4).t()[1:]
    with torch.no_grad(), trace():
        base.mul_(2)
        doubled = view + 0
        view.add_(1)
        after = base * 1
    np.testing.assert_array_equal(cnp.evaluate(doubled), doubled.numpy())
    np.testing.assert_array_equal(cnp.evaluate(after), after.numpy())


def test_gradients_flow_through_writes() -> None:
    from composit.nn import chain_rule

    x = data().requires_grad_()
    with trace():
        y = x * 2
        y[1:3, 2:4] = x[0:2, 0:2] ** 2
        loss = y.sum()
    (gradient,) = chain_rule({loss: loss}, [x])
    np.testing.assert_allclose(cnp.evaluate(gradient), torch.autograd.grad(loss, x)[0].numpy(), rtol=1e-6)


def test_data_that_leaves_through_numpy_warns_and_comes_back_as_a_constant() -> None:
    x = torch.arange(4.0)
    with trace():
        y = x * 2
        with pytest.warns(flashlight.DataLeavesWarning, match="left the graph through numpy"):
            array = y.numpy()
        z = torch.from_numpy(array + 1) * 3
    np.testing.assert_array_equal(cnp.evaluate(z), z.numpy())
    with pytest.raises(CompositError):
        cnp.evaluate(z, inputs={x: np.ones(4, np.float32)})


def test_data_that_leaves_through_a_list_is_guarded() -> None:
    x = torch.arange(4.0)
    with trace(), pytest.warns(flashlight.DataLeavesWarning, match="tolist"):
        z = x * sum((x * 2).tolist())
    np.testing.assert_array_equal(cnp.evaluate(z), z.numpy())
    with pytest.raises(cnp.errors.GuardError, match="tolist"):
        cnp.evaluate(z, inputs={x: np.ones(4, np.float32)})


def test_reading_an_input_as_numpy_does_not_warn() -> None:
    x = torch.arange(4.0)
    with warnings.catch_warnings(), trace():
        warnings.simplefilter("error")
        x.tolist()
