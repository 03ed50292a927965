"""`ElementwiseFunction`: a public ufunc of ours, which is also its row in the table; `Elementwise`: its operation.

Types follow numpy's promotion, shapes broadcast. The rows are in table.py, their derivatives in derivatives.py.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from composit.apply import apply, as_tensor, is_given, tensor_of
from composit.eager_results import compute_if_caught
from composit.errors import DtypeError, NoRuleError, ShapeError
from composit.handle import TensorHandle, new_tensor
from composit.keys import Key, digest
from composit.numpy.arguments.normalizing import (
    Bounds,
    broadcast_shapes,
    check_python_ints,
    integer_bounds,
    named_dtype,
    spell_shape,
)
from composit.numpy.calls.fallback import REFUSALS, let_numpy_decide
from composit.numpy.calls.ufuncs import (
    asked,
    call_method,
    is_asked,
    operand_of,
    ufunc,
    with_named_results,
    wrong_number,
)
from composit.numpy.elementwise.known_numbers import results_at_once
from composit.operation import (
    Array,
    Dtype,
    Operation,
    OperationKind,
    Results,
    Shape,
    TensorType,
    VjpContext,
    tensor_type,
)
from composit.scalar_nodes import scalar_node
from composit.source import Source, find_source, warn_user

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

# (xp, cotangent, result, *operands) -> cotangent of one operand. With two results, cotangent and result are pairs.
Derivative: TypeAlias = Callable[..., Any]
# Like numpy's ufunc.resolve_dtypes: dtypes (or Python's int, float, complex) in, dtypes of the loop out.
Resolver: TypeAlias = Callable[..., tuple[Dtype, ...]]
Check: TypeAlias = Callable[..., None]

MAX_KNOWN_TYPES = 4096


@dataclass(frozen=True, slots=True)
class _Typing:
    """The result types of a function for operands of given types.

    bounds: the range that a Python int must be in, one entry per operand; None if nothing has to be checked
    """

    results: tuple[TensorType, ...]
    bounds: Bounds | None


class ElementwiseFunction(ufunc):
    """A numpy function that works element by element: callable on tensors, and the table's row about it.

    name:        numpy's name
    ufunc:       computes the function on arrays: a numpy ufunc, except for erf and a few others
    derivatives: one rule per operand, or a string with the reason why it has none
    check:       raises what numpy raises for the values of Python ints among the operands
    commutes:    whether both operands may change places
    """

    __slots__ = (
        "__name__",
        "__qualname__",
        "_checked_typings",
        "_key",
        "_resolve",
        "_typings",
        "check",
        "commutes",
        "derivatives",
        "name",
        "nin",
        "nout",
        "operation",
        "scalar_operation",
        "ufunc",
    )

    def __init__(
        self,
        name: str,
        ufunc: Callable[..., Any],
        derivatives: Sequence[Derivative | str],
        resolve: Resolver,
        nout: int,
    ) -> None:
        self.name = self.__name__ = self.__qualname__ = name
        self.ufunc = ufunc
        self.nin = len(derivatives)
        self.nout = nout
        self.derivatives = tuple(derivatives)
        self.operation = Elementwise(self)
        self.scalar_operation = Elementwise(self, None, True)
        self.check: Check | None = None
        self.commutes = False
        self._resolve = resolve
        self._typings: dict[tuple[TensorType, ...], _Typing] = {}
        # Integer types for which `check` must see the values. Kept apart, so that `short_path` does not find them.
        self._checked_typings: dict[tuple[TensorType, ...], _Typing] = {}
        self._key = digest(b"elementwise", name.encode())

    def __call__(self, *operands: Any, **options: Any) -> LazyTensor:
        """Return the lazy result; arguments, promotion, broadcasting and errors are numpy's."""
        try:
            return self._lazily(operands, options, find_source())
        except REFUSALS as refusal:
            given, named = with_named_results(self, operands, options)
            result, is_answered = asked(self, "__call__", given, named)
            answer: LazyTensor = result if is_answered else let_numpy_decide(refusal, self.ufunc, given, named)
            return answer

    def of_two(self, first: Any, second: Any) -> LazyTensor:
        """Return the lazy result of two operands; what is no matter of rules raises, and numpy is not asked."""
        return self._lazily((first, second), {}, find_source())

    def of_scalars(self, *operands: Any) -> LazyTensor:
        """Return the lazy result of Python's operator on scalars, which numpy's scalars compute; raises as `of_two`."""
        return self._lazily(operands, {}, find_source(), self.scalar_operation)

    def _lazily(
        self,
        operands: tuple[Any, ...],
        options: dict[str, Any],
        source: Source | None,
        operation: Elementwise | None = None,
    ) -> LazyTensor:
        if options or len(operands) != self.nin:
            return _call_with_options(self, operands, **options)
        flat: list[Any] = []  # node, output index, node, output index, ...
        operand_types = []
        for operand in operands:
            if not isinstance(operand, TensorHandle):
                if operand.__class__ is int or operand.__class__ is float:
                    node = scalar_node(operand)
                    flat += (node, 0)
                    operand_types.append(node.types[0])
                    continue
                operand = operand_of(operand)
            elif operand._type.is_scalar and self.nout == 1 and self.check is None:
                result = results_at_once(operation or self.operation, operands, source)
                if result is not None:
                    return result
            flat += (operand._node or operand.node, operand._output_index)
            operand_types.append(operand._type)
        types = tuple(operand_types)
        typing = self._typings.get(types) or self.typing_of(types)
        if typing.bounds is not None:
            check_python_ints(operands, typing.bounds, typing.results)
            if self.check is not None:
                # Values that the function refuses: of Python ints at once, others when they are known.
                self.check(*operands)
                result = new_tensor(operation or self.operation, tuple(flat), typing.results, source)
                if self.operation.may_raise(types, [is_given(node) for node in flat[::2]]):
                    compute_if_caught(result)
                return result
        if self.nout == 1:
            return new_tensor(operation or self.operation, tuple(flat), typing.results, source)
        # divmod, frexp and modf
        return tensor_of(operation or self.operation, tuple(flat), typing.results, source)  # type: ignore[return-value]

    def typing_of(self, types: tuple[TensorType, ...]) -> _Typing:
        """Return the result types and integer bounds for operands of these types; computed once by numpy, then cached."""
        known = self._typings.get(types) or self._checked_typings.get(types)
        if known is not None:
            return known
        if len(self._typings) + len(self._checked_typings) >= MAX_KNOWN_TYPES:
            self._typings.clear()
            self._checked_typings.clear()
        if any(value_type.dtype.kind in _WITHOUT_RULES for value_type in types):
            raise NoRuleError(f"{self.name}: elements that are objects, strings or records")
        # Dtypes before shapes: if both are wrong, numpy reports the dtypes.
        dtypes = self.loop_dtypes(types)
        shape = common_shape(self.name, [value_type.shape for value_type in types])
        results = tuple(tensor_type(shape, dtype, is_scalar=not shape) for dtype in dtypes[self.nin :])
        bounds = integer_bounds(types, dtypes)
        if self.check is not None and dtypes[-1].kind in "iu":
            typing = self._checked_typings[types] = _Typing(results, bounds or (None,) * self.nin)
        else:
            typing = self._typings[types] = _Typing(results, bounds)
        return typing

    def loop_dtypes(
        self, types: Sequence[TensorType], dtype: Dtype | None = None, casting: str = "same_kind"
    ) -> tuple[Dtype, ...]:
        """Return the dtypes of the loop numpy would run: operands, then results; raises numpy's errors."""
        # A Python number alone has the dtype of np.asarray; beside other operands it adapts to theirs.
        is_alone = self.nin == 1
        given = (
            *(value_type.dtype if is_alone else value_type.weak or value_type.dtype for value_type in types),
            *[None] * self.nout,
        )
        if casting in ("no", "equiv"):  # numpy's resolver crashes on Python numbers
            raise NoRuleError(f"{self.name}: casting={casting!r} is checked by numpy")
        try:
            if dtype is None:
                return self._resolve(given) if casting == "same_kind" else self._resolve(given, casting=casting)
            signature = (*[None] * self.nin, *[dtype] * self.nout)
            return self._resolve(given, signature=signature, casting=casting)
        except TypeError as error:
            listed = ", ".join(str(value_type.dtype) for value_type in types)
            raise DtypeError(f"{error}: {self.name} was given {listed}; convert the operands with astype") from error

    def key(self) -> Key:
        return self._key

    def __reduce__(self) -> tuple[Callable[[str], ElementwiseFunction], tuple[str]]:
        return _by_name, (self.name,)


