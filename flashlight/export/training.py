"""`training_step`: forward, backward and update of a torch module as one compiled program."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch.utils import _pytree as pytree

import composit.numpy as cnp
from composit.backends import BackendChoice
from composit.errors import OperandError, ParameterError
from composit.handle import described
from composit.nn.training import CompiledStep, compile_step
from composit.operation import Array
from flashlight.conversion import array_of, shared_array, tensor_of
from flashlight.export.draws import with_draws
from flashlight.export.fx_graphs import GraphTensor, build_graph, graph_input
from flashlight.export.joint_graphs import Example, Objective, joint_graph
from flashlight.export.torch_optimizers import Part, TorchOptimizer

_ASKED = "training_step"
MAX_VARIANTS = 8


def training_step(
    model: torch.nn.Module,
    loss: Callable[..., torch.Tensor],
    optimizer: torch.optim.Optimizer,
    *,
    backend: BackendChoice = "mosaic",
) -> TrainingStep:
    """Return a function step(inputs, *targets) that trains the module by one compiled program, and returns the loss.

    It does what `optimizer.zero_grad(); value = loss(model(inputs), *targets); value.backward(); optimizer.step()` does.
    Parameters, buffers (statistics of batch norm) and the state of the optimizer stay in torch's objects, so that both ways of
    training can take turns; their memory is written in place. `parameter.grad` is left alone. Dropout draws from torch's
    generators. Learning rates and other numbers of the optimizer may change without a new program; other sizes, another
    mode of a module (train, eval) and other frozen parameters make another program.

    loss:      a function of the model's output and the targets, such as torch.nn.functional.cross_entropy
    optimizer: an instance of torch.optim's SGD, Adam, AdamW, NAdam, RAdam, Adamax, Adagrad, RMSprop or Adadelta
    backend:   of composit.evaluate

    A call takes as `inputs` a tensor, a tuple of arguments of the model, or a mapping of keyword arguments. Python's code in the
    model and the loss runs when a program is made, not at each call.

    Of parameters in half precision the update is computed in float32 and rounded once, where torch rounds each of its parts.

    Raises:  ParameterError: another optimizer; OperandError: a parameter of the optimizer is none of the model's or the loss's;
             UnsupportedOperationError, at the first call: an operation without a row, or code that depends on values
    Example:
        >>> import torch
        >>> model = torch.nn.Linear(2, 1)
        >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        >>> step = training_step(model, torch.nn.functional.mse_loss, optimizer, backend="numpy")
        >>> x, y = torch.eye(2), torch.ones(2, 1)
        >>> first, second = step(x, y), step(x, y)
        >>> bool(second < first)
        True
    """
    return TrainingStep(Objective(model, loss), TorchOptimizer(optimizer), backend)


class TrainingStep:
    """A compiled training step of a torch module; see `training_step`."""

    def __init__(self, objective: Objective, optimizer: TorchOptimizer, backend: BackendChoice) -> None:
        _check_known(objective, optimizer)
        self._objective = objective
        self._optimizer = optimizer
        self._backend = backend
        self._variants: OrderedDict[object, _Variant] = OrderedDict()

    def __call__(self, inputs: Any, *targets: Any) -> torch.Tensor:
        """Make one step, and return the loss before it."""
        self._optimizer.check_hooks()
        _check_known(self._objective, self._optimizer)
        leaves, spec = pytree.tree_flatten((*_arguments(inputs), targets))
        state: dict[str, torch.Tensor] = dict(self._objective.named_parameters())
        trained = {id(parameter): name for name, parameter in state.items() if parameter.requires_grad}
        state.update(self._objective.named_buffers())
        parts = self._optimizer.parts(trained)
        key = self._key(state, parts, leaves, spec)
        variant = self._variants.get(key)
        if variant is None:
            names = [name for part in parts for name in part.names]
            example = Example(state, names, leaves, spec)
            variant = self._variants[key] = _Variant(self._objective, example, self._optimizer, self._backend)
            while len(self._variants) > MAX_VARIANTS:
                self._variants.popitem(last=False)
        self._variants.move_to_end(key)
        value = variant.run(state, parts, [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)])
        self._optimizer.was_stepped()
        return value

    def _key(
        self, state: Mapping[str, torch.Tensor], parts: Sequence[Part], leaves: Sequence[Any], spec: pytree.TreeSpec
    ) -> object:
        """Return what decides the program."""
        return (
            tuple(map(_signature, leaves)),
            str(spec),
            tuple((name, *_signature(each)) for name, each in state.items()),
            tuple(module.training for module in self._objective.modules()),
            tuple((part.group, tuple(part.names)) for part in parts),
            repr(self._optimizer.others()),
            (torch.is_autocast_enabled("cpu"), torch.get_default_dtype()),
        )

    @property
    def num_variants(self) -> int:
        """How many programs are kept: one for each set of sizes and modes."""
        return len(self._variants)

    @property
    def source(self) -> str:
        """The C of the step that ran last.

        Raises:  ParameterError: nothing ran yet, or the backend makes no text
        """
        return self._newest().source

    def explain(self) -> str:
        """Where the results of the step that ran last are: in place of which parameter or state, or in new memory.

        Raises:  ParameterError: nothing ran yet
        """
        return self._newest().explain()

    def _newest(self) -> CompiledStep:
        newest = next(reversed(self._variants.values()), None)
        if newest is None:
            raise ParameterError("training_step: its program was asked for; expected a step that has run; call it once")
        return newest.step


def _check_known(objective: Objective, optimizer: TorchOptimizer) -> None:
    """Raise unless all parameters of the optimizer are those of the model or the loss."""
    known = {id(parameter) for parameter in objective.parameters()}
    for group in optimizer.groups:
        for parameter in group["params"]:
            if id(parameter) not in known:
                raise OperandError(
                    f"training_step: the optimizer has a parameter of shape {tuple(parameter.shape)} that is none of "
                    f"{type(objective.model).__name__}'s; expected parameters of the model, or of the loss if that is a module; make the "
                    "optimizer from model.parameters()"
                )


def _arguments(inputs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if isinstance(inputs, Mapping):
        return (), dict(inputs)
    return (inputs, {}) if type(inputs) is tuple else ((inputs,), {})


def _signature(leaf: Any) -> tuple[object, ...]:
    if isinstance(leaf, torch.Tensor):
        return tuple(leaf.shape), leaf.dtype, leaf.device
    if leaf is None or isinstance(leaf, bool | int | float | complex | str | torch.dtype | torch.device):
        return type(leaf), repr(leaf)
    raise OperandError(
        f"training_step: an argument is {described(leaf)!s:.60} of type {type(leaf).__name__}; expected torch tensors, numbers and texts, "
        "in containers that torch knows; convert an array with torch.from_numpy"
    )


class _Variant:
    """The step for one set of types.

    own:  names of what the step writes: parameters of the optimizer, buffers; then arguments that the model writes to
    rest: names of the other tensors; data and constants are named by their numbers among the arguments of the graph
    """

    def __init__(
        self, objective: Objective, example: Example, optimizer: TorchOptimizer, backend: BackendChoice
    ) -> None:
        self._joint = joint_graph(objective, example, _ASKED)
        self._optimizer = optimizer
        self._backend = backend if isinstance(backend, str | Mapping) else "numpy"
        names = list(example.state)
        self._names: list[str | int] = [*names, *range(len(names), len(self._joint.fakes))]
        self._updated = set(self._joint.gradients)
        written = {self._names[number] for number in self._joint.written}
        own = [name for name in self._names if name in self._updated or name in written]
        self._own = own
        self._rest = [name for name in self._names if name not in own]
        inputs = [graph_input(fake, None) for fake in self._joint.fakes]
        _, _, self._draws = build_graph(self._joint.module, inputs, self._joint.mode, _ASKED)
        self._groups: Sequence[tuple[int, Sequence[str]]] = ()
        self._others = optimizer.others()
        self.step: CompiledStep = compile_step(self._stepped, backend, donate=(0, 2))

    def _stepped(
        self,
        own: list[Any],
        rest: list[Any],
        slots: list[list[list[Any]]],
        counts: list[Any],
        rates: list[float],
        numbers: list[dict[str, Any]],
        drawn: list[Any],
    ) -> tuple[list[Any], Any, list[list[list[Any]]]]:
        """Return what is written, the loss and the new state, as graph: what is compiled."""
        given = {**dict(zip(self._own, own, strict=True)), **dict(zip(self._rest, rest, strict=True))}
        pairs = zip(self._names, self._joint.fakes, strict=True)
        inputs = [GraphTensor(fake, given[name]) for name, fake in pairs]
        outputs, _, _ = build_graph(self._joint.module, inputs, self._joint.mode, _ASKED, list(drawn))
        loss, *others = [each.lazy for each in outputs]
        count = len(self._joint.gradients)
        gradients = dict(zip(self._joint.gradients, others[:count], strict=True))
        given.update({self._names[k]: new for k, new in zip(self._joint.written, others[count:], strict=True)})
        later = []
        for (group, names), kept, steps in zip(self._groups, slots, counts, strict=True):
            options = {**self._others[group], **numbers[group]}
            before = [given[name] for name in names]
            wide, slopes, slots_of = _wide((before, [gradients[name] for name in names], kept))
            state = {"count": steps, "slots": slots_of}
            stepped, new = self._optimizer.stepped(group, options, wide, slopes, state, rates[group])
            given.update(zip(names, _narrow(stepped, before), strict=True))
            later.append([_narrow(each, old) for each, old in zip(new, kept, strict=True)])
        return [given[name] for name in self._own], loss, later

    def run(
        self, state: Mapping[str, torch.Tensor], parts: Sequence[Part], data: Sequence[torch.Tensor]
    ) -> torch.Tensor:
        """Make a step, and return the loss."""
        parts = [self._used(part) for part in parts]
        self._groups = [(part.group, part.names) for part in parts]
        tensors = [each.detach() for each in (*state.values(), *data, *self._joint.constants)]
        named = dict(zip(self._names, tensors, strict=True))
        slots = [[list(each) for each in part.slots] for part in parts]
        with torch.no_grad():
            drawn = with_draws(tensors, self._draws, self._backend)[len(tensors) :]
            own = [_array_to_write(named[name]) for name in self._own]
            arrays = [[[_array_to_write(slot) for slot in each] for each in part] for part in slots]
            new, loss, later = self.step(
                own,
                [array_of(named[name], _ASKED) for name in self._rest],
                arrays,
                [np.array(part.count) for part in parts],
                self._optimizer.rates(),
                self._optimizer.numbers(),
                [array_of(each, _ASKED) for each in drawn],
            )
            _write([named[name] for name in self._own], own, new)
            _write(_flat(slots), _flat(arrays), _flat(later))
            for part in parts:
                self._optimizer.keep(part)
            return tensor_of(np.asarray(loss)).to(self._joint.loss_dtype)

    def _used(self, part: Part) -> Part:
        """Return the part without parameters that have no gradient, which torch leaves alone."""
        kept = [number for number, name in enumerate(part.names) if name in self._updated]
        return replace(
            part,
            names=[part.names[number] for number in kept],
            parameters=[part.parameters[number] for number in kept],
            slots=[part.slots[number] for number in kept],
        )


def _array_to_write(tensor: torch.Tensor) -> Array:
    """Return an array that a step may write to: the tensor's own memory, or a copy as float32 of bfloat16, which numpy lacks."""
    return shared_array(tensor, _ASKED) if _is_shared(tensor) else np.array(array_of(tensor, _ASKED))


