"""What surrounds torch while a training objective is recorded on fake tensors: hooks, patches, and errors in our words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from threading import get_ident
from typing import Any

import torch
from torch._decomp import decompositions
from torch._dispatch.python import enable_python_dispatcher
from torch._subclasses.fake_tensor import DataDependentOutputException, DynamicOutputShapeException
from torch.fx import traceback as fx_traceback
from torch.nn import functional
from torch.nn.modules import batchnorm
from torch.utils import _pytree as pytree
from torch.utils import checkpoint

from composit.errors import CompositError, UnsupportedOperationError
from composit.source import describe_source, is_internal


@contextmanager
def recording(objective: torch.nn.Module, asked: str) -> Iterator[None]:
    """Set torch up to record what an objective does, and leave no fake tensor in the attributes of its modules.

    asked: begins the messages of errors

    Raises:  UnsupportedOperationError: Python asks for values, or torch cannot run the objective without them
    """
    attributes = {module: dict(vars(module)) for module in objective.modules()}
    with (
        torch.enable_grad(),
        enable_python_dispatcher(),
        torch.compiler.set_stance("force_eager"),
        _calling_checkpointed_parts(),
        _drawing_between_layers(),
        _counting_batches(objective),
        _module_paths(objective),
        _told(objective, asked),
    ):
        try:
            yield
        finally:
            for module, before in attributes.items():
                _put_back(vars(module), before)


def _put_back(own: dict[str, Any], before: Mapping[str, Any]) -> None:
    for name, value in list(own.items()):
        if value is before.get(name) or not any(isinstance(leaf, torch.Tensor) for leaf in pytree.tree_leaves(value)):
            continue
        if name in before:
            own[name] = before[name]
        else:
            del own[name]


@contextmanager
def _module_paths(objective: torch.nn.Module) -> Iterator[None]:
    """Note in each node of the graph in which module it was called."""
    names = {module: name for name, module in objective.named_modules()}
    path: list[str] = []

    def note() -> None:
        meta = fx_traceback.get_current_meta()
        meta["nn_module_stack"] = {name: (_path_of(name), None) for name in path}

    # The hooks are those of the process: another thread may call modules meanwhile.
    thread = get_ident()

    def enter(module: torch.nn.Module, args: Any) -> None:
        if get_ident() != thread:
            return
        path.append(names.get(module, type(module).__name__))
        note()

    def leave(module: torch.nn.Module, args: Any, output: Any) -> None:
        if get_ident() != thread:
            return
        path.pop()
        note()

    with fx_traceback.preserve_node_meta():
        hooks = [
            torch.nn.modules.module.register_module_forward_pre_hook(enter),
            torch.nn.modules.module.register_module_forward_hook(leave, always_call=True),
        ]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()


@contextmanager
def _told(objective: torch.nn.Module, asked: str) -> Iterator[None]:
    """Say in our words where Python asks for values that a graph has not."""
    try:
        yield
    except (DataDependentOutputException, DynamicOutputShapeException) as error:
        raise UnsupportedOperationError(
            f"{asked}: Python, or a shape, depends on the result of {error.func}{_place(objective, error)}\nexpected a program that is the "
            "same for all values, since it is compiled once; use torch.where in place of a condition, masks of fixed size in place of "
            "selections, and compute such values outside of the model"
        ) from error
    except RuntimeError as error:
        if isinstance(error, CompositError):
            raise
        # What a model does wrong is said in the same words: torch's stand at the front.
        raise UnsupportedOperationError(
            f"{asked}: torch says {type(error).__name__}: {error}{_place(objective, error)}\na step is recorded on torch's tensors without "
            "values, on which some of its operations do not work (torch.cond, grouped products of float32); expected a model and a loss "
            "that run on them; write torch.where in place of torch.cond, and set experts_implementation='batched_mm' in the "
            "configuration of transformers' mixtures of experts"
        ) from error


def _place(objective: torch.nn.Module, error: BaseException) -> str:
    """Return the innermost module of the error, and its innermost line that is neither torch's nor ours."""
    names = {module: _path_of(name) for name, module in objective.named_modules()}
    module, source = "", None
    trace = error.__traceback__
    while trace is not None:
        code, own = trace.tb_frame.f_code, trace.tb_frame.f_locals.get("self")
        if not is_internal(code) and not code.co_filename.startswith((_TORCH, "<")):
            source = (code, trace.tb_lasti)
        if isinstance(own, torch.nn.Module) and own in names:
            module = f" in {names[own]} ({type(own).__name__})"
        trace = trace.tb_next
    return f"{module} at\n  {describe_source(source)}"


