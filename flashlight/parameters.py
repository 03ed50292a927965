"""Parameters of torch modules as composit tensors, and back: `parameters_of`, `put_parameters`; both ways as safetensors files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from composit.apply import as_tensor, input_of
from composit.errors import DtypeError, OperandError, ParameterError, ShapeError
from composit.evaluation import evaluate
from composit.handle import described
from composit.nn.saving import named_arrays
from flashlight.conversion import array_of, tensor_of


def parameters_of(module: torch.nn.Module) -> dict[str, Any]:  # Any: LazyTensor
    """Return all parameters and buffers of a torch module as named inputs, by torch's names: "encoder.0.weight".

    The values are copied: what torch writes to its parameters later changes nothing here. Axes stay as they are in torch, so
    that a linear layer's weight is for `nn.linear`. A parameter with several names, such as a tied embedding, is one tensor
    under all of them.

    Raises:  OperandError: no module was given; ParameterError: a lazy module has not seen its first input;
             UnsupportedOperationError: numpy has no such dtype
    Example:
        >>> import composit.numpy as cnp, torch
        >>> from composit import nn
        >>> layer = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.ReLU())
        >>> p = parameters_of(layer)
        >>> sorted(p), nn.relu(nn.linear(cnp.ones((4, 3)), p["0.weight"], p["0.bias"])).shape
        (['0.bias', '0.weight'], (4, 2))
    """
    tensors: dict[int, Any] = {}
    found: dict[str, Any] = {}
    for name, value in _named_values(module, "parameters_of"):
        if id(value) not in tensors:
            tensors[id(value)] = input_of(np.array(array_of(value, "parameters_of")), name)
        found[name] = tensors[id(value)]
    return found


def put_parameters(module: torch.nn.Module, parameters: Mapping[str, Any]) -> None:
    """Write the values of composit tensors, arrays or torch tensors into a module's parameters and buffers, in place.

    parameters: all that `module.state_dict()` has, by name, flat ("encoder.0.weight") or nested; of parameters that share a
                tensor one name is enough

    Raises:  OperandError: no module was given; ParameterError: a name is missing, or is none of the module's;
             ShapeError, DtypeError: a value has another shape or dtype. The module is as before then
    Example:
        >>> import numpy as np, torch
        >>> layer = torch.nn.Linear(2, 1)
        >>> put_parameters(layer, {"weight": np.ones((1, 2), "float32"), "bias": np.zeros(1, "float32")})
        >>> layer(torch.ones(1, 2)).item()
        2.0
    """
    own = dict(_named_values(module, "put_parameters"))
    given = named_arrays(parameters, "put_parameters", _is_value)
    given_ids = {id(own[name]) for name in given if name in own}
    missing = [name for name in module.state_dict() if name in own and id(own[name]) not in given_ids]
    further = [name for name in given if name not in own]
    if missing or further:
        raise ParameterError(
            f"put_parameters: {missing[:5]} of {type(module).__name__} are missing and {further[:5]} are none of its parameters; expected "
            "the names of module.state_dict(); rename them, or build the module for these parameters"
        )
    values = _values_of(given)
    for name, value in values.items():
        _check_type(name, value, own[name])
    with torch.no_grad():
        for name, value in values.items():
            own[name].copy_(value)


def save_parameters(path: str | Path, module: torch.nn.Module, metadata: Mapping[str, str] | None = None) -> None:
    """Write what `module.state_dict()` has to a safetensors file, by its names, which safetensors.torch.load_file and `nn.load` read.

    A tensor with several names is written under each. Needs the package safetensors.

    metadata: texts to keep beside them

    Raises:  OperandError: no module was given; ParameterError: a lazy module has not seen its first input, or has nothing to save;
             DtypeError: the files have no such dtype
    """
    from safetensors.torch import save_file

    own = dict(_named_values(module, "save_parameters"))
    # Copied, since the file format refuses tensors that share memory.
    values = {name: own[name].detach().clone().contiguous() for name in module.state_dict() if name in own}
    if not values:
        raise ParameterError(
            f"save_parameters: {type(module).__name__} has no parameters or buffers; expected a module that has; give the module that "
            "holds them"
        )
    try:
        save_file(values, str(path), metadata=None if metadata is None else dict(metadata))
    except KeyError as error:
        names = [name for name, value in values.items() if value.dtype in error.args]
        raise DtypeError(
            f"save_parameters: {', '.join(names[:5])} have the dtype {error}; expected dtypes that safetensors files have; convert them or "
            "use torch.save"
        ) from error


def load_parameters(path: str | Path, module: torch.nn.Module) -> None:
    """Read a safetensors file into a module's parameters and buffers, in place; see `put_parameters`.

    Raises:  FileNotFoundError; and as put_parameters
    """
    from safetensors.torch import load_file

    put_parameters(module, load_file(str(path)))


def _is_value(leaf: Any) -> bool:
    return isinstance(leaf, torch.Tensor | np.ndarray | np.generic) or hasattr(leaf, "__lazy_tensor__")


def _values_of(given: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """Return torch tensors of the values, which are evaluated together."""
    lazies = {name: as_tensor(each) for name, each in given.items() if not isinstance(each, torch.Tensor)}
    arrays = dict(zip(lazies, evaluate(list(lazies.values())), strict=True)) if lazies else {}
    return {
        name: tensor_of(np.asarray(arrays[name])) if name in arrays else each.detach() for name, each in given.items()
    }


def _check_type(name: str, value: torch.Tensor, own: torch.Tensor) -> None:
    if value.shape != own.shape:
        raise ShapeError(
            f"put_parameters: {name} was given with shape {tuple(value.shape)}; expected {tuple(own.shape)}, the shape in the module; "
            "build the module for these parameters, or transpose them"
        )
    if value.dtype is not own.dtype:
        raise DtypeError(
            f"put_parameters: {name} was given with dtype {value.dtype}; expected {own.dtype}, the dtype in the module; convert it with "
            "astype, or the module with module.to(...)"
        )


def _named_values(module: torch.nn.Module, asked: str) -> Iterator[tuple[str, torch.Tensor]]:
    if not isinstance(module, torch.nn.Module):
        raise OperandError(
            f"{asked}: {described(module)!s:.60} of type {type(module).__name__} was given; expected a torch.nn.Module; convert "
            "a tensor with composit.numpy.asarray"
        )
    pairs = [*module.named_parameters(remove_duplicate=False), *module.named_buffers(remove_duplicate=False)]
    for name, value in pairs:
        if torch.nn.parameter.is_lazy(value):
            raise ParameterError(
                f"{asked}: {name} of {type(module).__name__} has no shape yet; expected a module that knows its shapes; call it once "
                "on an example"
            )
        yield name, value
