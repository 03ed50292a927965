"""`trace(dynamic=...)`: graphs built again for other sizes, with torch forbidden to compute, against torch."""

from __future__ import annotations

import copy
import math
import pickle
import threading
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

import composit as cnp
import flashlight
from composit.errors import GuardError, OperandError, ParameterError, ShapeError, StaleTensorError, TracingError
from flashlight.tracer import trace
from tests.flashlight.sizes.no_kernels import no_kernels
from tests.sampling import one_in

SIZES = [(2, 5), (3, 7), (1, 5), (2, 1), (1, 1), (4, 6)]


def _check(function: Callable[..., Any], backend: str = "numpy", sizes: Any = SIZES) -> None:
    x = torch.randn(2, 5, 8)
    with torch.no_grad(), trace(dynamic={x: {0: "batch", 1: "length"}}):
        y = function(x)
    for size in sizes:
        new = torch.randn(*size, 8)
        with no_kernels():
            found = cnp.evaluate(y, inputs={x: new.numpy()}, backend=backend)
        expected = function(new).detach()
        torch.testing.assert_close(torch.from_numpy(np.asarray(found)), expected, atol=1e-5, rtol=1e-5)


def _heads(x: torch.Tensor) -> torch.Tensor:
    batch, length, width = x.shape
    parts = x.reshape(batch, length, 2, width // 2).transpose(1, 2)
    scores = parts @ parts.transpose(-1, -2) / math.sqrt(width)
    mask = torch.ones(length, length, dtype=torch.bool).tril()
    weights = scores.masked_fill(~mask, -math.inf).softmax(-1)
    return (weights @ parts).transpose(1, 2).contiguous().view(batch, -1, width)


def _positions(x: torch.Tensor) -> torch.Tensor:
    places = torch.arange(x.shape[1])[None, :, None].expand(x.shape[0], -1, 1)
    table = torch.linspace(0, 1, 40).reshape(20, 2)
    looked_up = table[places[:, : x.shape[1], 0]]
    return torch.cat([x, places / x.shape[1], looked_up], dim=-1)


def _numbers(x: torch.Tensor) -> torch.Tensor:
    batch, length = x.size(0), x.size(1)
    full = torch.full((length,), length * 0.5) + torch.zeros(batch, 1)
    return x.sum(-1) / length + full * (batch + length) - x.numel() + x.new_ones(batch, length) * 2**batch


def _splits(x: torch.Tensor) -> torch.Tensor:
    first, second = x.split([3, 5], dim=-1)
    return torch.nn.functional.pad(first, (0, 2)) + second + x.flatten(0, 1).unflatten(0, (x.shape[0], -1))[..., 3:]


def _writes(x: torch.Tensor) -> torch.Tensor:
    kept = torch.zeros(x.shape[0], x.shape[1] + 2, 8)
    view = kept[:, 1:-1]
    kept[:, : x.shape[1]] = x
    view.mul_(2)
    kept[:, -1].add_(x.mean(1))
    return kept.sum(-1) + view.sum()


@pytest.mark.parametrize(
    ("function", "backend"), one_in(3, product([_heads, _positions, _numbers, _splits, _writes], ["numpy", "mosaic"]))
)
def test_functions_of_sizes_are_right_at_other_sizes(function: Callable[..., Any], backend: str) -> None:
    _check(function, backend)


def test_networks_are_right_at_other_sizes() -> None:
    torch.manual_seed(0)
    layer = torch.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    _check(torch.nn.TransformerEncoder(layer, 2, enable_nested_tensor=False).eval())
    _check(torch.nn.Sequential(torch.nn.Linear(8, 4), torch.nn.LayerNorm(4), torch.nn.GELU()))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_at_other_sizes(dtype: torch.dtype) -> None:
    model, x = torch.nn.Linear(3, 2).to(dtype), torch.randn(4, 3).to(dtype)
    with torch.no_grad(), trace(dynamic={x: {0: "batch"}}):
        y = model(x) * x.shape[0]
    new = torch.randn(6, 3).to(dtype)
    found = torch.from_numpy(cnp.evaluate(y, inputs={x: new}))
    torch.testing.assert_close(found.to(dtype), model(new).detach() * 6, atol=1e-2, rtol=1e-2)


def test_a_batch_of_images_of_other_heights() -> None:
    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3, padding=1),
        torch.nn.BatchNorm2d(4),
        torch.nn.MaxPool2d(2),
        torch.nn.AdaptiveAvgPool2d(1),
    ).eval()
    x = torch.randn(2, 3, 8, 8)
    with torch.no_grad(), trace(dynamic={x: {0: "batch", 2: "height", -1: "width"}}):
        y = network(x)
    for shape in ((1, 3, 8, 8), (3, 3, 12, 10), (2, 3, 5, 2)):
        new = torch.randn(shape)
        with no_kernels():
            found = cnp.evaluate(y, inputs={"input": new.numpy()})
        torch.testing.assert_close(torch.from_numpy(found), network(new).detach(), atol=1e-5, rtol=1e-5)