def _path_of(name: str) -> str:
    return name.removeprefix("model").removeprefix(".")


_TORCH = torch.__path__[0]


class _Called:
    """Stands for torch's autograd function of checkpointing: calls the part, and forgets that it is to be computed again."""

    @staticmethod
    def apply(function: Callable[..., Any], preserve: bool, *args: Any) -> Any:
        """Return what the part returns."""
        return function(*args)


def _around(*args: Any, **kwargs: Any) -> Iterator[None]:
    yield


@contextmanager
def _calling_checkpointed_parts() -> Iterator[None]:
    """Make checkpointed parts parts like others.

    Recorded as it is, the second computation would draw other random numbers than the first, since torch's generators
    stand still while a graph is recorded.
    """
    before = checkpoint.CheckpointFunction, checkpoint._checkpoint_without_reentrant_generator
    checkpoint.CheckpointFunction = _Called  # type: ignore[misc, assignment]  # a class in place of a class
    checkpoint._checkpoint_without_reentrant_generator = _around
    try:
        yield
    finally:
        checkpoint.CheckpointFunction, checkpoint._checkpoint_without_reentrant_generator = before  # type: ignore[misc]


@contextmanager
def _drawing_between_layers() -> Iterator[None]:
    """Mend torch's decomposition of recurrent layers, which leaves out the dropout between them (a comparison is the wrong way round)."""
    original = decompositions._rnn_helper

    def layers(
        x: torch.Tensor,
        hidden: Any,
        params: Any,
        has_biases: bool,
        num_layers: int,
        dropout: float,
        train: bool,
        bidirectional: bool,
        batch_first: bool,
        layer_fn: Any,
    ) -> tuple[torch.Tensor, list[Any]]:
        x = x.transpose(0, 1) if batch_first else x
        width, finals = 2 if bidirectional else 1, []
        for number in range(num_layers):
            own = slice(number * width, (number + 1) * width)
            given = (hidden[own], params[own], has_biases, 1, 0.0, train, bidirectional, False, layer_fn)
            x, last = original(x, *given)  # type: ignore[no-untyped-call]  # torch's
            finals += last
            if dropout and train and number < num_layers - 1:
                x = torch.dropout(x, dropout, train=True)
        return x.transpose(0, 1) if batch_first else x, finals

    decompositions._rnn_helper = layers
    try:
        yield
    finally:
        decompositions._rnn_helper = original


@contextmanager
def _counting_batches(objective: torch.nn.Module) -> Iterator[None]:
    """Let norms of batches average their statistics over all batches (`momentum=None`) without asking for the number of batches.

    torch makes the number of batches a float of Python; here the average is an expression of it. Only these modules of the objective
    change, and only meanwhile.
    """
    norms = [
        each for each in objective.modules() if isinstance(each, batchnorm._BatchNorm) and _averages_all_batches(each)
    ]
    for norm in norms:
        vars(norm)["forward"] = partial(_averaging_all_batches, norm)
    try:
        yield
    finally:
        for norm in norms:
            del vars(norm)["forward"]


def _averages_all_batches(norm: batchnorm._BatchNorm) -> bool:
    is_own = type(norm).forward is not batchnorm._BatchNorm.forward or "forward" in vars(norm)
    is_tracking = norm.training and norm.track_running_stats and norm.num_batches_tracked is not None
    return is_tracking and norm.momentum is None and not is_own


def _averaging_all_batches(norm: batchnorm._BatchNorm, input: torch.Tensor) -> torch.Tensor:
    mean, var, count = norm.running_mean, norm.running_var, norm.num_batches_tracked
    assert mean is not None, "statistics are tracked"
    assert var is not None, "statistics are tracked"
    assert count is not None, "statistics are tracked"
    norm._check_input_dim(input)
    count.add_(1)
    of_batch = torch.zeros_like(mean), torch.zeros_like(var)
    result = functional.batch_norm(input, *of_batch, norm.weight, norm.bias, True, 1.0, norm.eps)
    factor = 1.0 / count
    for average, own in zip((mean, var), of_batch, strict=True):
        average.copy_(own * factor + average * (1 - factor))
    return result
