"""What the comparisons with torch's models share: seeded parameters, values and gradients on each backend."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

import composit.numpy as cnp
import mosaic
from composit.nn import chain_rule
from model_zoo.parameters import converted_parameters

Tensors = dict[str, Any]


def seeded(make: Callable[[], torch.nn.Module], dtype: torch.dtype, seed: int = 0) -> torch.nn.Module:
    """Return a module with random parameters and statistics, ready for inference."""
    torch.manual_seed(seed)
    module = make().to(dtype).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in (*module.named_parameters(), *module.named_buffers()):
            if name.endswith("running_var") or (value.ndim == 1 and name.endswith("weight")):
                # Variances and factors of norms: around 1, so that values neither vanish nor grow from layer to layer.
                value.copy_(torch.rand(value.shape, generator=generator) + 0.5)
            elif value.ndim == 1 and value.is_floating_point():
                value.copy_(torch.randn(value.shape, generator=generator) * 0.1)
    return module


def as_tensors(arrays: dict[str, Any]) -> Tensors:
    """Return named inputs."""
    return {name: cnp.asarray(array, name=name) for name, array in arrays.items()}


def assert_close(given: Any, expected: Any, tolerance: float, least: float = 0.0) -> None:
    """Compare values; the tolerance is a share of the largest one, or of `least` if that is larger."""
    wanted = np.asarray(expected.detach() if isinstance(expected, torch.Tensor) else expected)
    assert given.shape == wanted.shape
    assert given.dtype == wanted.dtype
    np.testing.assert_allclose(given, wanted, rtol=0, atol=tolerance * max(least, np.abs(wanted).max()))


def assert_gradients_agree(
    output: Any, parameters: Tensors, theirs: torch.Tensor, module: torch.nn.Module, backend: str, channels_last: bool
) -> None:
    """Compare the gradients of all parameters that torch has one for, in float64; outputs are weighed at random.

    mosaic computes all in C.
    """
    weights = np.random.default_rng(1).normal(size=tuple(theirs.shape))
    module.zero_grad()
    theirs.backward(torch.from_numpy(weights))
    slopes = {name: each.grad for name, each in module.named_parameters() if each.grad is not None}
    assert len(slopes) > 10
    wanted = converted_parameters(module, channels_last, slopes)
    gradients = chain_rule({output: cnp.asarray(weights)}, [parameters[name] for name in wanted])
    # Some gradients are 0 but for rounding: that of a bias before a softmax, or before a norm.
    least = 1e-3 * max(np.abs(each).max() for each in wanted.values())
    for given, expected in zip(
        _computed([output, *gradients], list(parameters.values()), backend)[1:], wanted.values(), strict=True
    ):
        assert_close(given, expected, 1e-9, least)


def _computed(tensors: list[Any], inputs: list[Any], backend: str) -> list[Any]:
    if backend != "mosaic":
        return cnp.evaluate(tensors, backend=backend)
    model = mosaic.compile(tensors, inputs=inputs)
    assert "island" not in model.explain()
    return model(*cnp.evaluate(inputs))
