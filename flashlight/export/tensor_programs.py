"""`TensorProgram`: a program as a function from torch tensors to torch tensors, and its derivative as another one."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias
from weakref import WeakValueDictionary

import numpy as np
import torch

from composit.apply import input_of, placeholder
from composit.backends import BackendChoice, ForPrograms, PreparedProgram, backend_for_parts, get_backend
from composit.errors import DtypeError, OperandError, ParameterError, ShapeError
from composit.evaluation import bind, owned, prepare
from composit.guards import leaf_value
from composit.handle import described
from composit.nn import chain_rule
from composit.nn.scans.body import replayed
from composit.operation import Array, TensorType, tensor_type
from composit.program import Program, run_in, surroundings_of, without_values
from composit.types import LazyTensor
from composit.value import Value, value_of
from flashlight.conversion import NUMPY_TO_TORCH, array_of, tensor_of

# For each input of a program: the number of a tensor that a call gives, or an array that is always the same.
Sources: TypeAlias = tuple[int | Array, ...]


class TensorFunction(Protocol):
    """What the operator composit::run_program runs: a function of tensors that has derivatives, and a key by which it is found."""

    @property
    def key(self) -> str:
        """What the operator is called with."""
        ...

    def __call__(self, tensors: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """Return the outputs, on memory of their own."""
        ...

    def empty_results(self, tensors: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """Return tensors of the types of the outputs, without values, for tensors that may have none."""
        ...

    def pullback(self, wanted: Sequence[int], count: int) -> TensorFunction:
        """Return the function of the gradients by the tensors at these positions, of `count` that this one takes."""
        ...


# Functions by their keys, while a module or a compiled graph holds them: what the operator composit::run_program finds them in.
_programs: WeakValueDictionary[str, TensorFunction] = WeakValueDictionary()
# Kinds of functions that are made when their key is first asked for, by what the key begins with.
_makers: dict[str, Callable[[str], TensorFunction | None]] = {}


class TensorProgram:
    """A program as a function of torch tensors: it takes one tensor per type in `input_types`, and returns fresh ones.

    Memory is shared with numpy on the way in and on the way out. Two with the same key compute the same.
    """

    __slots__ = (
        "__weakref__",
        "_backend",
        "_equal",
        "_gradient_backend",
        "_is_part",
        "_prepared",
        "_pullbacks",
        "_sources",
        "_surroundings",
        "input_types",
        "key",
        "output_types",
        "program",
    )

    def __init__(
        self,
        program: Program,
        sources: Sources,
        input_types: Sequence[TensorType],
        backend: BackendChoice,
        is_part: bool = False,
        gradient_backend: BackendChoice | None = None,
    ) -> None:
        self.program = without_values(program)
        self.input_types = tuple(input_types)
        self.output_types = tuple(program.instructions[source].types[index] for source, index in program.outputs)
        self._sources = sources
        self._backend = dict(backend) if isinstance(backend, Mapping) else backend
        self._gradient_backend = self._backend if gradient_backend is None else gradient_backend
        self._is_part = is_part
        self._surroundings = surroundings_of(program.labels)
        self._prepared: PreparedProgram | None = None
        self._pullbacks: dict[tuple[int, ...], TensorProgram] = {}
        self.key = self._digest()
        known = _programs.setdefault(self.key, self)
        # The one that the key finds stays as long as any of its equals.
        self._equal = None if known is self else known

    @property
    def sources(self) -> Sources:
        """Of each input of the program: the number of a tensor that a call gives, or an array."""
        return self._sources

    def _digest(self) -> str:
        digest = hashlib.sha256(self.program.digest)
        for source in self._sources:
            if isinstance(source, int):
                digest.update(b"%d;" % source)
            else:
                digest.update(np.ascontiguousarray(source).tobytes())
        # The repr of a backend object names that object: this program keeps it alive.
        digest.update(
            f"{self._backend!r} {self._gradient_backend!r} {[str(each) for each in self.input_types]}".encode()
        )
        return digest.hexdigest()

    def __reduce__(self) -> tuple[Callable[..., TensorProgram], tuple[object, ...]]:
        parts = (self.program, self._sources, self.input_types, self._backend, self._is_part, self._gradient_backend)
        return TensorProgram, parts

    def __deepcopy__(self, memo: object) -> TensorProgram:
        """Return itself: it never changes."""
        return self

    def __call__(self, tensors: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """Return the outputs for one tensor per input.

        Raises:  OperandError, ShapeError, DtypeError: the tensors are not of the types of the program's inputs
        """
        self.check(tensors)
        if self._prepared is None:
            self._prepared = prepare(self.program, (backend_for_parts if self._is_part else get_backend)(self._backend))
        arrays = [array_of(tensor, "run") for tensor in tensors]
        values = [arrays[source] if isinstance(source, int) else source for source in self._sources]
        results = owned(run_in(self._surroundings, self._prepared, values))
        device = tensors[0].device if tensors else torch.device("cpu")
        made = [tensor_of(np.asarray(result)) for result in results]
        return made if device.type == "cpu" else [each.to(device) for each in made]

    def empty_results(self, tensors: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """Return tensors of the types of the outputs, without values: what torch.compile knows of a call."""
        self.check(tensors)
        device = tensors[0].device if tensors else torch.device("cpu")
        return [torch.empty(each.shape, dtype=NUMPY_TO_TORCH[each.dtype], device=device) for each in self.output_types]

    def check(self, tensors: Sequence[torch.Tensor], names: Sequence[str] = (), asked: str = "run") -> None:
        """Raise unless the tensors have the types of the inputs. names: what the inputs are called; asked: what was asked for"""
        if len(tensors) != len(self.input_types):
            raise OperandError(
                f"{asked}: {len(tensors)} tensors were given to a program of {len(self.input_types)}; expected one for each input, in order"
            )
        for number, (tensor, expected) in enumerate(zip(tensors, self.input_types, strict=True)):
            name = names[number] if names else f"tensor {number}"
            if not isinstance(tensor, torch.Tensor):
                raise OperandError(
                    f"{asked}: {name} is {described(tensor)!s:.40} of type {type(tensor).__name__}; expected a tensor of torch, of "
                    f"{expected}; write torch.from_numpy(array) or torch.tensor(values)"
                )
            if tuple(tensor.shape) != expected.shape:
                raise ShapeError(
                    f"{asked}: {name} has shape {tuple(tensor.shape)}; expected {expected.shape}, for which the graph was built; "
                    "build it again from an example of the new shape"
                )
            if tensor.dtype != NUMPY_TO_TORCH[expected.dtype]:
                raise DtypeError(
                    f"{asked}: {name} has dtype {tensor.dtype}; expected {expected.dtype}, for which the graph was built; convert it "
                    "with tensor.to(...), or build the graph again"
                )

    def pullback(self, wanted: Sequence[int], count: int | None = None) -> TensorProgram:
        """Return the program of the gradients by the inputs at these positions; `count` is known.

        It takes the inputs, and an incoming gradient for each output that has derivatives. Gradients are torch's: of complex
        numbers the conjugates of those of `chain_rule`.
        """
        known = self._pullbacks.get(tuple(wanted))
        if known is None:
            known = self._pullbacks[tuple(wanted)] = self._pulled_back(tuple(wanted))
        return known

    def _pulled_back(self, wanted: Sequence[int]) -> TensorProgram:
        given = [placeholder(each) for each in self.input_types]
        leaves = [given[each] if isinstance(each, int) else input_of(np.array(each)) for each in self._sources]
        values = replayed(self.program, leaves)
        places = [
            reference
            for reference, each in zip(self.program.outputs, self.output_types, strict=True)
            if each.dtype.kind in "fc"
        ]
        outputs = [values[source][index] for source, index in places]
        incoming = [placeholder(tensor_type(each.shape, each.dtype)) for each in outputs]
        # Outputs that are one value get the sum of their gradients: a mapping has room for one.
        seeds: dict[Value, tuple[LazyTensor, Any]] = {}
        for output, cotangent in zip(outputs, incoming, strict=True):
            before = seeds.get(value_of(output))
            own = _conjugate(cotangent)
            seeds[value_of(output)] = (output, own if before is None else before[1] + own)
        by_inputs = [given[position] for position in wanted]
        gradients = chain_rule(dict(seeds.values()), by_inputs, unreached="zeros")
        return tensor_program(
            [_conjugate(each) for each in gradients], [*given, *incoming], self._gradient_backend, is_part=True
        )


def _conjugate(tensor: LazyTensor) -> LazyTensor:
    return tensor.conj() if tensor.dtype.kind == "c" else tensor


def tensor_program(
    outputs: Sequence[LazyTensor],
    inputs: Sequence[LazyTensor],
    backend: BackendChoice,
    is_part: bool = False,
    gradient_backend: BackendChoice | None = None,
) -> TensorProgram:
    """Return the outputs as a function of the inputs; all other leaves keep the values that they have now.

    is_part: the program is one of several, so that keys of a mapping of backends may match nothing in it
    gradient_backend: runs the derivatives; None for `backend`

    Raises:  ParameterError: a key of a mapping of backends matches nothing
    """
    values = [value_of(each) for each in inputs]
    bound, _ = bind([value_of(each) for each in outputs], values)
    numbers = {value.identity: number for number, value in enumerate(values)}
    sources = tuple(
        numbers[leaf.identity] if leaf.identity in numbers else np.array(leaf_value(leaf)) for leaf in bound.leaves
    )
    types = [tensor_type(each.shape, each.dtype) for each in inputs]
    chosen = get_backend(backend)
    if isinstance(chosen, ForPrograms) and not is_part:
        chosen.for_program(bound.program, ())
    return TensorProgram(bound.program, sources, types, backend, is_part, gradient_backend)


def without_bfloat16(tensors: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """Return the tensors as programs have them: bfloat16 as float32."""
    return [each.float() if each.dtype is torch.bfloat16 else each for each in tensors]


def register_function(function: TensorFunction) -> None:
    """Make a function known to the operator by its key, as long as somebody holds it."""
    _programs[function.key] = function


def register_maker(prefix: str, maker: Callable[[str], TensorFunction | None]) -> None:
    """Say who makes the functions whose keys begin with this word and a colon; it returns None for a key that means nothing any more."""
    _makers[prefix] = maker


def program_of_key(key: str) -> TensorFunction:
    """Return the function of a key.

    Raises:  ParameterError: nobody holds it
    """
    known = _programs.get(key)
    maker = _makers.get(key.partition(":")[0])
    if known is None and maker is not None:
        known = maker(key)
    if known is None:
        raise ParameterError(
            f"run_program: no program has the key {key!r:.80}; expected the key of a module that flashlight.to_module made or "
            "flashlight.swap_operation swapped, and that is alive; keep the module while what was compiled of it runs"
        )
    return known