# Objects, strings and records: numpy calls methods of the elements, or has dtypes with rules of their own.
_WITHOUT_RULES = "OSUVT"


def elementwise(
    name: str,
    ufunc: Callable[..., Any],
    *derivatives: Derivative | str,
    resolve: Resolver | None = None,
    check: Check | None = None,
    commutes: bool = False,
) -> ElementwiseFunction:
    """Return the public function of a row, with one derivative rule (or the reason why there is none) per operand.

    commutes: whether f(a, b) = f(b, a)
    """
    if isinstance(ufunc, np.ufunc):
        assert ufunc.nin == len(derivatives), f"{name}: one derivative per operand"
        function = ElementwiseFunction(name, ufunc, derivatives, resolve or ufunc.resolve_dtypes, ufunc.nout)
        function.check = check
        function.commutes = commutes
        return function
    assert resolve is not None, f"{name}: what is no ufunc says how it resolves dtypes"
    return ElementwiseFunction(name, ufunc, derivatives, resolve, 1)


def short_path(
    function: ElementwiseFunction,
    otherwise: Callable[[Any, Any], LazyTensor],
    is_reflected: bool = False,
    of_scalars: bool = False,
) -> Callable[[Any, Any], LazyTensor]:
    """Return a method for an operator such as `+` that is fast if the other operand is a tensor or a Python number.

    otherwise:    the method for all other calls, the first of each kind, and those that numpy must decide
    is_reflected: whether the other operand is on the left
    of_scalars:   whether this is the operator of scalars, for which numpy does not use its ufunc
    """
    typings = function._typings
    operation = function.scalar_operation if of_scalars else function.operation

    def operator(self: Any, other: Any) -> LazyTensor:
        if isinstance(other, TensorHandle):
            other_type = other._type
            typing = typings.get((self._type, other_type))
            if typing is None or is_reflected or (of_scalars and not other_type.is_scalar):
                return otherwise(self, other)
            flat = (
                self._node or self.node,
                self._output_index,
                other._node or other.node,
                other._output_index,
            )
            return new_tensor(operation, flat, typing.results, find_source())
        kind = type(other)
        if kind is not float and kind is not int:
            return otherwise(self, other)
        node = scalar_node(other)
        types = (node._types[0], self._type) if is_reflected else (self._type, node._types[0])
        typing = typings.get(types)
        if typing is None or typing.bounds is not None:
            return otherwise(self, other)
        own = self._node or self.node
        flat = (node, 0, own, self._output_index) if is_reflected else (own, self._output_index, node, 0)
        return new_tensor(operation, flat, typing.results, find_source())

    return operator


