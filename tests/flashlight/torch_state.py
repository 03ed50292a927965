"""What a trace changes in torch, to see that it puts all back."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn.modules import module as torch_module


def state_of_torch() -> dict[str, Any]:
    return {
        "functions": torch._C._len_torch_function_stack(),
        "dispatch": torch._C._len_torch_dispatch_stack(),
        "pre_hooks": len(torch_module._global_forward_pre_hooks),
        "hooks": len(torch_module._global_forward_hooks),
        "always": len(torch_module._global_forward_hooks_always_called),
        "methods": {name: value for name, value in vars(torch.Tensor).items() if callable(value)},
        "linear": nn.functional.linear,
        "call": nn.Module.__call__,
    }
