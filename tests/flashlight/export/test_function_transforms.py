"""Modules of `to_module` under torch.func, with dual numbers and with inputs by name, against the model that they came from."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.autograd import forward_ad

import flashlight
from composit.errors import DtypeError, OperandError, ShapeError
from flashlight.tracer import trace

# torch's own, of the rules of forward mode that it loads.
pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.script.*:DeprecationWarning")


def _pair(backend: str = "numpy", dtype: torch.dtype = torch.float32) -> tuple[nn.Module, nn.Module]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.LayerNorm(8), nn.Linear(8, 3)).to(dtype)
    x = torch.randn(2, 4, dtype=dtype)
    with trace():
        y = model(x)
    return model, flashlight.to_module(y, [x], backend=backend)


_X, _V = torch.randn(2, 4), torch.randn(2, 4)
_TRANSFORMS: dict[str, Callable[[nn.Module], Any]] = {
    "grad": lambda model: torch.func.grad(lambda x: model(x).square().sum())(_X),
    "jvp": lambda model: torch.func.jvp(model, (_X,), (_V,)),
    "vjp": lambda model: torch.func.vjp(model, _X)[1](torch.ones(2, 3)),
    "jacrev": lambda model: torch.func.jacrev(model)(_X),
    "jacfwd": lambda model: torch.func.jacfwd(model)(_X),
    "hessian": lambda model: torch.func.hessian(lambda x: model(x).square().sum())(_X),
    "vmap": lambda model: torch.func.vmap(model, in_dims=1)(torch.stack([_X, _V, _X + _V], 1)),
    "gradients of each sample": lambda model: torch.func.vmap(
        torch.func.grad(lambda values, x: torch.func.functional_call(model, values, (x,)).square().sum()), (None, 0)
    )(dict(model.named_parameters()), torch.stack([_X, _V])),
}


@pytest.mark.parametrize("backend", ["numpy", "mosaic"])
@pytest.mark.parametrize("name", _TRANSFORMS)
def test_transforms_of_functions_give_torchs_results(name: str, backend: str) -> None:
    model, module = _pair(backend)
    transform = _TRANSFORMS[name]
    torch.testing.assert_close(transform(module), transform(copy.deepcopy(model)), atol=1e-4, rtol=1e-3)


def test_dual_numbers_have_torchs_tangents() -> None:
    model, module = _pair()
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(_X, _V)
        found, expected = (forward_ad.unpack_dual(each(dual)).tangent for each in (module, model))
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


def test_both_modes_pass_torchs_check() -> None:
    _, module = _pair(dtype=torch.float64)
    x = torch.randn(2, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(module, (x,), check_forward_ad=True)


def test_integers_among_the_outputs_have_no_tangents() -> None:
    with trace():
        y = (_X * 2, _X.argmax(1))
    module = flashlight.to_module(y, [_X], backend="numpy")
    first, second = torch.vmap(module)(torch.stack([_X, _V]))
    torch.testing.assert_close(first, torch.stack([_X, _V]) * 2)
    assert second.tolist() == [_X.argmax(1).tolist(), _V.argmax(1).tolist()]
    _, (tangent, _) = torch.func.jvp(module, (_X,), (_V,))
    torch.testing.assert_close(tangent, _V * 2)


def test_inputs_may_be_given_by_their_names() -> None:
    a, b = torch.randn(3), torch.randn(3)
    with trace():
        y = a * 2 - b
    module = flashlight.to_module(y, [a, b], backend="numpy")
    torch.testing.assert_close(module(a, input_1=b), module(a, b))

    def weighted(x: Any, scale: Any) -> Any:
        return x * scale

    module = flashlight.to_module(weighted, [np.ones(3, np.float32)] * 2, backend="numpy")
    assert module.input_names == ("x", "scale")
    torch.testing.assert_close(module(scale=a, x=b), a * b)
    assert "(x: float32[3], scale: float32[3])" in repr(module)


def test_wrong_inputs_are_named() -> None:
    _, module = _pair()
    assert module.input_names == ("input",)
    for args, named in (((), {}), ((_X, _X), {}), ((_X,), {"input": _X}), ((), {"x": _X})):
        with pytest.raises(OperandError, match=r"takes 1 tensors \(input\).*expected each input once; give them"):
            module(*args, **named)
    with pytest.raises(ShapeError, match=r"input 'input' has shape \(3, 4\); expected \(2, 4\).*build it again"):
        module(torch.ones(3, 4))
    with pytest.raises(DtypeError, match="input 'input' has dtype torch.float64; expected float32.*convert it"):
        module(_X.double())
    with pytest.raises(OperandError, match="'input' is .* of type ndarray; expected a tensor of torch.*from_numpy"):
        module(_X.numpy())
    with pytest.raises(DtypeError, match="the module's 0.weight has dtype torch.float64"):
        module.double()(_X)