def _by_name(name: str) -> ElementwiseFunction:
    from composit.numpy.elementwise.table import NAME_TO_FUNCTION

    return NAME_TO_FUNCTION[name]


@dataclass(frozen=True, slots=True)
class Elementwise(Operation):
    """One function applied to each element of operands that broadcast.

    dtype:          numpy's dtype argument
    is_scalar_math: whether numpy's scalars compute it (Python's operator between two scalars), not the ufunc
    Derivative:  one rule per operand, from the function's row
    Reference:   https://numpy.org/doc/stable/reference/ufuncs.html
    """

    function: ElementwiseFunction
    dtype: Dtype | None = None
    is_scalar_math: bool = False
    keeps_c_order = True
    is_shared = True
    kind = OperationKind.ELEMENTWISE

    @property
    def raises_by_value(self) -> bool:  # type: ignore[override]  # read of instances only, and each has its function's
        return self.function.check is not None

    def may_raise(self, operand_types: Sequence[TensorType], are_known: Sequence[bool]) -> bool:
        # An integer raised to a negative power.
        base, exponent = operand_types[0].dtype.kind, operand_types[-1].dtype.kind
        return exponent == "i" and base in "biu" and not are_known[-1]

    @property
    def name(self) -> str:
        return self.function.name

    @property
    def num_results(self) -> int:
        return self.function.nout

    @property
    def is_commutative(self) -> bool:
        return self.function.commutes

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        function = self.function
        if self.dtype is None:
            return function.typing_of(operand_types).results
        shape = common_shape(function.name, [value_type.shape for value_type in operand_types])
        dtypes = function.loop_dtypes(operand_types, self.dtype, "unsafe")
        return tuple(tensor_type(shape, dtype, is_scalar=not shape) for dtype in dtypes[function.nin :])

    def evaluate(self, *operands: Array) -> Results:
        return self.evaluator()(*operands)

    def evaluator(self) -> Callable[..., Results]:
        if self.dtype is None:
            compute: Callable[..., Any] = self.function.ufunc
            return _SCALAR_MATH[compute] if self.is_scalar_math else compute
        # The cast was checked at the call.
        return partial(self.function.ufunc, dtype=self.dtype, casting="unsafe")

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        function = self.function
        g, result = context.cotangents, context.results
        if function.nout == 1:
            g, result = g[0], result[0]
        return [
            rule(context.xp, g, result, *context.operands) if needed and not isinstance(rule, str) else None
            for needed, rule in zip(context.needs, function.derivatives, strict=True)
        ]

    def key(self) -> Key:
        # All nodes of the function share this operation, so its key is kept.
        return Operation.key(self) if self.dtype is not None or self.is_scalar_math else self.function.key()