def _branch(x: torch.Tensor) -> torch.Tensor:
    if x.shape[1] > 3:
        return x * 2
    return x


def _loop(x: torch.Tensor) -> torch.Tensor:
    for _ in range(x.shape[1]):
        x = x + 1
    return x


def _number(x: torch.Tensor) -> torch.Tensor:
    return x + float(np.sqrt(int(x.shape[1])))


@pytest.mark.parametrize(
    ("function", "line", "allowed"),
    [
        (_branch, "if x.shape[1] > 3", (3, 4)),
        (_loop, "range(x.shape[1])", (3, 5)),
        (_number, "int(x.shape[1])", (4, 5)),
        (lambda x: x + len(x[0]), "len(x[0])", (1, 5)),
        (lambda x: x + torch.from_numpy(x.numpy().copy()).sum(), "x.numpy()", None),
        (lambda x: x * torch.arange(x.shape[1]).sum().item(), ".item()", (3, 5)),
        (lambda x: x + torch.arange(x.shape[1])[torch.arange(x.shape[1]) > 2].sum(), "> 2", (3, 5)),
        (lambda x: functional.dropout(x, 0.5), "functional.dropout", None),
        (lambda x: torch.stack(x.unbind(1)), "x.unbind(1)", (7, 5)),
    ],
)
def test_a_size_that_python_looked_at_raises_with_the_line(
    function: Callable[..., Any], line: str, allowed: tuple[int, int] | None
) -> None:
    x = torch.randn(2, 5, 8)
    with torch.no_grad(), trace(dynamic={x: {0: "batch", 1: "length"}}):
        y = function(x)
    with pytest.raises(GuardError) as caught:
        cnp.evaluate(y, inputs={x: np.zeros((2, 2, 8), np.float32)})
    assert line in str(caught.value)
    assert "length=2" in str(caught.value)
    if allowed is not None:
        new = torch.randn(*allowed, 8)
        np.testing.assert_allclose(cnp.evaluate(y, inputs={x: new.numpy()}), function(new), atol=1e-5)


def test_a_size_of_zero_is_right_or_raises() -> None:
    x = torch.randn(2, 5, 8)
    with torch.no_grad(), trace(dynamic={x: {0: "batch"}}):
        y = x.sum(-1) * 2
    assert cnp.evaluate(y, inputs={x: np.zeros((0, 5, 8), np.float32)}).shape == (0, 5)


@pytest.mark.parametrize("traced", [(1, 1), (1, 5), (2, 1)])
def test_a_trace_at_a_size_of_one_is_right_or_raises_at_others(traced: tuple[int, int]) -> None:
    x = torch.randn(*traced, 8)
    with torch.no_grad(), trace(dynamic={x: {0: "batch", 1: "length"}}):
        y = _heads(x)
    right = 0
    for size in SIZES:
        new = torch.randn(*size, 8)
        try:
            found = cnp.evaluate(y, inputs={x: new.numpy()})
        except GuardError:
            continue
        np.testing.assert_allclose(found, _heads(new), atol=1e-5)
        right += 1
    assert right


