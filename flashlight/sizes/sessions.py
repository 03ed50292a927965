"""`sized` opens a trace with named sizes. The user's own tensors are sized tensors meanwhile: `tokens.shape[1]` is a size.

What two tensor objects are is exchanged: the sized tensor's object, which nobody else has, is the ordinary tensor meanwhile.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch

from composit.errors import OperandError, ParameterError, ShapeError
from composit.guards import reads_of
from composit.handle import described
from composit.read_spans import NEVER
from flashlight.capture.patches import patched
from flashlight.capture.tensor_attributes import attribute_of
from flashlight.capture.trace_record import TraceRecord
from flashlight.capture.traced_tensors import traced_tensor_of
from flashlight.inputs import TorchInput
from flashlight.sizes.programs import Final, attach_program
from flashlight.sizes.recording import SizedMode
from flashlight.sizes.sized_tensor import SizedTensor
from flashlight.sizes.symbols import Sizes
from flashlight.sizes.tape import DynamicInput
from flashlight.sizes.whole_operations import whole_patches

Dynamic = Mapping[torch.Tensor, Mapping[int, str]]
NamedShape = tuple[int | str, ...]


def sizes_of(dynamic: Dynamic) -> tuple[Sizes, list[tuple[torch.Tensor, NamedShape]]]:
    """Return the named sizes, and the shape of each tensor with names in it.

    Raises:  OperandError, ParameterError: what was given for `dynamic=` names no sizes; ShapeError: one name has two sizes
    """
    sizes, shapes = Sizes(), []
    if not isinstance(dynamic, Mapping):
        raise OperandError(
            f"trace: dynamic={described(dynamic):.80} was given; expected a mapping from tensors to names of their sizes by axis; write "
            'dynamic={tokens: {0: "batch", 1: "length"}}'
        )
    for tensor, names in dynamic.items():
        _check(tensor, names)
        shape: list[int | str] = list(tensor.shape)
        for axis, name in names.items():
            known = sizes.values.get(name, tensor.shape[axis])
            if known != tensor.shape[axis]:
                raise ShapeError(
                    f"trace: dynamic= names axis {axis} of a tensor of shape {tuple(tensor.shape)} {name!r}, which is {known} elsewhere; "
                    "expected one size for one name; use another name"
                )
            sizes.size(name, tensor.shape[axis])
            shape[axis] = name
        shapes.append((tensor, tuple(shape)))
    _check_memory([tensor for tensor, _ in shapes])
    return sizes, shapes


def _check(tensor: Any, names: Any) -> None:
    if not isinstance(tensor, torch.Tensor) or not isinstance(names, Mapping):
        raise OperandError(
            f"trace: dynamic= has {described(tensor):.60} of type {type(tensor).__name__} with {names!r:.60}; expected torch tensors "
            'with names by axis; write dynamic={tokens: {0: "batch", 1: "length"}}'
        )
    for axis, name in names.items():
        if not isinstance(axis, int) or not -tensor.ndim <= axis < tensor.ndim or not isinstance(name, str) or not name:
            raise ParameterError(
                f"trace: dynamic= names axis {axis!r:.20} of a tensor of shape {tuple(tensor.shape)} {name!r:.40}; expected one of its "
                f"{tensor.ndim} axes and a name; write {{0: 'batch'}}"
            )
    if tensor.requires_grad or tensor.layout is not torch.strided or tensor.is_nested:
        raise OperandError(
            f"trace: dynamic= has a tensor of shape {tuple(tensor.shape)} that requires a gradient, or is sparse or nested; expected a "
            "strided tensor without autograd; give the trace tensor.detach()"
        )


def _check_memory(tensors: Sequence[torch.Tensor]) -> None:
    storages = [tensor.untyped_storage()._cdata for tensor in tensors]
    if len(set(storages)) < len(storages):
        raise OperandError(
            f"trace: dynamic= has {len(tensors)} tensors of which two share memory; expected tensors of their own, since others will be "
            "given in their places; give the trace a clone"
        )


@contextmanager
def sized(dynamic: Dynamic, record: TraceRecord) -> Iterator[SizedMode]:
    """Give the mode that records a trace with these sizes; afterwards, let arrays of other sizes be given for the tensors.

    Raises:  as `sizes_of`; OperandError: another trace computed a tensor
    """
    sizes, shapes = sizes_of(dynamic)
    mode = SizedMode(sizes)
    mode.record(record, None)
    swapped = SwappedTensors(mode)
    try:
        swapped.begin(shapes)
        with patched(whole_patches()):
            yield mode
        attach_program(mode.tape, _finals_of(mode, swapped.ordinary_tensors()))
    finally:
        sizes.environment.is_open = False
        swapped.end()


def _finals_of(mode: SizedMode, given: Mapping[int, torch.Tensor]) -> list[Final]:
    """Return what living tensors of the trace hold at its end, and make ordinary tensors of its results."""
    mode.recorder.settle()
    _note_other_reads(mode, [*given.values(), *(tensor for tensor, _ in mode.tape.leaves.values())])
    alive = [tensor for tensor in (reference() for reference in mode.made) if tensor is not None]
    mode.made.clear()
    ordinary = {tensor.sizing.index: tensor.sizing.ordinary for tensor in alive} | dict(given)
    ordinary |= {index: tensor for index, (tensor, _) in mode.tape.leaves.items()}
    lazies = {index: mode.recorder.lazy_of(tensor) for index, tensor in ordinary.items()}
    for tensor in alive:
        # Autograd follows the sized tensor.
        if not tensor.requires_grad:
            swap(tensor, tensor.sizing.ordinary)
    return [(index, lazy.output_index, weakref.ref(lazy.node)) for index, lazy in lazies.items()]


def _note_other_reads(mode: SizedMode, tensors: Sequence[torch.Tensor]) -> None:
    """Note reads by composit's own functions, which no operation of torch repeats."""
    record = mode.recorder.trace
    known = {id(guard) for guard in record.reads}
    for tensor in tensors:
        traced = traced_tensor_of(tensor)
        for start in [] if traced is None else traced.__lazy_inputs__():
            for guard in reads_of(start.node):
                if record.span.start <= guard.after < NEVER and id(guard) not in known:
                    mode.tape.obstacles.append(("one of composit's functions read a value", guard.source))


