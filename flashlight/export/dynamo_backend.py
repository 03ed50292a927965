"""The backend "composit" of torch.compile: forward and backward graphs, each as a program of composit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch._dynamo.backends.common import aot_autograd
from torch._functorch.partitioners import min_cut_rematerialization_partition

from composit.backends import BackendChoice, get_backend
from composit.errors import ParameterError
from flashlight.export.compiled_graphs import CompiledGraph


def composit_backend(
    module: torch.fx.GraphModule, inputs: Sequence[Any], *, options: Mapping[str, Any] | None = None
) -> Callable[..., Any]:
    """Return the module compiled: torch.compile(model, backend="composit") calls this with the graphs that it finds.

    Training works too: torch derives the backward graph, and each of both becomes a program. Other sizes make other programs.

    options: {"backend": name} chooses the backend of composit, "mosaic" by default; keys of a mapping may match nothing, since torch
             gives the model in parts

    Raises:  ParameterError: unknown options; UnsupportedOperationError, at the first call: an operation without a row
    """
    given = dict(options or {})
    backend = given.pop("backend", "mosaic")
    if given:
        raise ParameterError(
            f"torch.compile: options={given!r:.80} were given; expected only 'backend', the name of a backend of composit; leave the "
            "others out"
        )
    get_backend(backend)
    compile_graph = partial(_compiled, backend=backend)
    compiler = aot_autograd(fw_compiler=compile_graph, partition_fn=min_cut_rematerialization_partition)
    compiled: Callable[..., Any] = compiler(module, inputs)
    return compiled


def _compiled(module: torch.fx.GraphModule, inputs: Sequence[Any], *, backend: BackendChoice) -> CompiledGraph:
    return CompiledGraph(module, backend, "torch.compile")
