"""How users write the functions of the language: math's, numpy's, composit's, torch's and Python's own."""

from __future__ import annotations

import builtins
import math
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import numpy as np

from composit.kernels.scalar_functions import FUNCTIONS

# Where math's name, or Python's, is not numpy's.
_OF_MATH = {
    "acos": "arccos", "asin": "arcsin", "atan": "arctan", "acosh": "arccosh", "asinh": "arcsinh", "atanh": "arctanh",
    "atan2": "arctan2", "fabs": "absolute", "pow": "power", "floor": "floor_to_int", "ceil": "ceil_to_int", "trunc": "int",
}  # fmt: skip
_OF_NUMPY = {
    "abs": "absolute", "fabs": "absolute", "acos": "arccos", "asin": "arcsin", "atan": "arctan", "acosh": "arccosh",
    "asinh": "arcsinh", "atanh": "arctanh", "atan2": "arctan2", "pow": "power", "mod": "remainder", "square": "square",
    "fmin": "minimum", "fmax": "maximum", "true_divide": "divide", "round": "rint", "reciprocal": "reciprocal", "rsqrt": "rsqrt",
    "sigmoid": "sigmoid", "relu": "relu", "clip": "clip", "where": "where", "sum": "sum", "dot": "dot",
}  # fmt: skip
_HIDDEN = {"float", "int", "round_to_int", "floor_to_int", "ceil_to_int", "bitwise_and", "bitwise_or", "bitwise_xor"}
_OF_PYTHON: Mapping[Any, str] = {
    builtins.abs: "absolute", builtins.min: "min", builtins.max: "max", builtins.float: "float", builtins.int: "int",
    builtins.bool: "bool", builtins.round: "round_to_int", builtins.pow: "power", builtins.sum: "sum", builtins.len: "len",
}  # fmt: skip
_LIKE_NUMPY = ("numpy", "composit", "composit.numpy", "torch", "torch.nn.functional", "composit.nn")


def function_of_module(module: ModuleType, name: str) -> str | None:
    """Return our name for ``module.name``, None if it is no function of the language."""
    if module is math:
        plain = name in FUNCTIONS and name not in _HIDDEN
        return _OF_MATH.get(name) or (name if plain else None)
    if module.__name__ in _LIKE_NUMPY:
        plain = name in FUNCTIONS and name not in _HIDDEN
        return _OF_NUMPY.get(name) or (name if plain else None)
    return None


def function_of_object(value: object) -> str | None:
    """Return our name for a function that was imported by its own name, or for one of Python's."""
    try:
        known = _OF_PYTHON.get(value)
    except TypeError:
        return None
    if known is not None:
        return known
    name = getattr(value, "__name__", None)
    if not isinstance(name, str):
        return None
    for module in (math, np):
        if getattr(module, name, None) is value:
            return function_of_module(module, name)
    return None
