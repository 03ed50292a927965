"""numpy's dispatch protocols: numpy's own functions, called on tensors, stay lazy.

`np.exp(x)` finds `cnp.exp` in a table of ufuncs, `np.concatenate([x, y])` finds ours in `hooks.function_to_rule`. A
function without a rule runs on its real operands (`calls/fallback.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from composit.errors import NoRuleError
from composit.handle import TensorHandle
from composit.hooks import hooks
from composit.numpy.arguments.normalizing import broadcast_shapes, handle_of
from composit.numpy.assignment.function_at import FunctionAt
from composit.numpy.assignment.setitem import set_item, write_at
from composit.numpy.calls.fallback import REFUSALS, call_numpy, let_numpy_decide
from composit.numpy.calls.ufuncs import generalized_functions, is_asked
from composit.numpy.elementwise import table
from composit.numpy.elementwise.functions import ElementwiseFunction
from composit.numpy.elementwise.masked import write_where
from composit.numpy.manipulation.reshaping import expand_dims
from composit.numpy.products import matrix_products  # noqa: F401  # products declares its generalized functions
from composit.numpy.reductions import reduce as reductions
from composit.numpy.reductions.reduce_at import reduce_at
from composit.numpy.views.writes import AddAt, assign_result, cast_for_writing, is_writable, writing_to
from composit.operation import Shape

# Any, everywhere here: operands are tensors, arrays and numbers; functions take and return anything.
Function = Callable[..., Any]

_UFUNC_TO_FUNCTION: dict[Function, Function] = {
    **table.UFUNC_TO_FUNCTION,
    **{function.ufunc: function for function in generalized_functions()},
}

# The functions of two operands, which reduce: sum is `add.reduce`, cumsum `add.accumulate`.
_REDUCING: dict[Function, ElementwiseFunction] = {
    ufunc: function for ufunc, function in table.UFUNC_TO_FUNCTION.items() if (function.nin, function.nout) == (2, 1)
}


def _reduce(ufunc: np.ufunc, array: Any, **options: Any) -> object:
    return reductions.reduce_by(_REDUCING[ufunc], array, **options)


def _accumulate(ufunc: np.ufunc, array: Any, **options: Any) -> object:
    return reductions.accumulate_by(_REDUCING[ufunc], array, **options)


def _reduce_at(ufunc: np.ufunc, array: Any, indices: Any, **options: Any) -> object:
    return reduce_at(_REDUCING[ufunc], array, indices, **options)


def _outer(ufunc: np.ufunc, first: Any, second: Any, **options: Any) -> object:
    # As arrays: a Python number has a dtype of its own here, and does not adapt to the other operand.
    one, other = (handle_of(np.asarray(x) if type(x) in (bool, int, float, complex) else x) for x in (first, second))
    if "O" in (one.dtype.kind, other.dtype.kind):
        raise NoRuleError(f"{ufunc.__name__}.outer: an operand has objects, such as integers beyond 64 bits")
    widened = expand_dims(one, tuple(range(-other.ndim, 0))) if other.ndim else one
    return _UFUNC_TO_FUNCTION[ufunc](widened, other, **options)


# For each method of ufuncs: how we compute it, and the ufuncs that have a rule for it.
_METHODS: dict[str, tuple[Function, Mapping[Function, Function]]] = {
    "__call__": (lambda ufunc, *inputs, **options: _UFUNC_TO_FUNCTION[ufunc](*inputs, **options), _UFUNC_TO_FUNCTION),
    "reduce": (_reduce, _REDUCING),
    "accumulate": (_accumulate, _REDUCING),
    "reduceat": (_reduce_at, _REDUCING),
    "outer": (_outer, _UFUNC_TO_FUNCTION),
}


def array_ufunc(ufunc: np.ufunc, method: str, inputs: Sequence[Any], options: Mapping[str, Any]) -> object:
    """Return the lazy result of a ufunc's method, or NotImplemented for operands of unknown classes."""
    if any(is_asked(value) for value in inputs):
        return NotImplemented
    if any(_is_subclass(value) for value in inputs):
        # numpy's rules for subclasses: the result has their class.
        return call_numpy(getattr(ufunc, method), tuple(inputs), options, ("out", "a"))
    if method == "at":
        return _at(ufunc, inputs)
    rest = dict(options)
    outs = rest.pop("out", (None,))
    outs = outs if isinstance(outs, tuple) else (outs,)
    spelled, known = _METHODS.get(method, (None, {}))
    try:
        if spelled is None or ufunc not in known or any(out is ... for out in outs):
            raise NoRuleError(f"{ufunc.__name__}.{method}: no rule")
        if method == "__call__" and rest.get("where", True) is not True:
            return write_where(known[ufunc], inputs, outs, rest)
        if all(out is None for out in outs):
            return spelled(ufunc, *inputs, **rest)
        spreads = method in ("__call__", "outer")
        with writing_to(*outs):
            result = spelled(ufunc, *inputs, **rest)
            return _written(result, outs, _Writing(ufunc.__name__, rest.get("casting", "same_kind"), spreads))
    except REFUSALS as refusal:
        return let_numpy_decide(refusal, getattr(ufunc, method), tuple(inputs), options)


