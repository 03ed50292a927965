"""`no_kernels`: torch may compute shapes, and no values."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class _NoKernels(TorchDispatchMode):
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for each in tree_leaves(result):
            is_real = isinstance(each, torch.Tensor) and not isinstance(each, FakeTensor) and each.device.type == "cpu"
            assert not is_real or func is torch.ops.aten.detach.default, f"torch computed {func}"
        return result


@contextmanager
def no_kernels() -> Iterator[None]:
    """Raise where torch computes values."""
    with torch.no_grad(), _NoKernels():
        yield
