"""Parameters of torch modules as composit tensors: `parameters_of`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from composit.apply import input_of
from composit.errors import OperandError, ParameterError
from composit.handle import described
from flashlight.conversion import array_of


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
    if not isinstance(module, torch.nn.Module):
        raise OperandError(
            f"parameters_of: {described(module)!s:.60} of type {type(module).__name__} was given; expected a torch.nn.Module; convert "
            "a tensor with composit.numpy.asarray"
        )
    tensors: dict[int, Any] = {}
    found: dict[str, Any] = {}
    for name, value in _named_values(module):
        if torch.nn.parameter.is_lazy(value):
            raise ParameterError(
                f"parameters_of: {name} of {type(module).__name__} has no shape yet; expected a module that knows its shapes; call it once "
                "on an example"
            )
        if id(value) not in tensors:
            tensors[id(value)] = input_of(np.array(array_of(value, "parameters_of")), name)
        found[name] = tensors[id(value)]
    return found


def _named_values(module: torch.nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    yield from module.named_parameters(remove_duplicate=False)
    yield from module.named_buffers(remove_duplicate=False)
