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
from composit.errors import DtypeError, OperandError, ParameterError, ShapeError
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


@pytest.mark.parametrize("name", [name for name in MODULES if name not in ("nothing", "complex")])
def test_a_module_is_saved_and_loaded_by_us_and_by_torchs_own_package(name: str, tmp_path: Path) -> None:
    pytest.importorskip("safetensors")
    from safetensors.torch import load_file, load_model, save_model

    path, module = tmp_path / "model.safetensors", MODULES[name]()
    flashlight.save_parameters(path, module, metadata={"made by": "a test"})
    loads = [flashlight.load_parameters, lambda path, module: module.load_state_dict(load_file(path))]
    # It expects one name for each tensor.
    loads += [] if name == "tied" else [lambda path, module: load_model(module, path)]
    for load in loads:
        other = MODULES[name]()
        load(path, other)
        for first, second in zip(module.state_dict().values(), other.state_dict().values(), strict=True):
            assert torch.equal(first, second)
    save_model(module, str(path))
    other = MODULES[name]()
    flashlight.load_parameters(path, other)
    for first, second in zip(module.state_dict().values(), other.state_dict().values(), strict=True):
        assert torch.equal(first, second)
    assert set(nn.load(path)) <= set(module.state_dict())


def test_half_precision_is_saved_as_it_is(tmp_path: Path) -> None:
    pytest.importorskip("safetensors")
    module, other = (torch.nn.Linear(3, 2, dtype=torch.bfloat16) for _ in range(2))
    flashlight.save_parameters(tmp_path / "model.safetensors", module)
    flashlight.load_parameters(tmp_path / "model.safetensors", other)
    assert torch.equal(module.weight, other.weight)


def test_trained_parameters_go_back_into_the_module() -> None:
    module = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    place = module[0].weight.data_ptr()
    trained = {name: 2 * each + 1 for name, each in flashlight.parameters_of(module).items()}
    expected = {name: 2 * each.clone() + 1 for name, each in module.state_dict().items()}
    flashlight.put_parameters(module, trained)
    assert module[0].weight.data_ptr() == place
    for name, value in module.state_dict().items():
        assert torch.equal(value, expected[name])
    nested = {"0": {"weight": np.zeros((2, 3), np.float32), "bias": torch.ones(2)}, "1": dict(module[1].state_dict())}
    flashlight.put_parameters(module, nested)
    assert module[0](torch.ones(1, 3)).tolist() == [[1.0, 1.0]]


def test_tied_parameters_need_one_name_and_buffers_that_are_not_saved_none() -> None:
    module = _Tied()
    flashlight.put_parameters(module, {"head.weight": np.full((7, 4), 3, np.float32)})
    assert module.embedding.weight is module.head.weight
    assert module.head.weight.eq(3).all()


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({"weight": np.ones((2, 3), np.float32)}, ParameterError, r"\['bias'\] of Linear are missing"),
        ({"weight": np.ones((2, 3)), "bias": np.ones(2), "b": np.ones(1)}, ParameterError, r"\['b'\] are none"),
        ({"weight": np.ones((3, 2), np.float32), "bias": np.ones(2, np.float32)}, ShapeError, r"expected \(2, 3\)"),
        (
            {"weight": np.ones((2, 3), np.float32), "bias": np.ones(2)},
            DtypeError,
            "bias was given with dtype torch.float64",
        ),
    ],
)
def test_other_parameters_are_errors_and_change_nothing(given: Any, error: type[Exception], words: str) -> None:
    module = torch.nn.Linear(3, 2)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    with pytest.raises(error, match=words):
        flashlight.put_parameters(module, given)
    for name, value in module.state_dict().items():
        assert torch.equal(value, before[name])


def test_what_has_no_parameters_to_save_is_an_error(tmp_path: Path) -> None:
    pytest.importorskip("safetensors")
    with pytest.raises(ParameterError, match="Identity has no parameters"):
        flashlight.save_parameters(tmp_path / "model.safetensors", torch.nn.Identity())
    with pytest.raises(OperandError, match="put_parameters: .* expected a torch.nn.Module"):
        flashlight.put_parameters(torch.nn.Linear, {})  # type: ignore[arg-type]  # the error
    with pytest.raises(ParameterError, match="save_parameters: weight of LazyLinear has no shape"):
        flashlight.save_parameters(tmp_path / "model.safetensors", torch.nn.LazyLinear(2))


def test_a_dtype_that_the_files_do_not_have_is_named(tmp_path: Path) -> None:
    module = torch.nn.Module()
    module.register_buffer("phases", torch.ones(2, dtype=torch.complex128))
    with pytest.raises(
        DtypeError, match="phases have the dtype torch.complex128; expected dtypes that safetensors files have"
    ):
        flashlight.save_parameters(tmp_path / "file.safetensors", module)
