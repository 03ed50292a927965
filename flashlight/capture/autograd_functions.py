"""Functions of torch.autograd.Function in graphs: their results have the derivative that their `backward` computes.

y = F.apply(x)    # before: what F.forward did to x; after: torch_function(what it did, x), whose vjp traces F.backward
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch.nn.modules._functions import BackwardHookFunction
from torch.utils.checkpoint import CheckpointFunction

from composit.apply import as_tensor, input_of
from composit.errors import IdentityError, UnsupportedOperationError
from composit.evaluation import bind, evaluate
from composit.handle import TensorHandle, make_tensor
from composit.keys import Key, encode, fresh_token
from composit.nn import stop_gradient
from composit.nn.fencing import Fenced, fenced
from composit.nn.scans.body import replayed
from composit.operation import Shape, VjpContext
from composit.types import LazyTensor
from composit.value import value_of
from flashlight.capture.active import active_recorder
from flashlight.capture.attach_results import flat
from flashlight.capture.patches import Patch
from flashlight.capture.recorder import Recorder
from flashlight.capture.traced_tensors import add_result, traced_tensor_of
from flashlight.conversion import NUMPY_TO_TORCH, has_elements

Function: TypeAlias = "type[torch.autograd.Function]"
OpenTrace: TypeAlias = Callable[[], AbstractContextManager[Recorder]]

# Their backward computes the derivative of what forward did, which the graph knows.
_TRANSPARENT: tuple[Function, ...] = (CheckpointFunction, BackwardHookFunction)

# A token for each class, since two classes of one name may have different derivatives.
_tokens: WeakKeyDictionary[Function, Key] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class TorchFunction(Fenced):
    """The first operands, results of a torch.autograd.Function, with the derivative that its `backward` computes.

    Derivative:  what backward gives for the other operands, the function's inputs
    """

    count: int
    function: str
    backward: Backward | LostBackward

    @property
    def num_results(self) -> int:
        return self.count

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        given = (*context.operands, *(each for each in context.cotangents if each is not None))
        is_graph = any(isinstance(each, TensorHandle) for each in given)
        operands = [as_tensor(each) for each in context.operands]
        cotangents = [None if each is None else as_tensor(each) for each in context.cotangents]
        found = self.backward(operands, cotangents)
        gradients = [each if is_graph or each is None else evaluate(each) for each in found]
        return [None] * self.count + gradients


@dataclass(frozen=True, slots=True, eq=False)
class _FunctionCall:
    """One call of a function.

    context:   torch's, which has the saved tensors
    numbers:   the arguments that are no tensors
    places:    of the arguments that autograd follows
    outputs:   shape and dtype of each tensor that was returned, None for others; followed: the places of those with gradients
    """

    cls: Function
    context: Any
    numbers: tuple[Any, ...]
    places: tuple[int, ...]
    outputs: tuple[tuple[Shape, torch.dtype] | None, ...]
    followed: tuple[int, ...]
    open_trace: OpenTrace

    def key(self) -> Key:
        token = _tokens.setdefault(self.cls, fresh_token())
        try:
            return encode((token, self.numbers, self.places))
        except IdentityError:
            return fresh_token()

    def gradients(self, given: Sequence[torch.Tensor | None]) -> list[torch.Tensor | None]:
        """Return what the class's backward gives for the inputs that autograd follows."""
        own = self.cls.backward if self.cls.backward is not torch.autograd.Function.backward else self.cls.vjp
        found = own(self.context, *given)
        several = found if isinstance(found, tuple) else (found,)
        return [several[place] for place in self.places]


class Backward:
    """The gradients from the backward of one call. operands: of the node, which are results and inputs as they were in the trace."""

    __slots__ = ("_call", "_key", "_operands")

    def __init__(self, call: _FunctionCall, operands: Sequence[LazyTensor]) -> None:
        self._call = call
        self._operands = operands
        self._key = call.key()

    def key(self) -> Key:
        """Return the identity: the class, and the arguments that are no tensors."""
        return self._key

    def __reduce__(self) -> tuple[type[LostBackward], tuple[object, ...]]:
        """Return what pickle keeps: the values of a function are in the graph, its derivative needs torch's own objects."""
        return LostBackward, (self._call.cls.__name__, self._key)

    def __call__(self, operands: Sequence[LazyTensor], cotangents: Sequence[LazyTensor | None]) -> list[Any]:
        """Return the gradients by the inputs, as graph."""
        with torch.no_grad(), self._call.open_trace() as recorder:
            given = [None if each is None else torch.zeros(each[0], dtype=each[1]) for each in self._call.outputs]
            for place, result, each in zip(self._call.followed, self._operands, cotangents, strict=False):
                given[place] = _cotangent(recorder, result, each)
            found = self._call.gradients(given)
            gradients = [None if each is None else recorder.lazy_of(each) for each in found]
        return self._on(operands, [None if each is None else _conjugate(each) for each in gradients])

    def _on(self, operands: Sequence[LazyTensor], gradients: Sequence[LazyTensor | None]) -> list[Any]:
        """Return the gradients as they are for other operands, where the graph was built again on such."""
        cuts = [value_of(each) for each in self._operands]
        if all(value_of(new).identity == old.identity for new, old in zip(operands, cuts, strict=True)):
            return list(gradients)
        known = {old.identity: new for old, new in zip(cuts, operands, strict=True)}
        wanted = [each for each in gradients if each is not None]
        bound, _ = bind([value_of(each) for each in wanted], cuts)
        leaves = [known.get(leaf.identity, make_tensor(leaf.node, leaf.index)) for leaf in bound.leaves]
        values = replayed(bound.program, leaves)
        made = iter([values[source][index] for source, index in bound.program.outputs])
        return [None if each is None else next(made) for each in gradients]


