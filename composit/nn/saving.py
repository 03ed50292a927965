"""Parameters and states in safetensors files: names and arrays, no code. Needs the package safetensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from composit.apply import as_tensor, input_of
from composit.containers import map_leaves
from composit.errors import ParameterError, ShapeError
from composit.evaluation import evaluate
from composit.handle import described
from composit.nn.transforms import Container

_NO_CONTAINER = object()


def save(path: str | Path, parameters: Container, metadata: Mapping[str, str] | None = None) -> None:
    """Write all arrays of a container to a safetensors file, named by their places: "encoder.0.weight".

    metadata: texts to keep beside them

    Raises:  ParameterError: two places have one name, something is no array of numbers, or there is nothing to write
    Example:
        >>> import tempfile, composit.numpy as cnp
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save(f"{folder}/model.safetensors", {"weight": cnp.ones((2, 3))})
        ...     load(f"{folder}/model.safetensors")["weight"].shape
        (2, 3)
    """
    from safetensors.numpy import save_file

    named = named_arrays(parameters, "save")
    if not named:
        raise ParameterError(
            f"save: {described(parameters):.60} holds no arrays; expected a container of tensors; pass the parameters, of a torch module "
            "flashlight.parameters_of(module)"
        )
    values = evaluate([as_tensor(leaf) for leaf in named.values()])
    arrays = {name: np.asarray(value, order="C") for name, value in zip(named, values, strict=True)}
    for name, array in arrays.items():
        if array.dtype.kind not in "biuf":
            raise ParameterError(
                f"save: {name} has dtype {array.dtype}; expected integers, floats or booleans, which safetensors files hold; split "
                "complex numbers with cnp.real and cnp.imag"
            )
    save_file(arrays, str(path), metadata=None if metadata is None else dict(metadata))


def load(path: str | Path, like: Container = _NO_CONTAINER) -> Container:
    """Return the tensors of a safetensors file: by name, or in the places of a container of the same names.

    like: a container as it was saved; its arrays are replaced, with the shapes and dtypes checked

    Raises:  FileNotFoundError; ParameterError: the file lacks a name of `like`, or has others; ShapeError: another shape
    """
    from safetensors.numpy import load_file

    arrays = load_file(str(path))
    if like is _NO_CONTAINER:
        return {name: input_of(array) for name, array in arrays.items()}
    wanted = named_arrays(like, "load")
    if wanted.keys() != arrays.keys():
        missing, further = sorted(wanted.keys() - arrays.keys()), sorted(arrays.keys() - wanted.keys())
        raise ParameterError(
            f"load: {path} lacks {missing[:5]} and has {further[:5]} beside what is wanted; expected the same names; load without like= "
            "to see them all"
        )
    for name, leaf in wanted.items():
        given = as_tensor(leaf)
        if (given.shape, given.dtype) != (arrays[name].shape, arrays[name].dtype):
            raise ShapeError(
                f"load: {name} in {path} has shape {arrays[name].shape} and dtype {arrays[name].dtype}; expected {given.shape} and "
                f"{given.dtype}; convert it, or build the model for the file"
            )
    in_order = iter(wanted)
    return map_leaves(like, lambda leaf: input_of(arrays[next(in_order)]) if _is_array(leaf) else leaf)


def _is_array(leaf: Any) -> bool:
    return hasattr(leaf, "__lazy_tensor__") or isinstance(leaf, np.ndarray | np.generic)


def named_arrays(container: Container, asked: str, is_array: Callable[[Any], bool] = _is_array) -> dict[str, Any]:
    """Return the arrays of a container by their places, "encoder.0.weight", in the order in which `map_leaves` visits them.

    asked: begins the error's message

    Raises:  ParameterError: two places have one name
    """
    found: dict[str, Any] = {}

    def visit(part: Any, place: str) -> None:
        children = _children(part)
        if children is not None:
            for key, child in children:
                visit(child, f"{place}.{key}" if place else str(key))
        elif is_array(part):
            name = place or "value"
            if name in found:
                raise ParameterError(
                    f"{asked}: two places are called {name!r}; expected one; rename a key that contains a dot"
                )
            found[name] = part

    visit(container, "")
    return found


def _children(part: Any) -> list[tuple[Any, Any]] | None:
    if isinstance(part, Mapping):
        return list(part.items())
    if isinstance(part, tuple) and hasattr(part, "_fields"):
        return list(zip(part._fields, part, strict=True))
    if isinstance(part, list | tuple):
        return list(enumerate(part))
    if hasattr(part, "__dataclass_fields__") and not isinstance(part, type):
        return [(name, getattr(part, name)) for name in part.__dataclass_fields__]
    return None
