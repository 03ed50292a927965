"""`CompiledGraph`: an FX graph as a function of torch tensors, with a program for each set of sizes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from flashlight.export.draws import Draw, with_draws
from flashlight.export.fx_graphs import GraphTensor, build_graph, graph_input
from flashlight.export.tensor_programs import TensorProgram, tensor_program, without_bfloat16

MAX_VARIANTS = 32


class CompiledGraph:
    """Takes a list of tensors and numbers, as torch's compiled graphs do, and returns a list.

    The graph is built for the sizes of the first call, and again for others: a bounded number of programs is kept.
    """

    def __init__(self, module: torch.fx.GraphModule, backend: str, asked: str) -> None:
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

    def __init__(self, module: torch.fx.GraphModule, given: Sequence[Any], backend: str, asked: str) -> None:
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
        self._layouts = [(each.fake.stride(), each.fake.dtype) for each in made]
        self._outputs = [None if isinstance(each, GraphTensor) else (each,) for each in self._outputs]
        self._program: TensorProgram | None = None
        if made:
            self._program = tensor_program([each.lazy for each in made], [each.lazy for each in inputs], backend)

    def run(self, tensors: Sequence[torch.Tensor]) -> list[Any]:
        """Return the outputs for the values of the inputs."""
        with torch.no_grad():
            all_tensors = with_draws(tensors, self._draws, self._backend)
            results = [] if self._program is None else self._program(without_bfloat16(all_tensors))
            made = iter([_in_layout(result, *each) for result, each in zip(results, self._layouts, strict=True)])
        return [next(made) if each is None else each[0] for each in self._outputs]


def _in_layout(tensor: torch.Tensor, strides: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
    """Return the tensor with the strides and the dtype that torch's own kernels would give: other parts of its graph rely on them."""
    tensor = tensor.to(dtype)  # bfloat16 is float32 in a program
    if tensor.stride() == strides or tensor.numel() == 0:
        return tensor
    made = torch.empty_strided(tensor.shape, strides, dtype=tensor.dtype, device=tensor.device)
    return made.copy_(tensor)
