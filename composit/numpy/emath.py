"""numpy.emath on tensors: whether a result is complex depends on the values, so these functions compute at the call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from composit.numpy.calls.declarations import without_rule
from composit.numpy.calls.expressions import Expressed, expressed

__all__ = ["arccos", "arcsin", "arctanh", "log", "log2", "log10", "logn", "power", "sqrt"]

sqrt = without_rule(np.emath.sqrt)
log = without_rule(np.emath.log)
log2 = without_rule(np.emath.log2)
log10 = without_rule(np.emath.log10)
logn = without_rule(np.emath.logn)
power = without_rule(np.emath.power)
arccos = without_rule(np.emath.arccos)
arcsin = without_rule(np.emath.arcsin)
arctanh = without_rule(np.emath.arctanh)


def _in_dtype_of_result(function: str) -> Callable[..., Any]:
    """Return the expression of a function whose operands numpy makes complex where the result is."""

    def expression(xp: Any, results: Sequence[Any], *operands: Any) -> Expressed:
        given = [xp.asarray(operand) for operand in operands]
        if results[0].dtype.kind == "c":
            given = [
                operand if operand.dtype.kind == "c" else xp.astype(operand, results[0].dtype) for operand in given
            ]
        return getattr(xp, function)(*given)

    return expression


_FUNCTIONS = ("sqrt", "log", "log2", "log10", "power", "arccos", "arcsin", "arctanh")
for _name in _FUNCTIONS:
    expressed(vars(np.emath)[_name])(_in_dtype_of_result(_name))


@expressed(np.emath.logn)
def _logn(xp: Any, results: Sequence[Any], n: Any, x: Any) -> Expressed:
    logarithm = _in_dtype_of_result("log")
    return logarithm(xp, results, x) / logarithm(xp, results, n)
