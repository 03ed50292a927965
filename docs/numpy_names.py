"""numpy's public names, module by module, each with the object of ours that stands for it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

import composit.numpy as cnp
from composit.numpy.submodules import SUBMODULES

# Modules by their name in numpy; what stands below them is numpy's own where SUBMODULES says so.
OURS = (
    "",
    "char",
    "emath",
    "fft",
    "lib",
    "lib.mixins",
    "lib.recfunctions",
    "lib.scimath",
    "lib.stride_tricks",
    "linalg",
    "polynomial",
    "polynomial.chebyshev",
    "polynomial.hermite",
    "polynomial.hermite_e",
    "polynomial.laguerre",
    "polynomial.legendre",
    "polynomial.polynomial",
    "polynomial.polyutils",
    "random",
    "rec",
    "strings",
    "testing",
)
NUMPYS = tuple(name for name, module in SUBMODULES.items() if module == f"numpy.{name}" and name in np.__all__)

# Names of numpy's modules that are no part of its interface.
NOT_PUBLIC = {
    "lib.stride_tricks": set(),
    "testing": {"extbuild", "overrides"},
}


@dataclass(frozen=True, slots=True)
class Name:
    """One public name: numpy's object and ours, None where ours is missing."""

    path: str
    numpys: Any
    ours: Any


def names() -> Iterator[Name]:
    """Return every public name of numpy's modules that ours stand for."""
    for module in OURS:
        theirs = _module(np, module)
        ours = _module(cnp, module)
        for name in public_names(theirs, module):
            yield Name(f"{module}.{name}".lstrip("."), _attribute(theirs, name), _attribute(ours, name))


def public_names(module: ModuleType, path: str) -> list[str]:
    """Return the names without an underscore, less those that a module only imports for itself."""
    listed = getattr(module, "__all__", None) if path else None
    shown = [name for name in (dir(module) if listed is None else listed) if not name.startswith("_")]
    return [name for name in shown if name not in NOT_PUBLIC.get(path, ())]


def functions() -> Iterator[Name]:
    """Return the public names that are functions or classes, and ndarray's methods."""
    for name in names():
        if callable(name.numpys):
            yield name
    for method in dir(np.ndarray):
        if callable(getattr(np.ndarray, method)) and not method.startswith("_"):
            yield Name(f"ndarray.{method}", getattr(np.ndarray, method), getattr(cnp.ndarray, method, None))


def _module(root: ModuleType, path: str) -> Any:
    found: Any = root
    for part in filter(None, path.split(".")):
        found = _attribute(found, part)
    return found


def _attribute(owner: Any, name: str) -> Any:
    with warnings.catch_warnings():
        # numpy warns for the names it is about to drop.
        warnings.simplefilter("ignore", DeprecationWarning)
        return getattr(owner, name, None)
