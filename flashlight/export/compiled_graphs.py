"""`CompiledGraph`: an FX graph as a function of torch tensors, with a program for each set of sizes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from composit.backends import BackendChoice
from flashlight.export.draws import Draw, with_draws
from flashlight.export.fx_graphs import GraphTensor, build_graph, graph_input
from flashlight.export.tensor_programs import TensorProgram, tensor_program, without_bfloat16

MAX_VARIANTS = 32


class CompiledGraph:
    """Takes a list of tensors and numbers, as torch's compiled graphs do, and returns a list.

    The graph is built for the sizes of the first call, and again for others: a bounded number of programs is kept.
    """

    def __init__(self, module: torch.fx.GraphModule, backend: BackendChoice, asked: str) -> None:
        self._module = module
        self._backend = backend
        self._asked = asked
        self._variants: OrderedDict[object, _Variant] = OrderedDict()
        # Asks torch for one list, which it lets go of, so that tensors can die during the call. torch's wrappers copy this
        # attribute from instances alone.
        self._boxed_call = True

    def __call__(self, args: list[Any]) -> list[Any]:
        """Return the outputs, in the memory layouts that torch expects of them."""
        given = list(args)
        args.clear()
        key = tuple(map(_signature, given))
        variant = self._variants.get(key)
        if variant is None:
            variant = self._variants[key] = _Variant(self._module, given, self._backend, self._asked)
            while len(self._variants) > MAX_VARIANTS:
                self._variants.popitem(last=False)
        self._variants.move_to_end(key)
        return variant.run([each for each in given if isinstance(each, torch.Tensor)])


def _signature(value: Any) -> object:
    if isinstance(value, torch.Tensor):
        return tuple(value.shape), value.stride(), value.dtype
    return type(value), value


class _Variant:
    """The program of a graph for one set of sizes."""

    def __init__(self, module: torch.fx.GraphModule, given: Sequence[Any], backend: BackendChoice, asked: str) -> None:
        mode = FakeTensorMode()
        numbered = enumerate(given)
        args = [
            graph_input(mode.from_tensor(each, static_shapes=True), f"input {number}")
            if isinstance(each, torch.Tensor)
            else each
            for number, each in numbered
        ]
        outputs, inputs, draws = build_graph(module, args, mode, asked)
        self._backend = backend
        self._draws: list[Draw] = draws
        self._outputs = list(outputs) if isinstance(outputs, list | tuple) else [outputs]
        made = [each for each in self._outputs if isinstance(each, GraphTensor)]
        self._layouts = [Layout.of(each.fake) for each in made]
        self._groups = _groups_of([each.fake for each in made])
        self._outputs = [None if isinstance(each, GraphTensor) else (each,) for each in self._outputs]
        self._program: TensorProgram | None = None
        if made:
            self._program = tensor_program(
                [each.lazy for each in made], [each.lazy for each in inputs], backend, is_part=True
            )

    def run(self, tensors: Sequence[torch.Tensor]) -> list[Any]:
        """Return the outputs for the values of the inputs."""
        with torch.no_grad():
            all_tensors = with_draws(tensors, self._draws, self._backend)
            results = [] if self._program is None else self._program(without_bfloat16(all_tensors))
            placed = [layout.placed(result) for result, layout in zip(results, self._layouts, strict=True)]
            for group in self._groups:
                together = _on_one_memory(
                    [placed[number] for number in group], [self._layouts[number] for number in group]
                )
                for number, tensor in zip(group, together, strict=True):
                    placed[number] = tensor
        made = iter(placed)
        return [next(made) if each is None else each[0] for each in self._outputs]


@dataclass(frozen=True, slots=True)
class Layout:
    """How an output lies in memory where torch's own kernels give it: other parts of torch's graph rely on that."""

    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int
    dtype: torch.dtype

    @classmethod
    def of(cls, fake: torch.Tensor) -> Layout:
        """Return the layout of a fake tensor."""
        return cls(tuple(fake.shape), fake.stride(), int(fake.storage_offset()), fake.dtype)

    @property
    def num_bytes(self) -> int:
        """How long the memory is, up to the last element of the tensor."""
        if 0 in self.shape:
            return 0
        steps = zip(self.shape, self.strides, strict=True)
        return (self.offset + 1 + sum((length - 1) * step for length, step in steps)) * self.dtype.itemsize

    def placed(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return the tensor in this layout, on memory of its own."""
        tensor = tensor.to(self.dtype)  # bfloat16 is float32 in a program
        if tensor.stride() == self.strides or tensor.numel() == 0:
            return tensor
        made = torch.empty_strided(self.shape, self.strides, dtype=tensor.dtype, device=tensor.device)
        return self.filled(made, tensor)

    def filled(self, made: torch.Tensor, tensor: torch.Tensor) -> torch.Tensor:
        """Write the values into a tensor of this layout; of an expanded axis, whose elements lie in one place, the first."""
        first = tuple(slice(None, 1) if step == 0 else slice(None) for step in self.strides)
        made[first].copy_(tensor[first])
        return made


def _groups_of(fakes: Sequence[torch.Tensor]) -> list[list[int]]:
    """Return the numbers of outputs that are on one memory: `y, y[0]`, of which a write to one is to reach the other."""
    found: dict[int, list[int]] = {}
    for number, fake in enumerate(fakes):
        found.setdefault(fake.untyped_storage()._cdata, []).append(number)
    return [group for group in found.values() if len(group) > 1]


def _on_one_memory(tensors: Sequence[torch.Tensor], layouts: Sequence[Layout]) -> list[torch.Tensor]:
    """Return tensors of the same values that share memory as torch's do."""
    memory = torch.empty(max(each.num_bytes for each in layouts), dtype=torch.uint8, device=tensors[0].device)
    made = []
    for tensor, layout in zip(tensors, layouts, strict=True):
        view = torch.empty(0, dtype=layout.dtype, device=tensor.device)
        view.set_(memory.untyped_storage(), layout.offset, layout.shape, layout.strides)
        made.append(layout.filled(view, tensor))
    return made
