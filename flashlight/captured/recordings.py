"""`Recording`: a trace of a function, made into the program of a path, and made again for other sizes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch

from composit.backends import Backend, TakesConstants
from composit.errors import GuardError
from composit.evaluation import bind, prepare
from composit.guards import Guard, leaf_value, reads_of
from composit.locks import fork_safe_lock
from composit.program import surroundings_of, without_values
from composit.read_spans import NEVER
from composit.types import LazyTensor
from composit.value import Identity, Value, value_of
from flashlight.capture.recorder import Recorder
from flashlight.capture.traced_tensors import TracedTensor
from flashlight.captured.paths import Origin, Path, Read, Write
from flashlight.conversion import array_of
from flashlight.inputs import TorchInput
from flashlight.sizes.programs import SizedProgram
from flashlight.sizes.recording import SizedRecorder
from flashlight.sizes.sized_tensor import plain
from flashlight.sizes.symbols import known_value

MAX_SIZES = 16  # programs of one path


@dataclass(frozen=True, slots=True)
class Outline:
    """What the programs of a path have in common, at whatever sizes.

    leaves: tensors that are no arguments (parameters), with their lazy tensors; the rest as in Path
    has_constants: whether the backend may store these tensors, until they are written to
    """

    leaves: tuple[tuple[torch.Tensor, LazyTensor], ...]
    dtypes: tuple[torch.dtype, ...]
    writes: tuple[Write, ...]
    output: object
    updates: tuple[tuple[int, Any], ...]
    backend: Backend
    has_constants: bool

    def path(
        self,
        results: Sequence[LazyTensor],
        starts: Sequence[LazyTensor],
        guards: Sequence[Guard],
        number: Callable[[Any], Any] = known_value,
    ) -> Path:
        """Return the program that computes these results from the arguments' lazy tensors."""
        values = [value_of(handle) for handle in results]
        cuts = list(dict.fromkeys(value_of(start) for start in starts))
        bound, _ = bind([*values, *(guard.read for guard in guards)], cuts)
        sources = self._sources(bound.leaves, starts)
        types = [leaf.node.types[leaf.index] for leaf in bound.leaves]
        stored = self._stored(sources)
        program = without_values(bound.program)
        if stored and isinstance(self.backend, TakesConstants):
            constants = {program.inputs[place]: np.array(array_of(each, "capture")) for place, each in stored.items()}
            run = self.backend.prepare_with(program, constants, bound.nodes)
        else:
            stored, run = {}, prepare(bound.program, self.backend, bound.nodes)
        given = [place for place in range(len(sources)) if place not in stored]
        return Path(
            program,
            run,
            surroundings_of(bound.program.labels),
            tuple(sources[place] for place in given),
            tuple(types[place] for place in given),
            self.dtypes,
            tuple(Read(guard.kind, guard.source, np.asarray(guard.value), guard.is_rounded) for guard in guards),
            self.writes,
            self.output,
            self.updates,
            number,
            tuple((each, each._version) for each in stored.values()),
        )

    def _stored(self, sources: Sequence[Origin]) -> dict[int, torch.Tensor]:
        """Return the tensors that the backend may store, by their places: none where the call writes to tensors."""
        if not self.has_constants or self.writes:
            return {}
        return {
            place: each
            for place, each in enumerate(sources)
            if isinstance(each, torch.Tensor) and not each.is_inference()
        }

    def _sources(self, leaves: Sequence[Value], starts: Sequence[LazyTensor]) -> list[Origin]:
        known: dict[Identity, int | torch.Tensor] = {value_of(start).identity: tensor for tensor, start in self.leaves}
        known |= {value_of(start).identity: position for position, start in enumerate(starts)}
        return [known[leaf.identity] if leaf.identity in known else leaf_value(leaf) for leaf in leaves]


class PathFamily:
    """A path, and what it is at other sizes.

    first:  the path at the sizes of the trace
    resize: makes the path at other sizes; None if there are no named sizes
    """

    def __init__(
        self, first: Path, sizes: Mapping[str, int], resize: Callable[[Mapping[str, int]], Path] | None
    ) -> None:
        self.first = first
        self._resize = resize
        self._sizes = dict(sizes)
        # Sizes at which the trace does not hold are kept too: building finds that out late.
        self._others: OrderedDict[tuple[int, ...], Path | str] = OrderedDict()
        self._lock = fork_safe_lock()

    def at(self, sizes: Mapping[str, int]) -> Path:
        """Return the path at these sizes.

        Raises:  GuardError: the trace does not hold for them
        """
        if self._resize is None or sizes == self._sizes:
            return self.first
        key = tuple(sizes[name] for name in self._sizes)
        with self._lock:
            if key not in self._others:
                self._others[key] = self._made(self._resize, sizes)
            self._others.move_to_end(key)
            while len(self._others) > MAX_SIZES:
                self._others.popitem(last=False)
            found = self._others[key]
        if isinstance(found, str):
            raise GuardError(found)
        return found

    def _made(self, resize: Callable[[Mapping[str, int]], Path], sizes: Mapping[str, int]) -> Path | str:
        try:
            return resize(sizes)
        except GuardError as error:
            return str(error)