class SwappedTensors:
    """The tensors of `dynamic=` while the trace is open, with the objects that are the ordinary ones meanwhile."""

    def __init__(self, mode: SizedMode) -> None:
        self._mode = mode
        self._swapped: list[tuple[torch.Tensor, torch.Tensor]] = []

    def begin(self, shapes: Sequence[tuple[torch.Tensor, NamedShape]]) -> None:
        """Make sized tensors of the user's; the mode is not active yet.

        Raises:  OperandError: another trace computed a tensor
        """
        for tensor, shape in shapes:
            strides = tensor.stride()
            order = tuple(sorted(range(tensor.ndim), key=lambda axis: -strides[axis]))
            sizes = self._mode.tape.sizes
            lengths = [sizes.size(each, 0) if isinstance(each, str) else each for each in shape]
            sized_tensor = self._mode.sized(tensor, self._mode.rules.empty(lengths, order, tensor.dtype))
            index, dtype = sized_tensor.sizing.index, tensor.dtype
            swap(tensor, sized_tensor)
            ordinary: torch.Tensor = sized_tensor
            self._mode.ordinary[id(ordinary)] = index
            self._swapped.append((tensor, ordinary))
            self._mode.tape.inputs.append(DynamicInput(index, shape, order, dtype, self._fresh_input(ordinary)))

    def _fresh_input(self, ordinary: torch.Tensor) -> weakref.ref[TorchInput]:
        self._mode.recorder.trace.own(ordinary)
        self._mode.recorder.lazy_of(ordinary)
        traced = traced_tensor_of(ordinary)
        if traced is None or traced.node is None:
            raise OperandError(
                f"trace: dynamic= has a tensor of shape {tuple(ordinary.shape)} that another trace computed; expected a tensor from "
                "outside of traces; give the trace tensor.clone(), or trace both parts at once"
            )
        self._mode.memories.append(traced.memory)
        operation = traced.renew().node.operation
        assert isinstance(operation, TorchInput)
        return weakref.ref(operation)

    def ordinary_tensors(self) -> dict[int, torch.Tensor]:
        """Return the ordinary tensors by number, and note the names that they have got."""
        tape = self._mode.tape
        for position, (each, (_, ordinary)) in enumerate(zip(tape.inputs, self._swapped, strict=True)):
            tape.inputs[position] = replace(each, label=_label_of(ordinary))
        return {each.index: ordinary for each, (_, ordinary) in zip(tape.inputs, self._swapped, strict=True)}

    def end(self) -> None:
        """Make ordinary tensors of the user's again."""
        while self._swapped:
            tensor, ordinary = self._swapped.pop()
            swap(tensor, ordinary)
            traced = traced_tensor_of(tensor)
            for start in [] if traced is None else traced.__lazy_inputs__():
                if isinstance(start.node.operation, TorchInput):
                    start.node.operation.follow(ordinary, tensor)


def _label_of(tensor: torch.Tensor) -> str | None:
    traced = traced_tensor_of(tensor)
    starts = [] if traced is None else traced.__lazy_inputs__()
    return starts[0].node.label if starts else None


def swap(first: torch.Tensor, second: torch.Tensor) -> None:
    """Exchange what two tensor objects are, a sized one and its ordinary one.

    Unlike torch.utils.swap_tensors, also where autograd has kept one of them: it then holds the sized tensor, wherever that is.
    """
    records = [each for each in (attribute_of(first), attribute_of(second)) if each is not None]
    for record in records:
        record.let_go()
    first_class, first_attributes = first.__class__, first.__dict__
    first.__class__, first.__dict__ = second.__class__, second.__dict__
    second.__class__, second.__dict__ = first_class, first_attributes
    torch._C._swap_tensor_impl(first, second)
    for tensor, other in ((first, second), (second, first)):
        record = attribute_of(tensor)
        if record is not None:
            record.take(tensor)
        if isinstance(tensor, SizedTensor):
            tensor.sizing.ordinary = other