# Operators on numpy scalars are no ufuncs: integer overflow warns, and powers are computed by C's pow.
_SCALAR_MATH: Mapping[Callable[..., Any], Callable[..., Any]] = {
    np.add: operator.add,
    np.subtract: operator.sub,
    np.multiply: operator.mul,
    np.divide: operator.truediv,
    np.floor_divide: operator.floordiv,
    np.remainder: operator.mod,
    np.divmod: divmod,
    np.power: operator.pow,
    np.negative: operator.neg,
    np.absolute: operator.abs,
}


def promote(types: Sequence[TensorType]) -> Dtype:
    """Return the dtype that numpy.result_type gives operands of these types. Python's scalars are weak."""
    stand_ins: list[Any] = [value_type.weak(0) if value_type.weak else value_type.dtype for value_type in types]
    return np.result_type(*stand_ins)


def common_shape(name: str, shapes: Sequence[Shape]) -> Shape:
    """Return the shape that the operands of a function broadcast to.

    Raises:  ShapeError: they do not fit, with numpy's text
    """
    try:
        return broadcast_shapes(*shapes)
    except ShapeError as error:
        listed = " ".join(map(spell_shape, shapes))
        raise ShapeError(
            f"{name}: operands could not be broadcast together with shapes {listed}; counted from the last axis, "
            "lengths must be equal or 1; insert axes with expand_dims or x[:, None] where they should repeat"
        ) from error


# numpy warns of a third positional argument here, since Python's max and min take any number of operands.
_ONCE_REDUCED_SEVERAL = (np.maximum, np.minimum)
_RESULT_BY_PLACE = (
    "Passing more than 2 positional arguments to np.maximum and np.minimum is deprecated. If you meant to use the third"
    " argument as an output, use the `out` keyword argument instead. If you hoped to work with more than 2 inputs,"
    " combine them into a single array and get the extrema for the relevant axis."
)
_UFUNC_ARGUMENTS = ("where", "order", "subok", "signature", "sig", "axes", "axis", "keepdims")


def _call_with_options(
    function: ElementwiseFunction,
    operands: tuple[Any, ...],
    *,
    out: Any = None,
    casting: str = "same_kind",
    dtype: Any = None,
    **others: Any,
) -> LazyTensor:
    if not function.nin <= len(operands) <= function.nargs:
        raise wrong_number(function, len(operands))
    for name in others:
        if name not in _UFUNC_ARGUMENTS:
            raise TypeError(f"{function.name}() got an unexpected keyword argument {name!r}")
        if name != "where":
            raise NoRuleError(f"{function.name}: {name}= has no rule")
    if len(operands) > function.nin and function.ufunc in _ONCE_REDUCED_SEVERAL:
        warn_user(_RESULT_BY_PLACE, DeprecationWarning)
    if len(operands) > function.nin:
        # Of results given by position, the last ones may be left out.
        out = (*operands[function.nin :], *[None] * (function.nargs - len(operands)))
    if out is ... or (isinstance(out, tuple) and any(each is ... for each in out)):
        raise NoRuleError(f"{function.name}: out=...")
    options = {} if others.get("where", True) is True else others
    if out is not None:
        options = options if casting == "same_kind" else {**options, "casting": casting}
        options = options if dtype is None else {**options, "dtype": dtype}
        written: LazyTensor = _written_to(function, operands[: function.nin], {**options, "out": out})
        return written
    if options:
        raise NoRuleError(f"{function.name}: where= without out=")
    handles = [as_tensor(operand) for operand in operands]
    # The casting rule can only forbid a call; it never changes the result.
    chosen = None if dtype is None else named_dtype(dtype)
    function.loop_dtypes([handle.type for handle in handles], chosen, casting)
    if chosen is None:
        return function(*operands)
    return apply(Elementwise(function, chosen), *handles)


def _written_to(function: ElementwiseFunction, operands: tuple[Any, ...], options: dict[str, Any]) -> Any:
    out = options["out"]
    results = out if isinstance(out, tuple) else (out,)
    if any(is_asked(value) for value in (*operands, *results)):
        raise NoRuleError(f"{function.name}: numpy asks an operand's class by __array_ufunc__")
    result = call_method(function.ufunc, "__call__", operands, options)
    if result is NotImplemented:
        raise NoRuleError(f"{function.name}: an operand is of a class that numpy does not know")
    return result
