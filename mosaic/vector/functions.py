"""Functions of vectors by their numpy names: own polynomials first, then the C library lane by lane.

Most share one formula for float32 and float64. sin, cos and tan of huge float32 reduce by pi in float64 lanes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from mosaic import c
from mosaic.c.helpers import Helper, inline_function
from mosaic.targets import Target
from mosaic.vector import (
    exponential,
    fmod,
    hyperbolic,
    inverse_trigonometry,
    logarithm,
    power,
    power_double,
    power_single,
    trigonometry,
)
from mosaic.vector.lane_operations import rounding
from mosaic.vector.vector_types import VectorType

Builder = Callable[[VectorType, bool], Helper]

_both: dict[str, Builder] = {
    "exp": exponential.exp,
    "exp2": exponential.exp2,
    "expm1": exponential.expm1,
    "tanh": exponential.tanh,
    "erf": exponential.erf,
    "log": logarithm.log,
    "log1p": logarithm.log1p,
    "log2": logarithm.log2,
    "log10": logarithm.log10,
    "arcsin": inverse_trigonometry.arcsin,
    "arccos": inverse_trigonometry.arccos,
    "arctan": inverse_trigonometry.arctan,
    "arctan2": inverse_trigonometry.arctan2,
    "sinh": hyperbolic.sinh,
    "cosh": hyperbolic.cosh,
    "arcsinh": hyperbolic.arcsinh,
    "arccosh": hyperbolic.arccosh,
    "arctanh": hyperbolic.arctanh,
    "cbrt": power.cbrt,
}
_float64: dict[str, Builder] = {
    **_both,
    "sin": trigonometry.sin,
    "cos": trigonometry.cos,
    "tan": trigonometry.tan,
}
_partly_wide: dict[str, Callable[[VectorType, bool, int], Helper]] = {
    "sin": trigonometry.sin_f32,
    "cos": trigonometry.cos_f32,
    "tan": trigonometry.tan_f32,
}
"""Functions of float32 with steps in float64 lanes, which depend on how many bytes a register has."""
rounding_names = ("sqrt", "floor", "ceil", "trunc", "rint")
"""One instruction each on most processors."""
_library = {
    "erfc": ("erfc", 1),
    "power": ("pow", 2),
    "hypot": ("hypot", 2),
    "fmod": ("fmod", 2),
    "copysign": ("copysign", 2),
    "nextafter": ("nextafter", 2),
}
"""numpy's name -> the C library's, and how many operands."""

names = frozenset((*_float64, *rounding_names, *_library))
"""The names that `vector_function` takes."""


@lru_cache(maxsize=512)
def vector_function(name: str, vector: VectorType, target: Target) -> Helper:
    """Return the function ``name_V`` of vectors of floats, with numpy's results for NaN, infinities and zeros.

    Raises:      ValueError: there is no such function, or the lanes are not floats
    """
    if name not in names or not vector.element.is_float:
        raise ValueError(
            f"vector_function: {name!r} of {vector.name} was asked for; expected float lanes and one of "
            f"{', '.join(sorted(names))}; write it as an expression of these"
        )
    if name in rounding_names:
        return rounding(vector, name)
    is_single = vector.element.short == "f32"
    if is_single and name in _partly_wide:
        return _partly_wide[name](vector, target.has_fma, target.vector_bytes)
    if name == "power" and target.has_fma:
        return (power_single.power_f32 if is_single else power_double.power_f64)(vector)
    if name == "fmod" and target.has_fma:
        return fmod.fmod(vector)
    builder = (_both if is_single else _float64).get(name)
    return _by_lane(name, vector) if builder is None else builder(vector, target.has_fma)


def _by_lane(name: str, vector: VectorType) -> Helper:
    """Return a loop over lanes around the C library's scalar function; not inlined, since it is a call anyway."""
    library_name, arity = _library[name]
    suffix = "f" if vector.element.short == "f32" else ""
    full_name, lane = f"{name}_{vector.name}", c.Name("lane")
    operands = tuple(c.Name(each) for each in ("x", "y")[:arity])
    value = c.Name(f"__builtin_{library_name}{suffix}")(*(operand[lane] for operand in operands))
    body = (
        c.For("lane", c.literal(0), c.literal(vector.lanes), (c.Assign(c.Name("x")[lane], value),), ctype=c.int_),
        c.Return(c.Name("x")),
    )
    parameters = tuple(c.Parameter(vector.ctype, operand.text) for operand in operands)
    item = inline_function(full_name, vector.ctype, parameters, body, f"{name}: the C library, lane by lane")
    return Helper(full_name, (item,), (vector.helper,))