def test_a_branch_on_one_length_and_a_broadcast_along_it() -> None:
    x, bias = torch.randn(2, 5), torch.randn(2, 5)
    with trace(dynamic={x: {1: "length"}, bias: {1: "width"}}):
        y = x + bias
    new = np.ones((2, 1), np.float32), np.ones((2, 3), np.float32)
    with pytest.raises(GuardError):
        cnp.evaluate(y, inputs={x: new[0], bias: new[1]})


def test_reads_of_values_are_guards_at_other_sizes_too() -> None:
    x = torch.ones(2, 3)
    with trace(dynamic={x: {0: "batch"}}):
        y = x * 2 if x.sum() > 0 else x * 3
    np.testing.assert_array_equal(cnp.evaluate(y, inputs={x: np.ones((4, 3), np.float32)}), np.full((4, 3), 2))
    with pytest.raises(GuardError, match=r"if x.sum\(\) > 0"):
        cnp.evaluate(y, inputs={x: -np.ones((4, 3), np.float32)})
    ignored = cnp.evaluate(y, inputs={x: -np.ones((4, 3), np.float32)}, guards="ignore")
    np.testing.assert_array_equal(ignored, np.full((4, 3), -2))


def test_buffers_and_gradients_are_results_at_other_sizes() -> None:
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 1))
    other = copy.deepcopy(network)
    x, new = torch.randn(5, 3), torch.randn(8, 3)
    with trace(dynamic={x: {0: "batch"}}):
        network(x).square().mean().backward()
    other(new).square().mean().backward()
    names = ["0.weight", "2.bias"]
    wanted = [other.get_parameter(name).grad for name in names] + [other[1].running_mean, other[1].running_var]
    results = [network.get_parameter(name).grad for name in names] + [network[1].running_mean, network[1].running_var]
    with no_kernels():
        found = cnp.evaluate(results, inputs={x: new.numpy()})
    for value, expected in zip(found, wanted, strict=True):
        np.testing.assert_allclose(value, expected, atol=1e-5)


def test_a_cache_from_before_the_trace_is_written_at_other_lengths() -> None:
    cache, row = torch.zeros(2, 9), torch.randn(2, 4)
    last = cache[:, -1]
    with trace(dynamic={row: {1: "length"}}):
        cache[:, : row.shape[1]] = row
        last.add_(row.sum(1))
        total = cache.sum(1)
    new = np.arange(12, dtype=np.float32).reshape(2, 6)
    expected = np.concatenate([new, np.zeros((2, 3), np.float32)], 1)
    expected[:, -1] += new.sum(1)
    found, sums = cnp.evaluate((cache, total), inputs={row: new})
    np.testing.assert_allclose(found, expected)
    np.testing.assert_allclose(sums, expected.sum(1))


def test_memory_that_the_trace_meets_after_it_was_written() -> None:
    cache, row = torch.zeros(2, 9), torch.randn(2, 4)
    first = cache[0]
    with trace(dynamic={row: {1: "length"}}):
        first[: row.shape[1]] = row[0]
        total = cache.sum(0)
    new = np.arange(12, dtype=np.float32).reshape(2, 6)
    np.testing.assert_allclose(cnp.evaluate(total, inputs={row: new}), [0, 1, 2, 3, 4, 5, 0, 0, 0])


def test_views_by_strides_are_right_or_raise() -> None:
    x = torch.randn(2, 5)
    with trace(dynamic={x: {0: "batch", 1: "length"}}):
        windows = x.as_strided((x.shape[0], x.shape[1] - 1, 2), (x.stride(0), 1, 1))
        turned = x.t().as_strided((x.shape[1],), (x.t().stride(0),), x.shape[1])
    new = torch.randn(3, 7)
    found, second = cnp.evaluate((windows, turned), inputs={x: new})
    np.testing.assert_array_equal(found, new.unfold(1, 2, 1))
    np.testing.assert_array_equal(second, new[1])