def _is_shared(tensor: torch.Tensor) -> bool:
    return tensor.is_cpu and tensor.dtype is not torch.bfloat16


def _wide(nested: Any) -> Any:
    """Return lists of tensors with those of float16 as float32, in which an update is computed."""
    return pytree.tree_map(lambda each: cnp.astype(each, np.float32) if each.dtype == np.float16 else each, nested)


def _narrow(tensors: Sequence[Any], before: Sequence[Any]) -> list[Any]:
    """Return new values in the dtypes of the old ones."""
    return [cnp.astype(new, old.dtype) for new, old in zip(tensors, before, strict=True)]


def _flat(nested: Sequence[Sequence[Sequence[Any]]]) -> Iterator[Any]:
    return (leaf for some in nested for each in some for leaf in each)


def _write(tensors: Any, before: Any, after: Any) -> None:  # Any: iterables of tensors, and of arrays
    """Put arrays into tensors; those that a step wrote in place only count the write, as torch does."""
    in_place: list[torch.Tensor] = []
    for tensor, old, new in zip(tensors, before, after, strict=True):
        if new is old and _is_shared(tensor):
            in_place.append(tensor)
        else:
            tensor.copy_(tensor_of(np.asarray(new)))
    torch.autograd.graph.increment_version(in_place)
