"""Parameters of any torch module become composit tensors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import composit.numpy as cnp
import flashlight
from composit import nn
from composit.errors import DtypeError, OperandError, ParameterError
from composit.nn import chain_rule


class _Tied(torch.nn.Module):
    """A decoder whose last weight is its embedding, with a buffer that is not saved."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = torch.nn.Embedding(7, 4)
        self.head = torch.nn.Linear(4, 7, bias=False)
        self.head.weight = self.embedding.weight
        self.register_buffer("places", torch.arange(3), persistent=False)


MODULES: dict[str, Callable[[], torch.nn.Module]] = {
    "linear": lambda: torch.nn.Linear(3, 2),
    "sequential": lambda: torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2), torch.nn.ReLU()),
    "list": lambda: torch.nn.ModuleList([torch.nn.Linear(2, 2), torch.nn.ModuleDict({"a": torch.nn.LayerNorm(2)})]),
    "parameter list": lambda: torch.nn.ParameterList([torch.ones(2), torch.zeros(())]),
    "lstm": lambda: torch.nn.LSTM(3, 4, num_layers=2, bidirectional=True),
    "transformer": lambda: torch.nn.TransformerEncoderLayer(8, 2, 16),
    "weight norm": lambda: torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(3, 2)),
    "complex": lambda: torch.nn.Linear(3, 2, dtype=torch.complex64),
    "nothing": torch.nn.Identity,
    "tied": _Tied,
}


@pytest.mark.parametrize("name", MODULES)
def test_every_parameter_and_buffer_has_its_name_and_value(name: str) -> None:
    module = MODULES[name]()
    given = flashlight.parameters_of(module)
    wanted = dict(module.state_dict()) | dict(module.named_buffers())
    assert given.keys() == wanted.keys()
    for key, value in wanted.items():
        np.testing.assert_array_equal(cnp.evaluate(given[key]), value.numpy(), strict=True)
    assert {each.name for each in given.values()} <= set(given)


def test_what_torch_writes_later_changes_nothing() -> None:
    module = torch.nn.Linear(3, 2)
    given = flashlight.parameters_of(module)
    before = module.weight.detach().numpy().copy()
    with torch.no_grad():
        module.weight.fill_(7.0)
    np.testing.assert_array_equal(cnp.evaluate(given["weight"]), before)


def test_a_parameter_with_two_names_is_one_tensor_and_has_one_gradient() -> None:
    module = _Tied()
    given = flashlight.parameters_of(module)
    assert given["embedding.weight"] is given["head.weight"]
    rows = nn.embedding(np.array([1, 2]), given["embedding.weight"])
    loss = cnp.sum(nn.linear(rows, given["head.weight"]) ** 2)
    (gradient,) = chain_rule({loss: loss}, [given["head.weight"]])
    (module.head(module.embedding(torch.tensor([1, 2]))) ** 2).sum().backward()
    assert module.embedding.weight.grad is not None
    np.testing.assert_allclose(cnp.evaluate(gradient), module.embedding.weight.grad.numpy(), rtol=1e-5)


@pytest.mark.parametrize(
    ("module", "error", "words"),
    [
        (torch.ones(3), OperandError, "expected a torch.nn.Module"),
        (torch.nn.Linear, OperandError, "expected a torch.nn.Module"),
        (torch.nn.Linear(2, 2).to(torch.float8_e5m2), DtypeError, "parameters_of: a tensor of dtype"),
    ],
)
def test_what_has_no_parameters_for_us_is_an_error(module: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        flashlight.parameters_of(module)


def test_a_lazy_module_must_have_seen_an_input() -> None:
    module = torch.nn.LazyLinear(2)
    with pytest.raises(ParameterError, match="weight of LazyLinear has no shape yet"):
        flashlight.parameters_of(module)
    module(torch.ones(1, 3))
    assert flashlight.parameters_of(module)["weight"].shape == (2, 3)


def test_saved_parameters_are_loaded_by_torch(tmp_path: Path) -> None:
    pytest.importorskip("safetensors")
    from safetensors.torch import load_file

    module, other = (torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2)) for _ in range(2))
    nn.save(tmp_path / "model.safetensors", flashlight.parameters_of(module))
    other.load_state_dict(load_file(tmp_path / "model.safetensors"))
    for first, second in zip(module.state_dict().values(), other.state_dict().values(), strict=True):
        assert torch.equal(first, second)
