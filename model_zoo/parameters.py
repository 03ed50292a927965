"""Parameters of torch modules as numpy arrays, in the order of axes in which composit.nn's functions read them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]
Tensors = dict[str, Any]  # Any: lazy tensors or arrays, by the names of torch's parameters


def converted_parameters(model: Any, channels_last: bool = False, values: Mapping[str, Any] | None = None) -> Arrays:
    """Return copies of all parameters and statistics of a torch module, by their names there; counters are left out.

    Weights of linear layers are transposed to (inputs, outputs). With channels_last, filters of convolutions are
    (outputs, *kernel, inputs).

    values: torch tensors to convert in place of the parameters, by the same names, such as their gradients
    """
    import torch

    filter_classes = (torch.nn.Conv1d, torch.nn.Conv2d, torch.nn.Conv3d)
    modules = list(model.named_modules())
    transposed = {f"{name}.weight" for name, module in modules if isinstance(module, torch.nn.Linear)}
    filters = {f"{name}.weight" for name, module in modules if isinstance(module, filter_classes)}
    arrays: Arrays = {}
    for name, value in (model.state_dict() if values is None else values).items():
        if not value.is_floating_point():
            continue
        array = value.detach().cpu().numpy()
        if name in transposed:
            array = array.T
        elif name in filters and channels_last:
            array = np.moveaxis(array, 1, -1)
        arrays[name] = np.array(array, order="C")
    return arrays


def numbered(parameters: Tensors, prefix: str) -> list[str]:
    """Return the prefixes of the parts of a list: "layer1.0", "layer1.1", ... for "layer1"."""
    count = 0
    while any(name.startswith(f"{prefix}.{count}.") for name in parameters):
        count += 1
    return [f"{prefix}.{number}" for number in range(count)]
