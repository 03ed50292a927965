"""Branches on values: what was decided when the graph was built is checked when it runs on other inputs."""

from __future__ import annotations

import copy
import gc
import pickle
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import composit as cnp
import mosaic
from composit.errors import GuardError, UnreachedInputError
from flashlight.tracer import trace

CONTEXTS = [torch.no_grad, torch.inference_mode, torch.enable_grad]


class Branching(nn.Module):
    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        if mask.bool().all():
            return x * 2
        return x.masked_fill(mask == 0, 0.0) * 3


@pytest.mark.parametrize("context", CONTEXTS, ids=lambda context: context.__name__)
def test_a_branch_that_would_go_the_other_way_is_an_error_with_the_line(
    context: Callable[[], torch.no_grad],
) -> None:
    x, mask = torch.ones(3), torch.ones(3, dtype=torch.int64)
    with context(), trace():
        output = Branching()(x, mask) + mask
    full = cnp.evaluate(output, inputs={mask: np.array([2, 1, 5]), x: np.full(3, 4, np.float32)})
    np.testing.assert_array_equal(full, np.array([10, 9, 13], np.float32))
    with pytest.raises(GuardError, match=r"if mask.bool\(\).all\(\)"):
        cnp.evaluate(output, inputs={mask: np.array([1, 0, 1])})


def test_a_read_of_an_unrelated_input_does_not_hinder() -> None:
    x, y = torch.ones(3), torch.ones(3)
    with trace():
        output = x * (2.0 if y.sum().item() > 1 else 3.0) + x
    assert cnp.evaluate(output, inputs={x: np.zeros(3, np.float32)}).sum() == 0


@pytest.mark.parametrize(
    "read",
    [
        lambda x: float(x.sum()),
        lambda x: x.sum().item(),
        lambda x: int(x.argmax()),
        lambda x: 1.0 if torch.equal(x, torch.ones(3)) else 2.0,
        lambda x: len(x.nonzero()),
        lambda x: len(x[x > 2]),
        lambda x: 1.0 if (x > 0).all() else 2.0,
        lambda x: 1.0 if torch.allclose(x, torch.ones(3)) else 2.0,
    ],
)
def test_each_kind_of_read_is_a_guard(read: Callable[[torch.Tensor], float]) -> None:
    x = torch.ones(3)
    with trace():
        output = x * read(x)
    same = cnp.evaluate(output, inputs={x: np.ones(3, np.float32)})
    np.testing.assert_array_equal(same, output.numpy())
    with pytest.raises(GuardError):
        cnp.evaluate(output, inputs={x: np.array([-3.0, 0.0, 5.0], np.float32)})


def test_shapes_that_depend_on_values_are_guarded_and_their_values_stay_in_the_graph() -> None:
    x = torch.tensor([1.0, -2.0, 3.0])
    with trace():
        output = x[x > 0] * 2
    np.testing.assert_array_equal(cnp.evaluate(output), [2, 6])
    np.testing.assert_array_equal(cnp.evaluate(output, inputs={x: np.array([4, -1, 5], np.float32)}), [8, 10])
    with pytest.raises(GuardError):
        cnp.evaluate(output, inputs={x: np.array([4, 1, 5], np.float32)})


def test_a_draw_that_depends_on_an_input_is_a_guard() -> None:
    probabilities = torch.full((4,), 0.5)
    with trace():
        output = torch.bernoulli(probabilities) + probabilities
    with pytest.raises(GuardError):
        cnp.evaluate(output, inputs={probabilities: np.full(4, 0.9, np.float32)})


def test_a_read_that_took_an_input_out_of_the_graph_is_named_even_after_the_garbage_collector_ran() -> None:
    x, mask = torch.ones(3), torch.ones(3, dtype=torch.int64)
    with trace():
        output = Branching()(x, mask)
    gc.collect()
    with pytest.raises(UnreachedInputError, match=r"if mask.bool\(\).all\(\)"):
        cnp.evaluate(output, inputs={mask: np.array([1, 0, 1])})
    with trace():
        again = Branching()(x, mask)
    np.testing.assert_array_equal(cnp.evaluate(again, inputs={x: np.zeros(3, np.float32)}), np.zeros(3))


def test_a_compiled_model_checks_its_guards() -> None:
    x, mask = torch.ones(3), torch.ones(3, dtype=torch.int64)
    with torch.no_grad(), trace():
        output = Branching()(x, mask) + mask
    model = mosaic.compile(output, inputs=[x, mask])
    np.testing.assert_array_equal(model(np.full(3, 4, np.float32), np.array([2, 1, 5])), [10, 9, 13])
    with pytest.raises(GuardError, match=r"if mask.bool\(\).all\(\)"):
        model(x, torch.tensor([1, 0, 1]))


def test_a_read_in_another_trace_guards_nothing_here() -> None:
    x = torch.tensor([1.0, -2.0, 3.0])
    with trace():
        kept = x * (2.0 if x.sum().item() > 0 else 3.0)
    with trace():
        x.sum().item()
    with trace():
        y = x * 3
        if x[0] > 0:
            y = y + 1
    with trace():
        z = x * 5
        w = kept + x
    new = np.array([-4, -1, -5], np.float32)
    np.testing.assert_array_equal(cnp.evaluate(z, inputs={x: new}), new * 5)
    with pytest.raises(GuardError, match="item"):
        cnp.evaluate(kept, inputs={x: new})
    with pytest.raises(GuardError, match=r"if x\[0\] > 0"):
        cnp.evaluate(y, inputs={x: new})
    # The result of the first trace brings its reads along.
    with pytest.raises(GuardError, match="item"):
        cnp.evaluate(w, inputs={x: new})