def _at(ufunc: np.ufunc, operands: Sequence[Any]) -> object:
    try:
        function = table.UFUNC_TO_FUNCTION.get(ufunc)
        if function is None or function.nout != 1 or len(operands) != function.nin + 1 or function.nin > 2:
            raise NoRuleError(f"{ufunc.__name__}.at: no rule")
        tensor, index, *values = operands
        write = AddAt if ufunc in (np.add, np.subtract) else partial(FunctionAt, function)
        write_at(ufunc, tensor, index, values, write)
        return None
    except REFUSALS as refusal:
        return let_numpy_decide(refusal, ufunc.at, tuple(operands), {}, ("a",))


def _is_subclass(value: Any) -> bool:
    return isinstance(value, np.ndarray) and type(value) is not np.ndarray


@dataclass(frozen=True, slots=True)
class _Writing:
    """How results are written to `out`.

    casting: numpy's casting rule
    spreads: whether results are repeated to fill a larger `out`; a reduction only takes one of its own shape
    """

    name: str
    casting: str
    spreads: bool


def _written(result: Any, outs: Sequence[Any], writing: _Writing) -> object:
    """Write the results to the `out` arguments and return these: tensors move on, arrays get the values."""
    results = result if isinstance(result, tuple) else (result,)
    given = [np.shape(out) for out in outs if out is not None]
    shape = broadcast_shapes(np.shape(results[0]), *given) if writing.spreads else np.shape(results[0])
    if len(given) < len(outs) and shape != np.shape(results[0]):
        raise NoRuleError(f"{writing.name}: a result without out is repeated to the shape of the other's")
    # Check all before writing any, so that a refusal changes nothing.
    fitting = [_fitting(value, out, writing, shape) for value, out in zip(results, outs, strict=True)]
    written = tuple(map(_write, fitting, outs))
    return written if isinstance(result, tuple) else written[0]


def _fitting(value: Any, out: Any, writing: _Writing, shape: Shape) -> object:
    if out is None:
        return value
    name = writing.name
    if not isinstance(value, TensorHandle):
        raise NoRuleError(f"{name}: the result is an object")
    if not isinstance(out, TensorHandle | np.ndarray):
        raise NoRuleError(f"{name}: out is no array")
    if isinstance(out, TensorHandle) and not is_writable(out):
        raise NoRuleError(f"{name}: out is a scalar or read-only")
    cast = cast_for_writing(out, value, name, writing.casting, shape)
    if not isinstance(cast, TensorHandle):
        raise NoRuleError(f"{name}: the result becomes an object")
    return cast if isinstance(out, TensorHandle) else np.asarray(cast)


def _write(value: Any, out: Any) -> object:
    if out is None:
        return value
    if not isinstance(out, TensorHandle):
        np.copyto(out, value)
    elif value.shape == out.shape:
        assign_result(out, value)
    else:
        set_item(out, ..., value)
    return out


def array_function(
    function: Function, types: Iterable[type], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> object:
    """Return the result of a numpy function: lazy if ours has a rule for it, else computed from the real operands."""
    if not all(_is_known(kind) for kind in types):
        return NotImplemented
    rule = hooks.function_to_rule.get(function)
    return call_numpy(function, args, kwargs) if rule is None else rule(*args, **kwargs)


def _is_known(kind: type) -> bool:
    return issubclass(kind, TensorHandle | np.ndarray) or hasattr(kind, "__lazy_tensor__")


class Protocols(TensorHandle):
    """The methods through which numpy's functions find ours."""

    __slots__ = ()

    # Above ndarray's 0 and masked arrays' 15, for libraries that still compare priorities.
    __array_priority__ = 100.0

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> object:
        return array_ufunc(ufunc, method, inputs, options)

    def __array_function__(
        self, func: Function, types: Iterable[type], args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> object:
        return array_function(func, types, args, kwargs)