def test_a_view_from_before_the_trace_of_a_tensor_with_names() -> None:
    x = torch.randn(2, 5)
    first = x[:1]
    with trace(dynamic={x: {0: "batch"}}):
        y = x + first
    with pytest.raises(GuardError, match="shares memory"):
        cnp.evaluate(y, inputs={x: np.ones((3, 5), np.float32)})


def test_an_input_of_which_only_a_read_depends() -> None:
    x, mask = torch.ones(2, 3), torch.ones(2, 3, dtype=torch.bool)
    with trace(dynamic={x: {0: "batch"}, mask: {0: "batch"}}):
        y = x * 2 if mask.all() else x * mask
    new, all_, some = np.ones((4, 3), np.float32), np.ones((4, 3), bool), np.zeros((4, 3), bool)
    np.testing.assert_array_equal(cnp.evaluate(y, inputs={x: new, mask: all_}), new * 2)
    with pytest.raises(GuardError, match=r"mask.all\(\)"):
        cnp.evaluate(y, inputs={x: new, mask: some})


def test_threads_are_not_followed_at_other_sizes() -> None:
    x = torch.ones(2, 3)
    with trace(dynamic={x: {0: "batch"}}):
        thread = threading.Thread(target=lambda: x.add_(1))
        thread.start()
        thread.join()
        y = x * 2
    np.testing.assert_array_equal(y, np.full((2, 3), 4))
    with pytest.raises(GuardError, match="another thread took part"):
        cnp.evaluate(y, inputs={x: np.ones((4, 3), np.float32)})


def test_data_of_a_parameter_that_is_assigned_to() -> None:
    layer = torch.nn.Parameter(torch.ones(3))
    x = torch.ones(2, 3)
    with trace(dynamic={x: {0: "batch"}}):
        layer.data = layer.data * 2
        y = x * layer
    with pytest.raises(GuardError, match="tensor.data was assigned to"):
        cnp.evaluate(y, inputs={x: np.ones((4, 3), np.float32)})
    np.testing.assert_array_equal(cnp.evaluate(y, inputs={x: np.ones((2, 3), np.float32)}), np.full((2, 3), 2))


def test_an_input_that_the_trace_writes_to() -> None:
    x = torch.ones(2, 3)
    with trace(dynamic={x: {0: "batch"}}):
        x.add_(1)
        y = x * 2
    np.testing.assert_array_equal(x, np.full((2, 3), 2))
    found, double = cnp.evaluate((x, y), inputs={x: np.zeros((4, 3), np.float32)})
    np.testing.assert_array_equal(found, np.ones((4, 3)))
    np.testing.assert_array_equal(double, np.full((4, 3), 2))


def test_tensors_are_ordinary_after_the_trace() -> None:
    x, weight = torch.ones(2, 3), torch.nn.Parameter(torch.ones(3, 1))
    with trace(dynamic={x: {0: "batch"}}):
        assert not isinstance(x.shape[0], int)
        plain, followed = x * 2, x @ weight
        copied = copy.deepcopy(plain)
        with pytest.warns(flashlight.DataLeavesWarning, match="pickle"):
            pickled = pickle.dumps(followed.detach())
    assert type(x) is type(plain) is torch.Tensor
    assert x.shape == plain.shape == copied.shape == (2, 3)
    assert pickle.loads(pickled).shape == (2, 1)
    assert isinstance(followed.shape[0], int)
    np.testing.assert_array_equal(followed.detach().numpy(), [[3], [3]])
    followed.sum().backward()
    np.testing.assert_array_equal(weight.grad, [[2], [2], [2]])
    assert cnp.evaluate(followed, inputs={x: np.ones((5, 3), np.float32)}).shape == (5, 1)
    assert pickle.loads(pickle.dumps(plain)).tolist() == plain.tolist()


