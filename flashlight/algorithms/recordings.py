"""`recorded_call`: what a module's own forward computes, as a program of composit for tensors of given shapes.

The forward runs once on fake tensors, in a copy of the module that holds them: no kernel of torch runs, and the module itself is not
touched. Another thread may call it meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch._subclasses.functional_tensor import dispatch_functionalize
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils import _pytree as pytree

from composit.backends import Backend
from composit.errors import UnsupportedOperationError
from composit.locks import fork_safe_lock
from composit.node import name_scope
from flashlight.algorithms.held_tensors import with_tensors
from flashlight.export.fx_graphs import build_graph, graph_input
from flashlight.export.recording import recording
from flashlight.export.tensor_programs import TensorProgram, tensor_program

Forward = Callable[..., Any]
# Whether a forward is being recorded: modules inside it that were swapped too then call what they were.
_is_recording: ContextVar[bool] = ContextVar("flashlight_is_recording", default=False)
# One at a time: the switch of attention's fast path is torch's global one, and so is what is set while a forward is recorded.
_lock = fork_safe_lock()
_recording = fork_safe_lock()


def is_recording() -> bool:
    """Return whether a module's forward is being recorded in this context."""
    return _is_recording.get()


@contextmanager
def as_it_was() -> Iterator[None]:
    """Let swapped modules compute what they did before they were swapped."""
    token = _is_recording.set(True)
    try:
        yield
    finally:
        _is_recording.reset(token)


@dataclass(frozen=True, slots=True)
class ModuleCall:
    """How a module is called.

    forward: of the class before it was swapped, called with the module first
    names:   of the tensors that the module holds, in the order in which they follow the arguments
    leaves, spec: the arguments; `TENSOR` stands for each tensor
    path:    the module's name in messages and in the program's scopes
    returns_pair: whether it returns a tensor and another, which may be None
    """

    module: nn.Module
    forward: Forward
    names: Sequence[str]
    leaves: Sequence[Any]
    spec: pytree.TreeSpec
    path: str
    returns_pair: bool

    def results(self, tensors: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """Return the tensors that the forward returns for these arguments, followed by what the module holds."""
        count = len(tensors) - len(self.names)
        given = iter(tensors[:count])
        leaves = [next(given) if leaf is TENSOR else leaf for leaf in self.leaves]
        args, kwargs = pytree.tree_unflatten(leaves, self.spec)
        copy = with_tensors(self.module, dict(zip(self.names, tensors[count:], strict=True)))
        with as_it_was(), without_fast_path():
            output = self.forward(copy, *args, **kwargs)
        return self._checked(output)

    def _checked(self, output: Any) -> list[torch.Tensor]:
        results = list(output) if isinstance(output, tuple) else [output]
        tensors = [each for each in results if isinstance(each, torch.Tensor)]
        expected = assembled(tensors, self.returns_pair)
        is_known = isinstance(output, tuple) == isinstance(expected, tuple) and (
            not isinstance(expected, tuple) or len(results) == len(expected)
        )
        if not is_known or any(each is not None for each in results[len(tensors) :]):
            kinds = ", ".join(type(each).__name__ for each in results)
            raise UnsupportedOperationError(
                f"swap_operation: {self.path} ({type(self.module).__name__}) returns {type(output).__name__} of {kinds}; expected a "
                "tensor, or a tuple of several; leave this module as it is"
            )
        return tensors


def assembled(tensors: Sequence[torch.Tensor], is_pair: bool) -> object:
    """Return what a module returns: its tensor, or a tuple of several; a pair has None in place of a missing second."""
    if is_pair and len(tensors) == 1:
        return tensors[0], None
    return tensors[0] if len(tensors) == 1 else tuple(tensors)


class _Tensor:
    """Stands for a tensor among arguments."""

    def __repr__(self) -> str:
        return "tensor"


TENSOR = _Tensor()


@contextmanager
def without_fast_path() -> Iterator[None]:
    """Let attention compute by operations that have derivatives, rather than by one kernel that has none."""
    with _lock:
        before = torch.backends.mha.get_fastpath_enabled()
        torch.backends.mha.set_fastpath_enabled(False)
        try:
            yield
        finally:
            torch.backends.mha.set_fastpath_enabled(before)


@dataclass(frozen=True, slots=True)
class Backends:
    """What runs a module's program, and the programs of its derivatives."""

    forward: Backend
    gradients: Backend


def recorded_call(call: ModuleCall, tensors: Sequence[torch.Tensor], backends: Backends) -> TensorProgram:
    """Return the program of a call for tensors of these shapes and dtypes.

    Raises:  UnsupportedOperationError: an operation has no row; the module draws random numbers, writes to its tensors, or returns
             something else than tensors; and what torch raises for tensors that do not fit the module
    """
    asked = f"swap_operation: {call.path}"
    mode = FakeTensorMode(allow_non_fake_inputs=True)
    with mode:
        fakes = [torch.empty(each.shape, dtype=each.dtype) for each in tensors]
    run = dispatch_functionalize(lambda *given: call.results(given))
    with _recording, recording(call.module, asked), mode:
        module = make_fx(run, record_stack_traces=True)(*fakes)
    inputs = [graph_input(fake, None) for fake in fakes]
    with name_scope(call.path):
        outputs, _, draws = build_graph(module, inputs, mode, asked)
    if draws:
        raise UnsupportedOperationError(
            f"{asked} ({type(call.module).__name__}) draws random numbers ({draws[0].operation}); expected a module that gives the same "
            "for the same input; call model.eval(), or set its dropout to 0"
        )
    return tensor_program(
        [each.lazy for each in outputs],
        [each.lazy for each in inputs],
        backends.forward,
        gradient_backend=backends.gradients,
    )
