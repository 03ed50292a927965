"""Parameters through safetensors files, also as torch's own package reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

import composit.numpy as cnp
from composit.errors import ParameterError, ShapeError
from composit.nn import load, optimizers, save

pytest.importorskip("safetensors")


class Layer(NamedTuple):
    weight: Any
    bias: Any


def _parameters() -> dict[str, Any]:
    layers = [
        Layer(cnp.asarray(np.arange(6.0).reshape(2, 3).T), np.float32(2.0)),
        Layer(np.eye(2, dtype=np.int8), cnp.ones(())),
    ]
    return {"layers": layers, "name": "a model"}


def test_parameters_come_back_in_their_places(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save(path, _parameters(), metadata={"made by": "a test"})
    by_name = load(path)
    assert set(by_name) == {"layers.0.weight", "layers.0.bias", "layers.1.weight", "layers.1.bias"}
    back = load(path, like=_parameters())
    assert back["name"] == "a model"
    assert isinstance(back["layers"][1], Layer)
    for given, wanted in zip(back["layers"], _parameters()["layers"], strict=True):
        np.testing.assert_array_equal(np.asarray(given.weight), np.asarray(wanted.weight))
        assert given.bias.dtype == np.asarray(wanted.bias).dtype


def test_torch_reads_the_file(tmp_path: Path) -> None:
    safetensors_torch = pytest.importorskip("safetensors.torch")
    save(tmp_path / "model.safetensors", {"w": cnp.asarray(np.eye(3)[::-1])})
    np.testing.assert_array_equal(safetensors_torch.load_file(tmp_path / "model.safetensors")["w"], np.eye(3)[::-1])


def test_an_optimizers_state_goes_on_where_it_was(tmp_path: Path) -> None:
    optimizer = optimizers.adam(0.1)
    x, g = cnp.ones(3), cnp.asarray([1.0, -2.0, 0.5])
    (stepped,), state = optimizer.update([x], [g], optimizer.init([x]))
    save(tmp_path / "state.safetensors", state)
    restored = load(tmp_path / "state.safetensors", like=optimizer.init([x]))
    for each in (state, restored):
        (again,), _ = optimizer.update([stepped], [g], each)
        np.testing.assert_allclose(np.asarray(again), [0.8, 1.2, 0.8], atol=1e-7)


def test_files_that_do_not_fit_are_errors(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save(path, {"w": np.ones(3)})
    with pytest.raises(ParameterError, match=r"lacks \['v'\] and has \['w'\]"):
        load(path, like={"v": np.ones(3)})
    with pytest.raises(ShapeError, match=r"expected \(2,\)"):
        load(path, like={"w": np.ones(2)})
    with pytest.raises(ParameterError, match="holds no arrays"):
        save(path, {"a": 1})
    with pytest.raises(ParameterError, match="split complex numbers"):
        save(path, {"w": np.ones(2, complex)})
    with pytest.raises(ParameterError, match=r"two places are called 'a\.b'"):
        save(path, {"a": {"b": np.ones(1)}, "a.b": np.ones(1)})
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "nothing.safetensors")
