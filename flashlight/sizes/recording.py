"""`SizedMode`: records a trace on sized tensors, operation by operation, on its tape."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch._ops import HigherOrderOperator, OpOverload, OpOverloadPacket

from composit.errors import UnsupportedOperationError
from composit.errstates import SILENT_ERRSTATE, current_errstate, set_errstate
from composit.guards import Guard
from composit.node import current_scope
from composit.source import find_source
from composit.types import LazyTensor
from composit.value import Identity, value_of
from flashlight.capture.memory import Memory
from flashlight.capture.recorder import Recorder
from flashlight.capture.torch_modes import RecordingMode, wrapper_among
from flashlight.capture.trace_record import TraceRecord
from flashlight.capture.traced_tensors import TracedTensor, traced_tensor_of
from flashlight.comparison import TorchValues
from flashlight.conversion import array_of
from flashlight.sizes.leaves import each_leaf, leaves_of
from flashlight.sizes.metadata import Metadata
from flashlight.sizes.shape_rules import ShapeRules
from flashlight.sizes.sized_tensor import SizedTensor, Sizing, plain
from flashlight.sizes.symbols import Sizes, known_value
from flashlight.sizes.tape import Reference, Repeated, Result, Step, Tape
from flashlight.table import Traits, traits_of

aten = torch.ops.aten
Operator = OpOverload[..., Any]

# What is answered from the expressions.
_ANSWERS: dict[OpOverloadPacket[..., Any], Callable[..., Any]] = {
    aten.dim: lambda known: len(known.shape),
    aten.sym_size: lambda known, *dim: known.shape[dim[0]] if dim else known.shape,
    aten.sym_stride: lambda known, *dim: known.strides[dim[0]] if dim else known.strides,
    aten.sym_numel: lambda known: known.numel,
    aten.sym_storage_offset: lambda known: known.offset,
    # What torch's C++ asks where it knows no expressions: the lengths become numbers, which conditions note.
    aten.size: lambda known, *dim: _as_numbers(known.shape[dim[0]] if dim else known.shape),
    aten.stride: lambda known, *dim: _as_numbers(known.strides[dim[0]] if dim else known.strides),
    aten.numel: lambda known: int(known.numel),
    aten.storage_offset: lambda known: int(known.offset),
}
_STRIDES = frozenset((aten.sym_stride, aten.stride))
# How the elements lie, as they do: it decides between ways to compute the same.
_OF_MEMORY = frozenset(
    (aten.is_contiguous, aten.is_strides_like_format, aten.is_non_overlapping_and_dense, aten.sym_is_contiguous)
)


def _ordinary(leaf: Any) -> object:
    """Return what torch computes with: the tensor behind a sized one, the number behind an expression."""
    return leaf.sizing.ordinary if isinstance(leaf, SizedTensor) else known_value(leaf)


def _as_numbers(lengths: Any) -> object:
    return tuple(int(length) for length in lengths) if isinstance(lengths, tuple | list) else int(lengths)


class SizedRecorder(Recorder):
    """Records the ordinary tensors behind sized ones.

    on_fill: called where memory was filled that no operation filled; mode: of the trace
    """

    on_fill: Callable[[], None]
    mode: SizedMode

    def enter(self, module: torch.nn.Module, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> None:
        """Open the scope of a module."""
        super().enter(module, plain(tuple(arguments)), plain(dict(keywords)))

    def _meet_other_thread(self) -> None:
        self.mode.obstruct("it uses a tensor of a thread that it did not start")
        super()._meet_other_thread()

    def rebind(self, tensor: torch.Tensor, other: torch.Tensor, run: Callable[[], object]) -> torch.Tensor:
        """Follow `tensor.data = other`, at the sizes of the trace alone."""
        self.mode.obstruct("tensor.data was assigned to")
        return super().rebind(plain(tensor), plain(other), run)

    def alias(self, other: torch.Tensor, tensor: torch.Tensor) -> None:
        """Make a tensor a second one on the same elements, as `torch.nn.Parameter(tensor)` does."""
        super().alias(plain(other), plain(tensor))

    def leave(self, module: torch.nn.Module, output: Any) -> None:
        """Close the scope of a module."""
        super().leave(module, plain(output))

    def _fill(self, traced: TracedTensor, value: LazyTensor) -> None:
        self.on_fill()
        super()._fill(traced, value)


class SizedMode(RecordingMode):
    """Hands each operation to the recorder on ordinary tensors, and notes it on the tape."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.tape = Tape(sizes)
        self.made: list[Any] = []  # Any: weak references to sized tensors
        self.rules = ShapeRules(sizes.environment)
        self._leaves: dict[int, tuple[int, Metadata]] = {}
        self._is_inside = False
        self.memories: list[Memory] = []
        # The numbers of the tensors with named sizes, by the id of the ordinary one, and their memories.
        self.ordinary: dict[int, int] = {}

    def record(self, record: TraceRecord, values: TorchValues | None) -> SizedRecorder:
        """Begin to record in a trace."""
        made = SizedRecorder(lambda: self, values, record)
        made.mode = self
        made.on_fill = lambda: self.obstruct("torch filled memory through a pointer")
        self.recorder = made
        return made

    @property
    def is_recording(self) -> bool:
        """Whether operations are recorded now."""
        return self.recorder.trace.is_open and not self.recorder.is_paused

    def __torch_dispatch__(
        self,
        func: Operator | HigherOrderOperator,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> object:
        """Answer questions about shapes, and record everything else."""
        if args and isinstance(args[0], SizedTensor) and isinstance(func, OpOverload):
            answer = self._answer(func, args[0].sizing, args[1:], kwargs or {})
            if answer is not NotImplemented:
                return answer
        if not self.is_recording:
            args, kwargs = plain((args, kwargs or {}))
            return func(*args, **(kwargs or {}))
        # Classes of tensors that consist of others; sized ones are ours.
        others = [kind for kind in types or () if not issubclass(kind, SizedTensor)]
        # A part of an operation is on the tape with the whole.
        if self._is_inside or isinstance(func, HigherOrderOperator) or wrapper_among(others) is not None:
            return super().__torch_dispatch__(func, others, args, kwargs)
        before = current_errstate()
        set_errstate(SILENT_ERRSTATE)
        try:
            return self._run(func, args, kwargs or {})
        finally:
            set_errstate(before)

    def _answer(self, func: Operator, sizing: Sizing, rest: Sequence[Any], kwargs: Mapping[str, Any]) -> object:
        if func.overloadpacket in _OF_MEMORY:
            return func(sizing.ordinary, *rest, **kwargs)
        answer = _ANSWERS.get(func.overloadpacket)
        if answer is None:
            return NotImplemented
        if func.overloadpacket in _STRIDES:
            self.tape.strided.add(sizing.index)
        return answer(sizing.shape_of if self.recorder.trace.is_open else self.rules.like(sizing.ordinary), *rest)

    def sized(self, ordinary: torch.Tensor, shape_of: Metadata) -> SizedTensor:
        """Return a new sized tensor of the tape."""
        return SizedTensor.make(Sizing(ordinary, shape_of, self.tape.new_index(), self))

    def leave(self, tensor: SizedTensor, function: Callable[[torch.Tensor], Any]) -> object:
        """Return what a function of Python makes of a tensor's values; its lengths become numbers."""
        if not self.is_recording:
            return function(tensor.sizing.ordinary)
        _as_numbers(tensor.sizing.shape_of.shape)
        known = len(self.recorder.trace.reads)
        value = function(tensor.sizing.ordinary)
        operands = {value_of(self.recorder.lazy_of(tensor.sizing.ordinary)).identity: tensor.sizing.index}
        reads = self._reads_since(known, operands)
        self.tape.steps += reads or [
            Repeated(tensor.sizing.index, "numpy", np.array(array_of(tensor.sizing.ordinary)), find_source())
        ]
        return value

    def obstruct(self, what: str) -> None:
        """Note something that cannot be done again at other sizes."""
        self.tape.obstacles.append((what, find_source()))

    def _run(self, func: Operator, args: Any, kwargs: Any) -> object:
        given = (tuple(args), dict(kwargs))
        leaves = leaves_of(given)
        noted_args, noted_kwargs = each_leaf(given, self._argument)
        traits, known = traits_of(func), len(self.recorder.trace.reads)
        operands = self._operands(leaves) if traits.reads_values else {}
        state = torch.get_rng_state() if traits.is_random else None
        own_args, own_kwargs = each_leaf(given, _ordinary)
        self._is_inside = True
        try:
            result = self.recorder.run(func, own_args, own_kwargs)
        finally:
            self._is_inside = False
        is_drawn = state is not None and (
            any(isinstance(leaf, torch.Generator) for leaf in leaves) or not torch.equal(state, torch.get_rng_state())
        )
        reads, parts = self._reads_since(known, operands), leaves_of(result)
        shapes = None if reads else self._shapes(func, given, parts, traits)
        by_values = shapes is None
        if shapes is None:
            shapes = self._fixed(parts)
            reads += self._unguarded_reads(func, leaves, parts, {read.operand for read in reads})
        owners = {id(_ordinary(leaf)): leaf for leaf in leaves if isinstance(leaf, torch.Tensor)}
        results = [self._result(part, shape_of, owners) for part, shape_of in zip(parts, shapes, strict=True)]
        noted = tuple(self._noted(part) for part in results if isinstance(part, torch.Tensor))
        if is_drawn:
            self._check_draw(traits, noted)
        lazies = self._lazies(parts) if is_drawn or by_values else None
        scope, source = current_scope(), find_source()
        self.tape.steps.append(Step(func, noted_args, noted_kwargs, noted, tuple(reads), lazies, scope, source))
        following = iter(results)
        return each_leaf(result, lambda _: next(following))

    def _argument(self, leaf: Any) -> object:
        return Reference(self.number_of(leaf)) if isinstance(leaf, torch.Tensor) else leaf

    def number_of(self, tensor: torch.Tensor) -> int:
        """Return the number of a tensor on the tape."""
        if isinstance(tensor, SizedTensor):
            return tensor.sizing.index
        return self.ordinary[id(tensor)] if id(tensor) in self.ordinary else self._leaf(tensor)[0]

    def _leaf(self, tensor: torch.Tensor) -> tuple[int, Metadata]:
        """Return the number and the shape of a tensor that the trace did not make."""
        known = self._leaves.get(id(tensor))
        if known is None:
            self.recorder.read(tensor)
            traced = traced_tensor_of(tensor)
            assert traced is not None, "the tensor was read"
            self._check_leaf(traced)
            known = self._leaves[id(tensor)] = (self.tape.new_index(), self.rules.like(tensor))
            # Kept by the tape, so that no other tensor gets its id.
            self.tape.leaves[known[0]] = (tensor, traced.value_at_start(self.recorder.trace))
        return known

    def _check_leaf(self, traced: TracedTensor) -> None:
        if any(root.made_in is self.recorder.trace for root in traced.memory.roots):
            self.obstruct(
                "a tensor is used that was made where sizes are not followed (torch.nn.Parameter of a result)"
            )
        if any(traced.memory is memory for memory in self.memories):
            self.obstruct("a tensor that is used here shares memory with one that has named sizes")

    def _operands(self, leaves: Sequence[Any]) -> dict[Identity, int]:
        found = {}
        for leaf in leaves:
            if isinstance(leaf, torch.Tensor):
                found[value_of(self.recorder.read(plain(leaf))).identity] = self.number_of(leaf)
        return found

    def _unguarded_reads(
        self, func: Operator, leaves: Sequence[Any], parts: Sequence[Any], guarded: Collection[int | None]
    ) -> list[Repeated]:
        """Return the reads of values that no input can change, but sizes can: `arange(length).sum().item()`."""
        kind, source = str(func), find_source()
        if traits_of(func).row is not None and isinstance(parts[0], bool):
            return [] if None in guarded else [Repeated(None, "bool", np.array(parts[0]), source)]
        numbers = {self.number_of(leaf): plain(leaf) for leaf in leaves if isinstance(leaf, torch.Tensor)}
        return [
            Repeated(number, kind, np.array(array_of(tensor)), source)
            for number, tensor in numbers.items()
            if number not in guarded
        ]

    def _shapes(self, func: Operator, given: Any, parts: Sequence[Any], traits: Traits) -> list[Metadata | None] | None:
        """Return the shapes of the results, None for a result that is no tensor; None for all if values decide."""
        if not any(isinstance(part, torch.Tensor) for part in parts):
            return None if traits.reads_values else self._fixed(parts)
        args, kwargs = each_leaf(given, self._shape_of)
        try:
            return self.rules.results(func, args, kwargs, parts)
        except UnsupportedOperationError as error:
            self.obstruct(str(error))
            return self._fixed(parts)

    def _shape_of(self, leaf: Any) -> object:
        if isinstance(leaf, SizedTensor):
            return leaf.sizing.shape_of
        return self._leaf(leaf)[1] if isinstance(leaf, torch.Tensor) else leaf

    def _fixed(self, parts: Sequence[Any]) -> list[Metadata | None]:
        return [self.rules.like(part) if isinstance(part, torch.Tensor) else None for part in parts]

    def _result(self, part: Any, shape_of: Metadata | None, given: Mapping[int, torch.Tensor]) -> object:
        if shape_of is None:
            return part
        known = given.get(id(part))
        if known is not None:
            if isinstance(known, SizedTensor):
                # The operation may have changed the shape of its argument.
                known.sizing.shape_of = shape_of
            return known
        made = self.sized(part, shape_of)
        self.made.append(weakref.ref(made))
        return made

    def _noted(self, tensor: torch.Tensor) -> Result:
        index, shape_of = (
            (tensor.sizing.index, tensor.sizing.shape_of) if isinstance(tensor, SizedTensor) else self._leaf(tensor)
        )
        return Result(index, shape_of)

    def _check_draw(self, traits: Traits, noted: Sequence[Result]) -> None:
        lengths = [length for result in noted for length in result.metadata.shape]
        if traits.row is not None or not self.tape.sizes.is_fixed(lengths):
            self.obstruct("random numbers were drawn, whose number may depend on a size")

    def _lazies(self, parts: Sequence[Any]) -> tuple[LazyTensor, ...]:
        return tuple(self.recorder.read(part) for part in parts if isinstance(part, torch.Tensor))

    def _reads_since(self, known: int, operands: Mapping[Identity, int]) -> list[Repeated]:
        return [self._repeated(guard, operands) for guard in self.recorder.trace.reads[known:]]

    def _repeated(self, guard: Guard, operands: Mapping[Identity, int]) -> Repeated:
        return Repeated(operands.get(guard.read.identity), guard.kind, guard.value, guard.source)