def test_writes_after_the_trace_are_noticed() -> None:
    x = torch.ones(2, 3)
    with trace(dynamic={x: {0: "batch"}}):
        y = x * 2
    version = x._version
    x.add_(1)
    assert x._version == version + 1
    with pytest.raises(StaleTensorError):
        cnp.evaluate(y)
    np.testing.assert_array_equal(cnp.evaluate(y, inputs={x: np.ones((4, 3), np.float32)}), np.full((4, 3), 2))


def test_tensors_are_ordinary_after_an_error() -> None:
    x = torch.ones(2, 3)
    with pytest.raises(ZeroDivisionError), trace(dynamic={x: {0: "batch"}}):
        raise ZeroDivisionError
    assert type(x) is torch.Tensor
    np.testing.assert_array_equal(x + 1, np.full((2, 3), 2))


def test_graphs_are_kept_by_sizes_and_parameters_are_shared() -> None:
    x, weight = torch.ones(2, 3), torch.nn.Parameter(torch.ones(3, 1))
    with torch.no_grad(), trace(dynamic={x: {0: "batch"}}):
        y = x @ weight
    program = x.__lazy_tensor__.__lazy_inputs__()[0].node.operation.sized_program  # type: ignore[attr-defined]
    for batch in (3, 4, 3, *range(5, 25)):
        assert cnp.evaluate(y, inputs={x: np.ones((batch, 3), np.float32)}).shape == (batch, 1)
    assert program.num_graphs == 16
    new = {x: np.ones((30, 3), np.float32), weight: np.full((3, 1), 2, np.float32)}
    np.testing.assert_array_equal(cnp.evaluate(y, inputs=new), np.full((30, 1), 6))


def test_sizes_of_one_name_must_agree() -> None:
    x, mask = torch.ones(2, 3), torch.ones(2, 3)
    with trace(dynamic={x: {0: "batch", 1: "length"}, mask: {0: "batch", 1: "length"}}):
        y = x * mask
    with pytest.raises(ShapeError, match=r"the size 'length' is 4 in .* and 5 in"):
        cnp.evaluate(y, inputs={x: np.ones((2, 4), np.float32), mask: np.ones((2, 5), np.float32)})
    with pytest.raises(ShapeError, match="give it too"):
        cnp.evaluate(y, inputs={x: np.ones((2, 4), np.float32)})
    other = torch.ones(2, 4)
    with (
        pytest.raises(ShapeError, match="one size for one name"),
        trace(dynamic={x: {1: "length"}, other: {1: "length"}}),
    ):
        pass


def test_only_named_sizes_may_differ_and_only_results_are_built_again() -> None:
    x = torch.ones(2, 3)
    with trace(dynamic={x: {0: "batch"}}):
        y = x * 2
    with pytest.raises(ShapeError, match=r"expected \(batch, 3\)"):
        cnp.evaluate(y, inputs={x: np.ones((2, 4), np.float32)})
    with pytest.raises(OperandError, match="compute it inside the trace"):
        cnp.evaluate(cnp.sum(y), inputs={x: np.ones((4, 3), np.float32)})


def test_what_names_no_sizes_is_told() -> None:
    x = torch.ones(2, 3)
    for dynamic, error in (
        ([x], OperandError),
        ({"x": {0: "batch"}}, OperandError),
        ({x: ["batch"]}, OperandError),
        ({x: {2: "batch"}}, ParameterError),
        ({x: {0: 3}}, ParameterError),
        ({torch.ones(2, requires_grad=True): {0: "batch"}}, OperandError),
        ({x: {0: "batch"}, x[:1]: {1: "length"}}, OperandError),
    ):
        with pytest.raises(error, match="dynamic"), trace(dynamic=dynamic):  # type: ignore[arg-type]
            pass
    with pytest.raises(TracingError, match="inside another trace"), trace(), trace(dynamic={x: {0: "batch"}}):
        pass
    assert type(x) is torch.Tensor