class Recording:
    """An open trace of a function after the call.

    starts:  the lazy tensors of the arguments at the start
    outputs: the tensors that the function returns or stores
    """

    def __init__(
        self,
        recorder: Recorder,
        arguments: Sequence[torch.Tensor],
        starts: Sequence[LazyTensor],
        outputs: Sequence[torch.Tensor],
    ) -> None:
        self._recorder = recorder
        self._arguments = [plain(tensor) for tensor in arguments]
        self._starts = list(starts)
        self._outputs = list(outputs)
        self._written = self._find_written()
        self._guards = self._find_guards()

    def family(self, output: object, updates: Any, runs: tuple[Backend, bool], sizes: Mapping[str, int]) -> PathFamily:
        """Return the path. output, updates: as in Path; runs: backend and has_constants of Outline; sizes: named sizes of the arguments"""
        results = [*self._outputs, *self._written]
        places = {id(tensor): position for position, tensor in enumerate(self._arguments)}
        targets = [places.get(id(tensor), tensor) for tensor in self._written]
        own = {value_of(start).identity for start in self._starts}
        outline = Outline(
            tuple((tensor, start) for tensor, start in self._leaves() if value_of(start).identity not in own),
            tuple(tensor.dtype for tensor in results),
            tuple(Write(target, len(self._outputs) + position) for position, target in enumerate(targets)),
            output,
            updates,
            *runs,
        )
        handles = [self._recorder.lazy_of(plain(tensor)) for tensor in results]
        first = outline.path(handles, self._starts, self._guards)
        return PathFamily(first, sizes, self._resize(outline, results) if sizes else None)

    def _resize(self, outline: Outline, results: Sequence[torch.Tensor]) -> Callable[[Mapping[str, int]], Path] | None:
        recorder = self._recorder
        assert isinstance(recorder, SizedRecorder), "named sizes are recorded by a recorder of their own"
        numbers = [recorder.mode.number_of(tensor) for tensor in results]
        inputs = [recorder.mode.ordinary.get(id(tensor)) for tensor in self._arguments]
        operations = [
            start.node.operation for start, number in zip(self._starts, inputs, strict=True) if number is not None
        ]
        starts = [None if number is not None else start for start, number in zip(self._starts, inputs, strict=True)]
        input_ = next(each for each in operations if isinstance(each, TorchInput))
        return partial(_resized, input_, outline, numbers, inputs, starts)

    def _find_guards(self) -> list[Guard]:
        """Return the reads of this trace, in their order."""
        record = self._recorder.trace
        found = {id(guard): guard for guard in record.reads if guard.after < NEVER}
        nodes = [start.node for start in [*self._starts, *(start for _, start in self._leaves())]]
        for node in nodes:
            # Reads by composit's own functions are noted with the inputs alone.
            found |= {id(guard): guard for guard in reads_of(node) if record.span.start <= guard.after < NEVER}
        return sorted(found.values(), key=lambda guard: guard.after)

    def _leaves(self) -> list[tuple[torch.Tensor, LazyTensor]]:
        found = ((traced.tensor(), traced) for traced in self._recorder.trace.leaves)
        return [(tensor, traced.__lazy_inputs__()[0]) for tensor, traced in found if tensor is not None]

    def _find_written(self) -> list[torch.Tensor]:
        traced: dict[int, TracedTensor] = {id(each): each for each in self._recorder.trace.written}
        found = [(each.tensor(), each) for each in traced.values() if each.is_written()]
        return [tensor for tensor, _ in found if tensor is not None]

    def why_not_again(self) -> list[str]:
        """Return what this trace did that a program cannot do again."""
        moved = self._recorder.trace.moved
        if moved:
            return [f"it gives a tensor of shape {moved[0]} from outside other memory or another shape"]
        graded = [tensor for tensor, _ in self._leaves() if _has_new_gradient(tensor, self._recorder)]
        found = [
            f"it sets .grad of a tensor of shape {tuple(tensor.shape)} (flashlight.training_step compiles a step of training)"
            for tensor in graded[:1]
        ]
        if self._recorder.trace.has_threads:
            found.append("another thread took part, and what its code reads is not followed")
        return found


def _resized(
    given: TorchInput,
    outline: Outline,
    numbers: Sequence[int],
    inputs: Sequence[int | None],
    starts: Sequence[LazyTensor | None],
    sizes: Mapping[str, int],
) -> Path:
    """Return the path at other sizes.

    given:   an input with named sizes, which knows the trace's program; numbers: of the results on its tape
    inputs:  the numbers of arguments with named sizes; starts: the lazy tensors of the others

    Raises:  GuardError: the trace does not hold for these sizes
    """
    program = given.sized_program
    assert isinstance(program, SizedProgram), "the trace has ended"
    graph = program.graph_at(sizes)
    own = [graph.inputs[number] if number is not None else start for number, start in zip(inputs, starts, strict=True)]
    known = [start for start in own if start is not None]
    return outline.path([graph.values[number] for number in numbers], known, graph.guards, program.number_at(sizes))


def _has_new_gradient(tensor: torch.Tensor, recorder: Recorder) -> bool:
    gradient = tensor.grad if tensor.is_leaf else None
    traced = getattr(gradient, "__lazy_tensor__", None)
    return isinstance(traced, TracedTensor) and traced.seen_in is recorder.trace
