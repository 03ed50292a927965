"""`inputs={tensor: array}` replaces what a tensor was at the start of the trace, however the trace wrote to it or moved it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

import composit as cnp
import mosaic
from composit.errors import StaleTensorError, UnreachedInputError
from flashlight.tracer import trace

NEW = torch.tensor([0.5, 4.0, -1.0])
OTHERS: tuple[Callable[[torch.Tensor], torch.Tensor], ...] = (
    lambda tensor: tensor[:],
    lambda tensor: tensor.detach(),
    lambda tensor: tensor.data,
    lambda tensor: tensor.view(3),
    lambda tensor: nn.Parameter(tensor, requires_grad=False),
)


def same(value: object, expected: torch.Tensor) -> None:
    np.testing.assert_allclose(value, expected.detach().numpy(), rtol=1e-6)  # type: ignore[arg-type]  # an array


@pytest.mark.parametrize("make_other", OTHERS)
@pytest.mark.parametrize("is_met_first", [False, True])
def test_of_two_tensors_on_the_same_elements_either_names_what_they_were(
    make_other: Callable[[torch.Tensor], torch.Tensor], is_met_first: bool
) -> None:
    tensor = torch.ones(3)
    other = make_other(tensor)
    for written, read in ((tensor, other), (other, tensor)):
        with trace():
            before = read * 1 if is_met_first else None
            written.add_(1)
            y = read * 2
        for key in (tensor, other):
            same(cnp.evaluate(y, inputs={key: NEW}), (NEW + 1) * 2)
            same(mosaic.compile(y, inputs=[key])(NEW.numpy()), (NEW + 1) * 2)
            if before is not None:
                same(cnp.evaluate(before, inputs={key: NEW}), NEW)


def test_a_part_met_after_its_base_was_written_to_is_computed_from_the_base() -> None:
    base = torch.arange(4.0)
    part = base[:1]
    with trace():
        base.add_(1)
        y = part * 3
    same(cnp.evaluate(y, inputs={base: torch.full((4,), 5.0)}), torch.tensor([18.0]))
    with pytest.raises(UnreachedInputError, match="no output depends on"):
        cnp.evaluate(y, inputs={part: [5.0]})


def test_other_values_for_a_tensor_that_the_trace_overwrote_are_no_values_of_what_it_wrote() -> None:
    class Model(nn.Module):
        def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            x.copy_(y)
            return x * 2

    x, y = torch.ones(3), torch.arange(3.0)
    with trace():
        z = Model()(x, y)
    same(cnp.evaluate(z, inputs={y: NEW}), NEW * 2)
    with pytest.raises(UnreachedInputError, match="no output depends on"):
        cnp.evaluate(z, inputs={x: NEW})
    with pytest.raises(UnreachedInputError, match="no output depends on"):
        mosaic.compile(z, inputs=[x, y])


def test_data_given_more_than_once_leaves_the_value_at_the_start() -> None:
    x = torch.ones(3)
    with trace():
        x.data = x.data * 2
        x.data = x.data + 1
        y = x * 1
    same(cnp.evaluate(y, inputs={x: NEW}), NEW * 2 + 1)


def test_data_given_after_a_write_leaves_the_value_at_the_start() -> None:
    x, new = torch.ones(2, 3), torch.stack([NEW, NEW + 1])
    with trace():
        x.data.mul_(2)
        x.data = x.data.T
        y = x + 1
    same(cnp.evaluate(y, inputs={x: new}), (2 * new).T + 1)


def test_a_tensor_that_the_trace_turned_is_given_as_it_was() -> None:
    x, new = torch.ones(2, 3), torch.stack([NEW, NEW + 1])
    with trace():
        x.t_().unsqueeze_(0).add_(1)
        y = x * 2
    same(cnp.evaluate(y, inputs={x: new}), 2 * (new.T[None] + 1))


@pytest.mark.parametrize(
    "turn",
    [
        lambda x: x.t_(),
        lambda x: x.swapdims_(0, 1).swapdims_(0, 1),
        lambda x: x.unsqueeze_(0),
        lambda x: x.as_strided_((2, 2), (1, 2)),
    ],
)
def test_a_tensor_that_only_gets_another_shape_is_not_written_to(turn: Callable[[torch.Tensor], torch.Tensor]) -> None:
    x, other = torch.arange(6.0).reshape(2, 3).clone(), torch.arange(6.0).reshape(2, 3)
    with trace():
        y = turn(x) * 2
    expected = turn(other) * 2
    same(cnp.evaluate(y), expected)
    with trace():
        z = x * 3
    same(cnp.evaluate(z), expected * 1.5)
    x.add_(1)
    with pytest.raises(StaleTensorError):
        cnp.evaluate(y)
