"""bfloat16, float16 and autocast: captured programs give torch's numbers, which are rounded after each operation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import composit as cnp
import flashlight
import mosaic
from composit.errors import DtypeError, GuardError, UnsupportedOperationError
from composit.nn import chain_rule
from flashlight.tracer import trace

HALVES = (torch.bfloat16, torch.float16)
of_both = pytest.mark.parametrize("dtype", HALVES, ids=["bfloat16", "float16"])
# Half of the distance between neighbours, relative to the larger: two roundings apart is what sums in another order give.
HALF_UNITS = {torch.bfloat16: 2.0**-8, torch.float16: 2.0**-11}


def as_array(tensor: torch.Tensor) -> Any:
    return (tensor.float() if tensor.dtype is torch.bfloat16 else tensor).detach().numpy()


def assert_equal(tensor: torch.Tensor, num_half_units: float = 0, value: Any = None) -> None:
    """Assert that the graph's value is torch's; num_half_units: by how many roundings of the largest number it may differ."""
    expected = as_array(tensor)
    found = np.asarray(cnp.evaluate(tensor) if value is None else value)
    stored = np.float16 if tensor.dtype is torch.float16 else np.float32
    assert found.dtype == (stored if tensor.dtype in HALVES else expected.dtype)
    found = found.astype(expected.dtype)
    scale = np.abs(expected[np.isfinite(expected)]).max(initial=0) if expected.dtype.kind == "f" else 0
    precision = HALF_UNITS.get(tensor.dtype, 1e-6)
    np.testing.assert_allclose(found, expected, rtol=0, atol=num_half_units * precision * scale)


def some(dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.randn(6, 16, generator=generator).to(dtype) for _ in range(2))
    # Numbers that equal the scalars below only when these are rounded too.
    x[0, :6] = torch.tensor([0.1, -0.1, 0.3, 1.7, 0.0, 1.0])
    return x, y


Program = Callable[[torch.Tensor, torch.Tensor], Any]
EXACT: dict[str, Program] = {
    "comparisons with numbers": lambda x, y: (x == 0.1, x != 0.3, x < 0.1, x <= 0.1, x > 1.7, x >= 1.7),
    "comparison with a weak tensor": lambda x, y: x == torch.tensor(0.1),
    "arithmetic with numbers": lambda x, y: (x + 0.1, x - 0.3, 0.1 - x, x * 0.1, x / 0.3, 0.3 / (x + 5), x // 0.3),
    "remainders by numbers": lambda x, y: (x % 0.3, x.fmod(0.3)),
    "powers": lambda x, y: (x.abs() ** 0.3, 0.3**x, x**2),
    "alpha": lambda x, y: (torch.add(x, y, alpha=0.3), torch.sub(x, y, alpha=1.7), x.clone().add_(y, alpha=0.1)),
    "a weak tensor": lambda x, y: (x * torch.tensor(0.1), torch.maximum(x, torch.tensor(0.1)), x + torch.tensor(0.1)),
    "float32 wins": lambda x, y: x * torch.tensor([0.1]),
    "large integers are rounded": lambda x, y: x[0, :3] * torch.tensor([1001, 2003, 4007]),
    "thresholds": lambda x, y: (
        F.hardshrink(x, 0.1),
        F.threshold(x, 0.1, -2.0),
        x.clamp(-0.3, 0.1),
        F.hardtanh(x, -0.1, 0.1),
    ),
    "in place": lambda x, y: x.clone().mul_(0.3).sub_(y).add_(0.1),
    "infinities become the largest number": lambda x, y: (x / 0).nan_to_num(),
    "written elements": lambda x, y: x.clone().index_fill_(0, torch.tensor([1]), 0.1),
    "out=": lambda x, y: torch.add(x, y, out=torch.empty_like(x)),
    "converted": lambda x, y: (
        x.double(),
        x.int(),
        (x > 0).to(x.dtype),
        torch.arange(999, 1400).to(x.dtype),
        y.half().bfloat16(),
    ),
    "bits": lambda x, y: (x.view(torch.int16), (x.view(torch.int16) & -16).view(x.dtype), x.view(torch.int32)),
    "running sums": lambda x, y: (x.cumsum(-1), x.cumprod(-1)),
    "sums": lambda x, y: (x.sum(), x.mean(-1), x.sum(dtype=torch.float32), x.norm()),
    "lists": lambda x, y: torch._foreach_add([x, y], [y, x], alpha=0.3),
    "numbers": lambda x, y: torch.linspace(0.3, 2.7, 50, dtype=x.dtype),
    "joined with float32": lambda x, y: torch.cat([x, y.float()]),
    "views": lambda x, y: (x.T[1:3] * 2, x.reshape(4, 24).unsqueeze(1).expand(4, 2, 24), x[:, None, ::2]),
}
CLOSE: dict[str, Program] = {
    "products": lambda x, y: (x @ y.T, F.linear(x, y, y[0, :6]), torch.einsum("ij,kj->ik", x, y)),
    "attention": lambda x, y: F.scaled_dot_product_attention(x[None, None], y[None, None], x[None, None]),
    "norms": lambda x, y: (F.layer_norm(x, (16,)), F.rms_norm(x, (16,)), F.batch_norm(x, None, None, training=True)),
    "losses": lambda x, y: (F.cross_entropy(x, torch.arange(6)), F.smooth_l1_loss(x, y), x.logsumexp(-1)),
    "convolutions": lambda x, y: (F.conv1d(x[None], y[:, :3][None].expand(2, -1, -1)), F.avg_pool1d(x, 2)),
    "renorm": lambda x, y: x.renorm(2, 0, 0.5),
}  # fmt: skip


def tensors_of(result: Any) -> list[torch.Tensor]:
    return list(result) if isinstance(result, list | tuple) else [result]


@of_both
@pytest.mark.parametrize("name", EXACT)
def test_a_program_gives_torchs_numbers(name: str, dtype: torch.dtype) -> None:
    with trace():
        results = tensors_of(EXACT[name](*some(dtype)))
    for result in results:
        assert_equal(result)


@of_both
@pytest.mark.parametrize("name", CLOSE)
def test_a_program_of_sums_gives_torchs_numbers_up_to_roundings(name: str, dtype: torch.dtype) -> None:
    with trace():
        results = tensors_of(CLOSE[name](*some(dtype)))
    for result in results:
        assert_equal(result, num_half_units=2)


def model_of(dtype: torch.dtype) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(16, 32), nn.GELU(), nn.LayerNorm(32), nn.Linear(32, 5)).to(dtype).eval()


@of_both
def test_a_model_is_right_on_other_inputs_and_compiled(dtype: torch.dtype) -> None:
    model, (x, new) = model_of(dtype), some(dtype)
    with torch.no_grad(), trace():
        y = model(x)
    with torch.no_grad():
        expected = model(new)
    assert_equal(y, 2)
    assert_equal(expected, 2, cnp.evaluate(y, inputs={x: new}))
    compiled = mosaic.compile(y, inputs=[x])
    assert_equal(expected, 2, compiled(new))
    given = new.float().numpy() if dtype is torch.bfloat16 else new.numpy()
    assert_equal(expected, 2, compiled(given))


@of_both
def test_only_inputs_and_outputs_of_a_compiled_model_are_converted_by_numpy(dtype: torch.dtype) -> None:
    x = some(dtype)[0]
    with torch.no_grad(), trace():
        y = model_of(dtype)(x)
    islands = [line for line in str(mosaic.compile(y, inputs=[x]).explain()).splitlines() if "island" in line]
    assert len(islands) == (0 if dtype is torch.bfloat16 else 2)


@of_both
def test_autocast_is_captured(dtype: torch.dtype) -> None:
    model, x = model_of(torch.float32), some(torch.float32)[0]
    with torch.no_grad(), trace(), torch.autocast("cpu", dtype=dtype):
        y = model(x)
    assert y.dtype is dtype
    assert_equal(y, 2)


def test_numbers_that_bfloat16_lacks_are_rounded_where_they_are_given() -> None:
    x = torch.tensor([1.0, 2.0], dtype=torch.bfloat16)
    with trace():
        same, double = x.view(2, 1).float(), x * 2
    given = np.array([0.1, 0.3], dtype=np.float32)
    rounded = torch.from_numpy(given).bfloat16().float().numpy()
    np.testing.assert_array_equal(cnp.evaluate(same, inputs={x: given}), rounded.reshape(2, 1))
    np.testing.assert_array_equal(cnp.evaluate(double, inputs={x: given}), rounded * 2)


@of_both
def test_memory_from_before_the_trace_follows_writes(dtype: torch.dtype) -> None:
    cache, x = torch.zeros(3, 16, dtype=dtype), some(dtype)[0]
    row = cache[1]
    with trace():
        row.copy_(x[0] * 0.3)
        cache[2] += 0.1
    assert_equal(cache)
    assert_equal(row)


@of_both
def test_writes_after_the_trace_are_noticed(dtype: torch.dtype) -> None:
    x = some(dtype)[0]
    with trace():
        y = x * 2
    x.data[0, 0] = 9
    with pytest.raises(cnp.errors.StaleTensorError, match="written to"):
        cnp.evaluate(y)


@of_both
def test_reads_are_guards(dtype: torch.dtype) -> None:
    x, new = some(dtype)
    with trace():
        y = x * 2 if x[0, 0] > 0.05 else x * 3
    assert_equal(y)
    new[0, 0] = -1
    with pytest.raises(GuardError, match="x\\[0, 0\\] > 0.05"):
        cnp.evaluate(y, inputs={x: new})


@of_both
def test_gradients_are_those_of_autograd(dtype: torch.dtype) -> None:
    model, x = model_of(dtype), some(dtype)[0]
    weights = list(model.parameters())
    with trace():
        loss = model(x).float().square().mean()
    expected = torch.autograd.grad(loss, weights)
    for gradient, other in zip(cnp.evaluate(chain_rule({loss: loss}, weights)), expected, strict=True):
        scale = other.abs().max().item()
        np.testing.assert_allclose(gradient, as_array(other), rtol=0, atol=8 * HALF_UNITS[dtype] * scale)


@of_both
def test_training_steps_inside_a_trace_round_what_torch_rounds(dtype: torch.dtype) -> None:
    model, x = model_of(dtype), some(dtype)[0]
    optimizer = torch.optim.AdamW(model.parameters(), 0.01)
    with trace():
        for _ in range(2):
            optimizer.zero_grad()
            model(x).float().square().mean().backward()
            optimizer.step()
    for weight in model.parameters():
        # A gradient near 0 may have another sign after rounding, which moves its weight by twice the rate.
        found = np.asarray(cnp.evaluate(weight), np.float32)
        assert np.mean(np.abs(found - as_array(weight)) > 4 * HALF_UNITS[dtype]) < 0.02


@of_both
def test_the_composit_backend_of_torch_compile_gives_half_precision(dtype: torch.dtype) -> None:
    model, x = model_of(dtype), some(dtype)[0]
    compiled = torch.compile(model, backend="composit")
    with torch.no_grad():
        y, expected = compiled(x), model(x)
    assert y.dtype is dtype
    np.testing.assert_allclose(as_array(y), as_array(expected), atol=4 * HALF_UNITS[dtype])


@of_both
def test_a_captured_function_returns_half_precision_each_time(dtype: torch.dtype) -> None:
    model, (x, new) = model_of(dtype), some(dtype)
    captured = flashlight.capture(model)
    with torch.no_grad():
        for given in (x, new):
            y = captured(given)
            assert y.dtype is dtype
            np.testing.assert_allclose(as_array(y), as_array(model(given)), atol=4 * HALF_UNITS[dtype])


@of_both
def test_steps_of_half_precision_are_refused(dtype: torch.dtype) -> None:
    x, y = some(dtype)
    with pytest.raises(UnsupportedOperationError, match="nextafter"), trace():
        torch.nextafter(x, y)


def test_other_short_dtypes_are_refused_by_name() -> None:
    x = torch.ones(3).to(torch.float8_e4m3fn)
    with pytest.raises(UnsupportedOperationError, match="float8_e4m3fn"), trace():
        x.clone()


def test_a_module_of_the_way_back_refuses_bfloat16_by_name() -> None:
    x = some(torch.bfloat16)[0]
    with torch.no_grad(), trace():
        y = x * 2
    module = flashlight.to_module(y, [x], backend="numpy")
    with pytest.raises(DtypeError, match="bfloat16"):
        module(x)
    np.testing.assert_array_equal(module(x.float()).numpy(), as_array(x * 2))
