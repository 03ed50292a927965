"""Nested containers of tensors by their form: leaves with the paths to them, and one container matched with another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from composit.apply import as_tensor
from composit.containers import Rebuild, flatten, map_leaves
from composit.errors import OperandError
from composit.handle import TensorHandle, described
from composit.nn.transforms import Container


def with_tensors(container: Container) -> Container:
    """Return the container with arrays and numbers as tensors; anything else stays as it is."""
    return map_leaves(container, _as_tensor_or_same)


def _as_tensor_or_same(leaf: Any) -> Any:  # Any: what users put into containers
    if isinstance(leaf, TensorHandle):
        return leaf
    if isinstance(leaf, np.ndarray | np.generic | bool | int | float | complex):
        return as_tensor(leaf)
    return leaf


def leaves_of(container: Container) -> tuple[list[Any], Rebuild]:
    """Return the tensors in a container in order, and a function that puts others in their places."""
    return flatten(container)


def paths_of(container: Container, name: str) -> list[str]:
    """Return how Python reaches each tensor in a container: `carry['h'][0]`, in the order of `leaves_of`."""
    return list(_paths(container, name))


def _paths(value: Container, path: str) -> Iterator[str]:
    if hasattr(value, "__lazy_tensor__") and not isinstance(value, type):
        yield path
    else:
        for step, child in _children(value):
            yield from _paths(child, path + step)


def _children(value: Container) -> list[tuple[str, Any]]:
    """Return the parts of a container with how Python spells the way to them; nothing has none."""
    if isinstance(value, Mapping):
        return [(f"[{key!r}]", child) for key, child in value.items()]
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return [(f".{name}", child) for name, child in zip(value._fields, value, strict=True)]
    if isinstance(value, list | tuple):
        return [(f"[{place}]", child) for place, child in enumerate(value)]
    if is_dataclass(value) and not isinstance(value, type):
        return [(f".{each.name}", getattr(value, each.name)) for each in fields(value) if each.init]
    return []


def in_order_of(form: Container, given: Container, path: str, said: str) -> list[Any]:
    """Return the tensors of a container in the order in which a container of the same form has them.

    said: the beginning of the error's text
    Raises:  OperandError: the forms differ; mappings are compared by key
    """
    if hasattr(form, "__lazy_tensor__") and hasattr(given, "__lazy_tensor__"):
        return [given]
    expected, found = _children(form), dict(_children(given))
    is_alike = type(form) is type(given) if expected or found else _are_same(form, given)
    if not is_alike or [step for step, _ in expected if step not in found] or len(expected) != len(found):
        raise OperandError(
            f"{said} {_kind_of(given)} for {path}; expected {_kind_of(form)}, as at the start; return the same containers with the"
            " same keys in every step"
        )
    return [leaf for step, child in expected for leaf in in_order_of(child, found[step], path + step, said)]


def _are_same(form: Any, given: Any) -> bool:
    return form is given or (type(form) is type(given) and bool(form == given))


def _kind_of(value: Container) -> str:
    if isinstance(value, Mapping):
        return f"a {type(value).__name__} with the keys {list(value)!r:.60}"
    if isinstance(value, list | tuple):
        return f"a {type(value).__name__} of {len(value)}"
    return f"{described(value):.60}"
