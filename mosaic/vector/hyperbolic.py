"""sinh, cosh, arcsinh, arccosh and arctanh of vectors.

Method: with h = exp(|x|)/2, whose exponent is one less so that it does not overflow before the result,
cosh(x) = h + 1/(4 h) and sinh(x) = h - 1/(4 h), near zero an odd polynomial. The inverses are logarithms, near zero an
odd polynomial in float32 and log1p in float64.
"""

from __future__ import annotations

from mosaic import c
from mosaic.c.helpers import Helper
from mosaic.vector import coefficients as table
from mosaic.vector.exponential import half_exp
from mosaic.vector.formula import Formula
from mosaic.vector.lane_operations import rounding
from mosaic.vector.logarithm import log, log1p
from mosaic.vector.vector_types import VectorType

_x = c.Name("x")
_sinh = {"f32": table.sinh_f32, "f64": table.sinh_f64}
_large = {"f32": 2.0**30, "f64": 2.0**60}
"""From here on x**2 + 1 is x**2, and x**2 is still finite."""
_ln2 = 0.6931471805599453


def sinh(vector: VectorType, has_fma: bool) -> Helper:
    """Return ``sinh_V(x)``."""
    f = Formula(vector, has_fma)
    a = f.magnitude("a", _x)
    z = f.let("z", a * a)
    near = f.let("near", f.fma(a * z, f.polynomial("q", z, _sinh[vector.element.short]), a))
    h = f.let("h", half_exp(f, a))
    far = f.let("far", h - f.number(0.25) / h)
    result = f.let("result", f.select(a < f.number(1), near, far))
    return f.finish("sinh", f.with_sign_of(result, _x), "sinh: at most 2 ulp")


def cosh(vector: VectorType, has_fma: bool) -> Helper:
    """Return ``cosh_V(x)``."""
    f = Formula(vector, has_fma)
    h = f.let("h", half_exp(f, f.magnitude("a", _x)))
    return f.finish("cosh", h + f.number(0.25) / h, "cosh: at most 2 ulp")


def arcsinh(vector: VectorType, has_fma: bool) -> Helper:
    """Return ``arcsinh_V(x)``: log(|x| + sqrt(x**2 + 1))."""
    f = Formula(vector, has_fma)
    a = f.magnitude("a", _x)
    is_large = f.let("is_large", a > f.number(_large[vector.element.short]), f.integers)
    z = f.let("z", a * a)
    root = f.let("root", f.call(rounding(vector, "sqrt"), f.fma(a, a, f.constant(1))))
    if vector.element.short == "f32":
        logarithm = f.let("logarithm", f.call(log(vector, has_fma), f.select(is_large, a, a + root)))
    else:
        near_one = a + z / (f.number(1) + root)
        logarithm = f.let("logarithm", f.call(log1p(vector, has_fma), f.select(is_large, a, near_one)))
    far = f.let("far", logarithm + f.select(is_large, f.constant(_ln2), vector.zero))
    if vector.element.short == "f32":
        near = f.let("near", f.fma(a * z, f.polynomial("p", z, table.arcsinh_f32), a))
        far = f.let("result", f.select(a < f.number(1), near, far))
    return f.finish("arcsinh", f.with_sign_of(far, _x), "arcsinh: at most 2.5 ulp")


def arccosh(vector: VectorType, has_fma: bool) -> Helper:
    """Return ``arccosh_V(x)``: log1p(t + sqrt(t**2 + 2 t)) with t = x - 1."""
    f = Formula(vector, has_fma)
    is_large = f.let("is_large", _x > f.number(_large[vector.element.short]), f.integers)
    t = f.let("t", _x - f.number(1))
    root = f.let("root", f.call(rounding(vector, "sqrt"), f.fma(t, t, t + t)))
    logarithm = f.let("logarithm", f.call(log1p(vector, has_fma), f.select(is_large, _x, t + root)))
    result = f.let("result", logarithm + f.select(is_large, f.constant(_ln2), vector.zero))
    is_defined = f.let("is_defined", _x >= f.number(1), f.integers)
    return f.finish("arccosh", f.select(is_defined, result, f.constant(float("nan"))), "arccosh: at most 2.5 ulp")


def arctanh(vector: VectorType, has_fma: bool) -> Helper:
    """Return ``arctanh_V(x)``: half the logarithm of (1 + |x|)/(1 - |x|)."""
    f = Formula(vector, has_fma)
    a = f.magnitude("a", _x)
    if vector.element.short == "f32":
        z = f.let("z", a * a)
        near = f.let("near", f.fma(a * z, f.polynomial("p", z, table.arctanh_f32), a))
        quotient = (f.number(1) + a) / (f.number(1) - a)
        far = f.let("far", f.number(0.5) * f.call(log(vector, has_fma), quotient))
        result = f.let("result", f.select(a < f.number(0.5), near, far))
    else:
        quotient = (a + a) / (f.number(1) - a)
        result = f.let("result", f.number(0.5) * f.call(log1p(vector, has_fma), quotient))
    return f.finish("arctanh", f.with_sign_of(result, _x), "arctanh: at most 2.5 ulp")
