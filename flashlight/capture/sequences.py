"""Tensors that torch makes of nested lists with tensors in them: `torch.tensor([x.sum(), 1.0])` keeps the elements' expressions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any

import torch

from flashlight.capture.active import active_recorder, paused
from flashlight.capture.patches import Patch


def sequence_patches() -> tuple[Patch, ...]:
    """Return the patches of the functions by which torch makes a tensor of a list. It reads the elements behind the dispatcher."""
    functions = ((torch, "tensor"), (torch, "as_tensor"), (torch, "asarray"))
    return (
        *(Patch(owner, name, _of_sequence(0)) for owner, name in functions),
        Patch(torch.Tensor, "new_tensor", _of_sequence(1)),
    )


def _of_sequence(position: int) -> Callable[[Callable[..., torch.Tensor]], Callable[..., torch.Tensor]]:
    """Return what makes the replacement of a function whose argument at this position may be a list."""

    def make(original: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
        @wraps(original)
        def tensor_of(*args: Any, **kwargs: Any) -> torch.Tensor:
            data = args[position] if len(args) > position else kwargs.get("data", kwargs.get("obj"))
            recorder = active_recorder()
            if recorder is None or recorder.is_paused or not _holds_tensors(data):
                return original(*args, **kwargs)
            with paused(recorder):
                made = original(*args, **kwargs)
            recorder.trace.own(made)
            return _joined(data, made)

        return tensor_of

    return make


def _holds_tensors(data: Any) -> bool:
    return isinstance(data, list | tuple) and any(isinstance(element, torch.Tensor) for element in _elements(data))


def _elements(data: Any) -> Iterator[Any]:
    """Return the tensors and numbers of a nested list in their order."""
    if isinstance(data, list | tuple):
        for each in data:
            yield from _elements(each)
    else:
        yield data


def _joined(data: Any, made: torch.Tensor) -> torch.Tensor:
    """Return a tensor like the one that torch made of the list, computed from the elements by operations that the trace records."""
    with torch.no_grad():
        parts = [
            element.detach().reshape(-1).to(made) if isinstance(element, torch.Tensor) else made.new_full((1,), element)
            for element in _elements(data)
        ]
        joined = torch.cat(parts).reshape(made.shape)
    return joined.requires_grad_(made.requires_grad)
