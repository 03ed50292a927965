"""`input_shapes`: the shape of each module's input, for a model whose input has a given shape.

The model runs once on fake tensors, so that no kernel of torch runs; where Python asks for values, on zeros.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from typing import Any

import torch
from torch import nn
from torch._subclasses.fake_tensor import DataDependentOutputException, DynamicOutputShapeException, FakeTensorMode

from composit.errors import OperandError, ShapeError
from composit.operation import Shape
from flashlight.algorithms.held_tensors import names_of_tensors, tensor_named, with_tensors
from flashlight.algorithms.recordings import as_it_was


def input_shapes(
    model: nn.Module, modules: Mapping[str, nn.Module], sample: Sequence[int], asked: str
) -> dict[str, Shape]:
    """Return for each module the shape of its first argument, in the first call that a forward pass makes.

    sample: the shape of the model's input, whose dtype is that of the model's parameters

    Raises:  ShapeError: torch refuses an input of this shape, or the shape is none; OperandError: the forward pass calls none of a module
    """
    shape = checked_shape(sample, asked)
    names = names_of_tensors(model)
    tensors = {name: tensor_named(model, name).detach() for name in names}
    try:
        try:
            found = _of_fake_tensors(model, modules, tensors, shape)
        except (DataDependentOutputException, DynamicOutputShapeException):
            found = _of_real_tensors(model, modules, tensors, shape)
    except RuntimeError as error:
        raise ShapeError(
            f"{asked}: torch refuses an input of shape {shape} for {type(model).__name__}: {str(error).strip().splitlines()[0]:.200}; "
            "expected a sample_input_shape that the model takes, batch included where it takes batches"
        ) from error
    missing = [name for name in modules if name not in found]
    if missing:
        raise OperandError(
            f"{asked}: a forward pass with an input of shape {shape} does not call {', '.join(missing[:4])}; expected a pass that "
            "calls every module of the operation; give a list of names, or a function of the module alone"
        )
    return found


def _of_fake_tensors(
    model: nn.Module, modules: Iterable[str], tensors: Mapping[str, torch.Tensor], shape: Shape
) -> dict[str, Shape]:
    mode = FakeTensorMode(allow_non_fake_inputs=True)
    fakes = {name: mode.from_tensor(each, static_shapes=True) for name, each in tensors.items()}
    with mode:
        example = torch.empty(shape, dtype=_dtype_of(tensors))
        return _seen(with_tensors(model, fakes), modules, example)


def _of_real_tensors(
    model: nn.Module, modules: Iterable[str], tensors: Mapping[str, torch.Tensor], shape: Shape
) -> dict[str, Shape]:
    """Return the shapes for zeros as input: Python asks for values, which fake tensors do not have."""
    twin = with_tensors(model, {name: each.clone() for name, each in tensors.items()})
    with torch.random.fork_rng(devices=()):
        return _seen(twin, modules, torch.zeros(shape, dtype=_dtype_of(tensors)))


def _dtype_of(tensors: Mapping[str, torch.Tensor]) -> torch.dtype:
    floats = [each.dtype for each in tensors.values() if each.is_floating_point()]
    return floats[0] if floats else torch.float32


def _seen(twin: nn.Module, modules: Iterable[str], example: torch.Tensor) -> dict[str, Shape]:
    """Return the shapes of the inputs of a twin's modules in a forward pass."""
    found: dict[str, Shape] = {}
    for name in modules:
        _watch(twin.get_submodule(name), _noting(found, name))
    with torch.no_grad(), as_it_was():
        twin(example)
    return found


def checked_shape(sample: Sequence[int], asked: str) -> Shape:
    """Return the shape that a user gave for a model's input.

    Raises:  ShapeError: it is no shape
    """
    given: Any = sample  # Any: what a user gave
    if isinstance(given, list | tuple) and all(isinstance(length, int) and length >= 0 for length in given):
        return tuple(given)
    raise ShapeError(
        f"{asked}: sample_input_shape={sample!r:.60} was given; expected the lengths of the model's input, such as (1, 3, 224, 224)"
    )


def _watch(module: nn.Module, hook: Callable[..., None]) -> None:
    """Let a module of the twin call a hook first; its tables of hooks are still those of the model."""
    for table in ("_forward_pre_hooks", "_forward_pre_hooks_with_kwargs"):
        vars(module)[table] = copy(vars(module)[table])
    module.register_forward_pre_hook(hook, with_kwargs=True, prepend=True)


def _noting(found: dict[str, Shape], name: str) -> Callable[..., None]:
    def note(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        given = [each for each in (*args, *kwargs.values()) if isinstance(each, torch.Tensor)]
        found.setdefault(name, tuple(given[0].shape) if given else ())

    return note