class LostBackward:
    """Stands for a `Backward` in a graph that pickle has copied."""

    __slots__ = ("_key", "_name")

    def __init__(self, name: str, key: Key) -> None:
        self._name = name
        self._key = key

    def key(self) -> Key:
        """Return the identity that it had."""
        return self._key

    def __reduce__(self) -> tuple[type[LostBackward], tuple[object, ...]]:
        return LostBackward, (self._name, self._key)

    def __call__(self, operands: Sequence[LazyTensor], cotangents: Sequence[LazyTensor | None]) -> list[Any]:
        """Raise: the derivative was not kept.

        Raises:  UnsupportedOperationError
        """
        raise UnsupportedOperationError(
            f"chain_rule: the derivative of the function {self._name} of torch.autograd was asked for in a graph that was copied by "
            "pickle, which has its values alone; expected a graph as it was traced; trace it again here"
        )


def _cotangent(recorder: Recorder, result: LazyTensor, cotangent: LazyTensor | None) -> torch.Tensor:
    """Return a torch tensor that stands for an incoming gradient; its own values are not part of the graph."""
    lazy = input_of(np.zeros(result.shape, result.dtype)) if cotangent is None else _conjugate(cotangent)
    tensor = torch.ones(result.shape, dtype=NUMPY_TO_TORCH[result.dtype])
    add_result(tensor, lazy, recorder.trace)
    return tensor


def _conjugate(lazy: LazyTensor) -> LazyTensor:
    """Return what is torch's gradient for one of chain_rule, and the other way round."""
    return lazy.conj() if lazy.dtype.kind == "c" else lazy


def function_patches(open_trace: OpenTrace) -> tuple[Patch, ...]:
    """Return the patch by which functions with derivatives of their own are recorded."""

    def make(original: Any) -> Any:  # Any: torch's class method, and the one in its place
        @wraps(original.__func__)
        def apply(cls: Function, *args: Any, **kwargs: Any) -> Any:
            recorder = active_recorder()
            if recorder is None or recorder.is_paused:
                return original.__func__(cls, *args, **kwargs)
            given = [(place, each, recorder.lazy_of(each)) for place, each in enumerate(args) if _is_followed(each)]
            with recorder.inside_function():
                outputs = original.__func__(cls, *args, **kwargs)
            if given and torch.is_grad_enabled() and not issubclass(cls, _TRANSPARENT):
                _give_derivative(recorder, cls, args, given, outputs, open_trace)
            return outputs

        return classmethod(apply)

    return (Patch(torch.autograd.Function, "apply", make),)


def _is_followed(argument: Any) -> bool:
    return isinstance(argument, torch.Tensor) and argument.requires_grad and has_elements(argument)


def _give_derivative(
    recorder: Recorder,
    cls: Function,
    args: Sequence[Any],
    given: Sequence[tuple[int, torch.Tensor, LazyTensor]],
    outputs: Any,
    open_trace: OpenTrace,
) -> None:
    """Put the node with the function's derivative in the place of what its forward computed."""
    returned = flat(outputs)
    own = [place for place, each in enumerate(returned) if _came_from(each, cls)]
    for each in returned:
        if isinstance(each, torch.Tensor) and each.grad_fn is None and not each.requires_grad:
            _replace(each, stop_gradient(recorder.lazy_of(each)))
    if not own:
        return
    tensors = [returned[place] for place in own]
    lazies, sources = [recorder.lazy_of(each) for each in tensors], [lazy for _, _, lazy in given]
    call = _FunctionCall(
        cls,
        tensors[0].grad_fn,
        tuple(None if isinstance(each, torch.Tensor) else each for each in args),
        tuple(place for place, _, _ in given),
        tuple((tuple(each.shape), each.dtype) if isinstance(each, torch.Tensor) else None for each in returned),
        tuple(own),
        open_trace,
    )
    node = TorchFunction(len(own), cls.__name__, Backward(call, [*lazies, *sources]))
    for tensor, result in zip(tensors, fenced(node, *lazies, *sources), strict=True):
        _replace(tensor, result)


def _came_from(output: Any, cls: Function) -> bool:
    return isinstance(output, torch.Tensor) and getattr(type(output.grad_fn), "_forward_cls", None) is cls


def _replace(tensor: torch.Tensor, lazy: LazyTensor) -> None:
    traced = traced_tensor_of(tensor)
    assert traced is not None, "results are recorded"
    traced.handle = lazy
