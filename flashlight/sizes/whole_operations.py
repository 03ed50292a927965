"""Recurrent layers as one operation. torch takes them apart at once, step by step, so that the length becomes a number.

Without autograd the dispatcher is asked below it, where nothing was taken apart yet; the row of `aten.gru` makes a loop of any length.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import wraps
from typing import Any

import torch
from torch._ops import OpOverload

from flashlight.capture.active import active_recorder
from flashlight.capture.patches import Patch
from flashlight.sizes.leaves import leaves_of
from flashlight.sizes.recording import SizedRecorder
from flashlight.sizes.sized_tensor import SizedTensor

aten = torch.ops.aten
WHOLE: frozenset[OpOverload[..., Any]] = frozenset(
    (aten.lstm.input, aten.gru.input, aten.rnn_tanh.input, aten.rnn_relu.input)
)
_NAMES = ("lstm", "gru", "rnn_tanh", "rnn_relu")


def whole_patches() -> tuple[Patch, ...]:
    """Return the patches by which a trace with named sizes sees recurrent layers whole."""
    return tuple(Patch(torch._VF, name, _calling) for name in _NAMES)


def below_autograd() -> AbstractContextManager[None]:
    """Return a context in which the dispatcher takes no operation apart for autograd."""
    guard: AbstractContextManager[None] = torch._C._AutoDispatchBelowAutograd()
    return guard


def _calling(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def call(*args: Any) -> object:
        if not _is_recorded_whole(args):
            return original(*args)
        with below_autograd():
            return original(*args)

    return call


def _is_recorded_whole(args: tuple[Any, ...]) -> bool:
    recorder = active_recorder()
    if not isinstance(recorder, SizedRecorder) or recorder.is_paused:
        return False
    # Those of a padded input: data, state, parameters, has_biases, num_layers, dropout, train, ...
    is_padded = len(args) == 9 and isinstance(args[3], bool)
    if not is_padded or (args[5] and args[6]):
        return False
    tensors = [each for each in leaves_of(args) if isinstance(each, torch.Tensor)]
    is_followed = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)
    return not is_followed and any(isinstance(tensor, SizedTensor) for tensor in tensors)
