"""`from_export`: programs of torch.export as graphs, compared with torch."""

from __future__ import annotations

import copy

import pytest
import torch

import composit
import flashlight
from composit.errors import OperandError, UnsupportedOperationError

# torch's own, when it copies a program.
pytestmark = pytest.mark.filterwarnings("ignore:.isinstance.treespec, LeafSpec.:FutureWarning")


def _network() -> torch.nn.Sequential:
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Conv2d(2, 4, 3, padding=1),
        torch.nn.BatchNorm2d(4),
        torch.nn.ReLU(),
        torch.nn.MaxPool2d(2),
        torch.nn.Flatten(),
        torch.nn.Linear(64, 3),
    )


@pytest.mark.parametrize("is_training", [False, True])
def test_a_network_agrees_with_torch_in_both_modes_and_on_new_data(is_training: bool) -> None:
    network = _network().train(is_training)
    x, other = torch.randn(4, 2, 8, 8), torch.randn(4, 2, 8, 8)
    graph = flashlight.from_export(torch.export.export(copy.deepcopy(network), (x,)))
    assert set(graph.parameters) == set(network.state_dict())
    assert set(graph.updated) == (set(dict(network.named_buffers())) if is_training else set())
    for given in (x, other):
        fresh = copy.deepcopy(network)
        expected = fresh(given).detach()
        found = composit.evaluate(graph.outputs, inputs={"input": given.numpy()})
        torch.testing.assert_close(torch.from_numpy(found), expected, atol=1e-5, rtol=1e-5)
        if given is x:
            for name, value in graph.updated.items():
                torch.testing.assert_close(torch.tensor(composit.evaluate(value)), fresh.state_dict()[name])


class _Pair(torch.nn.Module):
    """Takes and gives containers, and has a constant."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = torch.nn.Parameter(torch.tensor([2.0, 3.0]))

    def forward(self, pair: tuple[torch.Tensor, torch.Tensor], *, factor: float) -> dict[str, object]:
        first, second = pair
        return {"sum": first * self.scale + second * factor, "parts": [first.T, torch.tensor([1.0, 2.0]) * second]}


def test_containers_keywords_and_constants_come_over() -> None:
    model, pair = _Pair(), (torch.ones(3, 2), torch.full((3, 2), 0.5))
    graph = flashlight.from_export(torch.export.export(model, (pair,), {"factor": 4.0}))
    expected, found = model(pair, factor=4.0), composit.evaluate(graph.outputs)
    assert list(graph.inputs) == ["pair_0", "pair_1"]
    torch.testing.assert_close(torch.from_numpy(found["sum"]), expected["sum"].detach())
    for one, other in zip(found["parts"], expected["parts"], strict=True):
        torch.testing.assert_close(torch.from_numpy(one), other)


def test_gradients_by_its_parameters_are_torchs() -> None:
    network, x = _network().eval(), torch.randn(4, 2, 8, 8)
    graph = flashlight.from_export(torch.export.export(network, (x,)))
    loss = composit.numpy.sum(graph.outputs**2)
    (gradient,) = composit.nn.chain_rule({loss: loss}, [graph.parameters["0.weight"]])
    (network(x) ** 2).sum().backward()
    torch.testing.assert_close(
        torch.from_numpy(composit.evaluate(gradient)), network[0].weight.grad, atol=1e-4, rtol=1e-4
    )


def test_what_draws_and_what_is_no_program_are_errors() -> None:
    program = torch.export.export(torch.nn.Dropout(0.5).train(), (torch.ones(3),))
    with pytest.raises(UnsupportedOperationError, match="the program draws"):
        flashlight.from_export(program)
    with pytest.raises(OperandError, match="expected a program of torch.export"):
        flashlight.from_export(torch.nn.Linear(1, 1))


class _Attending(torch.nn.Module):
    """Attention, of which torch's rule says that it draws, and a conversion, before which an exported program checks dtypes."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        heads = x.unflatten(-1, (2, -1)).transpose(1, 2)
        attended = torch.nn.functional.scaled_dot_product_attention(heads, heads, heads, is_causal=True)
        places = torch.arange(x.shape[0] * 2 + 1)[: x.shape[0]].float()
        return attended.transpose(1, 2).flatten(-2) + places[:, None, None] / (x.shape[0] + 1)


@pytest.mark.parametrize("is_decomposed", [False, True])
def test_attention_without_dropout_and_checks_of_dtypes_come_over(is_decomposed: bool) -> None:
    model, x = _Attending(), torch.randn(3, 5, 8)
    sizes = {"x": {0: torch.export.Dim("batch", min=2)}}
    program = torch.export.export(model, (x,), dynamic_shapes=sizes)
    graph = flashlight.from_export(program.run_decompositions() if is_decomposed else program)
    new = torch.randn(3, 5, 8)
    found = composit.evaluate(graph.outputs, inputs={"x": new})
    torch.testing.assert_close(torch.from_numpy(found), model(new), atol=1e-5, rtol=1e-5)


class _Counting(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("total", torch.ones(4))
        self.register_buffer("count", torch.zeros((), dtype=torch.long))

    def forward(
        self, x: torch.Tensor, more: dict[str, torch.Tensor]
    ) -> tuple[torch.Tensor, dict[str, list[torch.Tensor]]]:
        self.total.mul_(0.5).add_(x.sum(0))
        self.count += 1
        more["y"].add_(1)
        return self.total * self.count, {"list": [more["y"] * 2]}


def test_buffers_and_inputs_that_are_written_to_have_new_values() -> None:
    model, x, y = _Counting(), torch.randn(3, 4), torch.ones(2)
    graph = flashlight.from_export(torch.export.export(model, (x, {"y": y.clone()})))
    output, rest = model(x, {"y": y})
    found = composit.evaluate(graph.outputs)
    torch.testing.assert_close(torch.from_numpy(found[0]), output)
    torch.testing.assert_close(torch.from_numpy(found[1]["list"][0]), rest["list"][0])
    updated = composit.evaluate(dict(graph.updated))
    torch.testing.assert_close(torch.from_numpy(updated["total"]), model.total)
    assert updated["count"] == 1
    assert len(updated) == 3


class _Selecting(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.nonzero()


class _Picking(torch.nn.Module):
    def forward(self, x: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
        position = at.item()
        torch._check(position >= 0)
        torch._check(position < 3)
        return x[position]


def test_a_program_that_reads_values_says_so() -> None:
    x = torch.ones(3, 4)
    for model, args in ((_Selecting(), (x,)), (_Picking(), (x, torch.tensor(1)))):
        with pytest.raises(UnsupportedOperationError, match="reads values, which a graph does not know; expected"):
            flashlight.from_export(torch.export.export(model, args))