def test_the_error_of_a_guard_names_the_line_before_the_values() -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = Branching()

        def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            return self.inner(x, mask)

    x, mask = torch.ones(3), torch.ones(3, dtype=torch.int64)
    with trace():
        output = Model()(x, mask) + mask
    with pytest.raises(GuardError) as caught:
        cnp.evaluate(output, inputs={mask: np.array([1, 0, 1])})
    text = str(caught.value)
    assert text.index("in inner at") < text.index("if mask.bool().all()") < text.index("bool read True")


def test_a_float_that_was_computed_is_compared_up_to_rounding() -> None:
    """torch and the backend that evaluates compute it each, and differ in the last digits."""
    x = torch.linspace(0.1, 0.9, 1001)
    with torch.no_grad(), trace():
        output = x * x.exp().sin().mean().item()
    for nearly in (x, x * (1 + 1e-6)):
        value = cnp.evaluate(output, inputs={x: nearly.numpy()}, backend="mosaic")
        np.testing.assert_allclose(value, (nearly * nearly.exp().sin().mean()).numpy(), rtol=1e-5)
    with pytest.raises(GuardError, match=r"x.exp\(\).sin\(\).mean\(\).item\(\)"):
        cnp.evaluate(output, inputs={x: x.numpy() * 1.001})


def test_an_input_that_was_read_is_compared_exactly() -> None:
    x, step = torch.ones(3), torch.tensor(100000.5)
    with torch.no_grad(), trace():
        output = x * step.item() + step
    with pytest.raises(GuardError, match=r"step.item\(\)"):
        cnp.evaluate(output, inputs={step: np.float32(100000.6)})


@pytest.mark.filterwarnings("ignore::flashlight.DataLeavesWarning")
@pytest.mark.parametrize("is_computed", [False, True])
def test_a_pickle_is_a_read(is_computed: bool) -> None:
    x = torch.ones(3)
    with trace():
        y = x * 2 if is_computed else x
        output = pickle.loads(pickle.dumps(y)) + x  # ours
    np.testing.assert_array_equal(cnp.evaluate(output), np.full(3, 3 if is_computed else 2, np.float32))
    with pytest.raises(GuardError, match=r"pickle.loads\(pickle.dumps\(y\)\)"):
        cnp.evaluate(output, inputs={x: np.zeros(3, np.float32)})


def test_a_shallow_copy_is_no_read_and_has_the_same_memory() -> None:
    x = torch.ones(3)
    with trace():
        y = x * 2
        other, parameter = copy.copy(y), copy.copy(nn.Parameter(y, requires_grad=False))
        y += 1
    for each in (other, parameter):
        np.testing.assert_array_equal(cnp.evaluate(each, inputs={x: np.zeros(3, np.float32)}), np.ones(3, np.float32))
    assert not hasattr(torch.Tensor, "__copy__")


def test_slopes_that_were_drawn_for_other_signs_are_not_used() -> None:
    x = torch.tensor([1.0, -1.0, 2.0, -2.0])
    with trace():
        output = F.rrelu(x, training=True)
    doubled = cnp.evaluate(output, inputs={x: 2 * x.numpy()})
    np.testing.assert_allclose(doubled, 2 * output.numpy(), rtol=1e-6)
    with pytest.raises(GuardError, match="rrelu"):
        cnp.evaluate(output, inputs={x: -x.numpy()})


@pytest.mark.parametrize(
    "make",
    [
        lambda x: torch.tensor([[x.sum(), 1.0], [x[0] * 2, x[1:2]]]),
        lambda x: torch.as_tensor([x.sum(), x[0]], dtype=torch.float64),
        lambda x: torch.asarray((x.sum(), 2)),
        lambda x: x.new_tensor([x[0], x[1], 3]),
        lambda x: torch.tensor([x[0] > 2, x[1] > 2]),
        lambda x: torch.tensor([x[0], 1], requires_grad=True).detach(),
    ],
)
def test_a_tensor_of_a_list_keeps_the_expressions_of_its_elements(make: Callable[[torch.Tensor], torch.Tensor]) -> None:
    x = torch.tensor([1.0, 2.0, 3.0])
    with trace():
        output = make(x)
    new = x.numpy()[::-1].copy()
    expected = make(torch.from_numpy(new))
    value = cnp.evaluate(output, inputs={x: new})
    np.testing.assert_array_equal(value, expected.numpy())
    assert value.dtype == expected.numpy().dtype
    assert output.dtype == expected.dtype


@pytest.mark.filterwarnings("ignore::flashlight.DataLeavesWarning")
def test_a_number_that_torchs_own_code_asks_for_is_a_read() -> None:
    x = torch.ones(3)
    with trace():
        output = torch.FloatTensor([x.sum()]) + x
    with pytest.raises(GuardError, match="FloatTensor"):
        cnp.evaluate(output, inputs={x: np.zeros(3, np.float32)})


@pytest.mark.filterwarnings("ignore:.*torch.jit.trace.*:DeprecationWarning")
@pytest.mark.parametrize("is_checked", [False, True])
def test_a_function_can_be_scripted_from_an_example_inside_a_trace(is_checked: bool) -> None:
    x = torch.ones(3)
    with trace():
        scripted = torch.jit.trace(lambda y: y * 2 + y.sum(), (torch.zeros(3),), check_trace=is_checked)
        output = scripted(x * 3)
    np.testing.assert_array_equal(cnp.evaluate(output, inputs={x: np.arange(3, dtype=np.float32)}), [9, 15, 21])
