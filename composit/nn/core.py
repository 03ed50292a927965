"""`wrap_as_operation`: a user's numpy function as one operation of the graph."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeAlias

import numpy as np

from composit.apply import apply, as_tensor
from composit.errors import DtypeError, MissingDerivativeError, OperandError, ShapeError
from composit.guards import read_value
from composit.handle import described
from composit.keys import Key, digest, encode, fresh_token
from composit.operation import Array, Operation, OperationKind, Results, TensorType, VjpContext, tensor_type

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

_Parameters = ParamSpec("_Parameters")
ResultTypes: TypeAlias = Callable[..., "TensorType | tuple[TensorType, ...]"]
Vjp: TypeAlias = Callable[..., Sequence[Any]]  # Any: tensors or arrays, by the namespace given


@dataclass(frozen=True, slots=True)
class WrappedFunction:
    """A user's function with its rules. Two are never equal, even if their functions have the same name."""

    function: Callable[..., Any]
    result_types: ResultTypes | None
    vjp: Vjp | None
    token: Key = field(default_factory=fresh_token)
    known_types: dict[object, tuple[TensorType, ...]] = field(default_factory=dict, compare=False, repr=False)

    def key(self) -> Key:
        return self.token

    @property
    def name(self) -> str:
        return getattr(self.function, "__name__", type(self.function).__name__)


@dataclass(frozen=True, slots=True)
class UserFunction(Operation):
    """One call of a user's function. Two equal calls are two nodes, since the function need not be pure.

    Derivative:  the `vjp` that the function was wrapped with, if any
    """

    wrapped: WrappedFunction
    arguments: tuple[tuple[str, Any], ...]  # Any: keyword arguments of the user's choice
    types: tuple[TensorType, ...]
    token: Key = field(default_factory=fresh_token, repr=False)
    raises_by_value = True
    kind = OperationKind.USER

    @property
    def name(self) -> str:
        return self.wrapped.name

    @property
    def num_results(self) -> int:
        return len(self.types)

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        return self.types

    def evaluate(self, *operands: Array) -> Results:
        results = _call(self.wrapped, operands, self.arguments)
        several = results if isinstance(results, tuple) else (results,)
        _check_results(self, several)
        # The function may return an array that it keeps, or its operand, so nobody may write to the result.
        frozen = tuple(_read_only(value) for value in several)
        return frozen if self.num_results != 1 else frozen[0]

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        if self.wrapped.vjp is None:
            raise MissingDerivativeError(
                f"{self.name}: the function was wrapped without a derivative; expected "
                "@wrap_as_operation(vjp=lambda xp, cotangents, operands, results, needs: [...]) with one entry per operand"
            )
        values = context.xp, context.cotangents, context.operands, context.results, context.needs
        return self.wrapped.vjp(*values, **dict(self.arguments))

    def key(self) -> Key:
        return self.token

    def structure(self) -> Key:
        return digest(self.wrapped.token, encode(self.arguments), *(value_type.key() for value_type in self.types))


def wrap_as_operation(
    function: object = None, /, *, result_types: ResultTypes | None = None, vjp: Vjp | None = None
) -> Callable[[Callable[_Parameters, Any]], Callable[_Parameters, Any]]:
    """Return a decorator that makes a numpy function build one node when it is called on tensors.

    Positional arguments are operands (tensors, arrays, scalars), keyword arguments are parameters. The function gets
    arrays and returns an array or a tuple of arrays.

    result_types: called with the operands' TensorTypes and the keyword arguments, returns the TensorType of the result,
                  or a tuple of them. Without it the function runs once on arrays of ones of the operands' types, or on
                  the real values if ones make it raise or warn; the types found are kept for further calls.
    vjp:          called with the values of a `VjpContext` and the keyword arguments, as
                  vjp(xp, cotangents, operands, results, needs); returns one cotangent per operand

    Example:
        >>> import composit.numpy as cnp, numpy as np
        >>> @wrap_as_operation(vjp=lambda xp, g, x, y, needs: [g[0] * (x[0] > 0)])
        ... def relu(input_tensor):
        ...     return np.maximum(input_tensor, 0)
        >>> y = relu(cnp.asarray([-1.0, 2.0]))
        >>> len(y.graph), cnp.evaluate(y)
        (2, array([0., 2.]))
    """
    if function is not None:
        raise OperandError(
            f"wrap_as_operation: it was given {function!r:.80} itself; expected to be called first: write "
            "@wrap_as_operation() with parentheses"
        )

    def decorate(function: Callable[_Parameters, Any]) -> Callable[_Parameters, Any]:
        wrapped = WrappedFunction(function, result_types, vjp)

        @wraps(function)
        def build(*operands: _Parameters.args, **arguments: _Parameters.kwargs) -> LazyTensor | tuple[LazyTensor, ...]:
            tensors = [as_tensor(operand) for operand in operands]
            ordered = tuple(sorted(arguments.items()))
            return apply(UserFunction(wrapped, ordered, _types_of(wrapped, tensors, ordered)), *tensors)

        return build

    return decorate


def _types_of(
    wrapped: WrappedFunction, tensors: Sequence[Any], arguments: tuple[tuple[str, Any], ...]
) -> tuple[TensorType, ...]:
    operand_types = tuple(tensor.type for tensor in tensors)
    if wrapped.result_types is not None:
        given = wrapped.result_types(*operand_types, **dict(arguments))
        return given if isinstance(given, tuple) else (given,)
    key = (operand_types, encode(arguments))
    known = wrapped.known_types.get(key)
    if known is None:
        known = wrapped.known_types[key] = _learn_types(wrapped, tensors, arguments)
    return known


def _learn_types(
    wrapped: WrappedFunction, tensors: Sequence[Any], arguments: tuple[tuple[str, Any], ...]
) -> tuple[TensorType, ...]:
    results = _try_on_ones(wrapped, [tensor.type for tensor in tensors], arguments)
    if results is None:
        results = _call(wrapped, [read_value(tensor, "") for tensor in tensors], arguments)
    several = results if isinstance(results, tuple) else (results,)
    return tuple(_type_of_value(wrapped, value) for value in several)


def _try_on_ones(
    wrapped: WrappedFunction, types: Sequence[TensorType], arguments: tuple[tuple[str, Any], ...]
) -> object:
    stand_ins = [np.ones(value_type.shape, value_type.dtype)[()] for value_type in types]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return _call(wrapped, stand_ins, arguments)
    except (ArithmeticError, AssertionError, LookupError, TypeError, ValueError, RuntimeError, Warning):
        # The function may refuse ones. Then it runs on the real operands, which raise its real error if there is one.
        return None


def _call(wrapped: WrappedFunction, operands: Sequence[Any], arguments: tuple[tuple[str, Any], ...]) -> object:
    # Other nodes may read the operands, so numpy must stop a function that writes to them.
    return wrapped.function(*[_read_only(operand) for operand in operands], **dict(arguments))


def _read_only(value: Any) -> Any:
    if not isinstance(value, np.ndarray):
        return value
    view = value.view()
    view.flags.writeable = False
    return view


def _check_results(operation: UserFunction, results: Sequence[Any]) -> None:
    """Raise if the results have other types than result_types, or the run on ones, gave when the node was built."""
    given = [_type_of_value(operation.wrapped, value) for value in results]
    if len(given) != len(operation.types) or any(
        a.shape != b.shape for a, b in zip(given, operation.types, strict=True)
    ):
        raise ShapeError(
            f"{operation.name}: the function returned {', '.join(map(str, given))}; expected {', '.join(map(str, operation.types))}, "
            "as its result_types say or as it returned for ones of the same shape; a wrapped function's shapes may not depend on "
            "values: compute such a part with numpy, on cnp.evaluate(...)"
        )
    if any(a.dtype != b.dtype for a, b in zip(given, operation.types, strict=True)):
        raise DtypeError(
            f"{operation.name}: the function returned {', '.join(map(str, given))}; expected {', '.join(map(str, operation.types))}, "
            "as its result_types say or as it returned for ones of the same shape; pass result_types=, or convert the result"
        )


def _type_of_value(wrapped: WrappedFunction, value: object) -> TensorType:
    if isinstance(value, np.ndarray):
        return tensor_type(value.shape, value.dtype)
    if isinstance(value, np.generic | bool | int | float | complex):
        return tensor_type((), np.asarray(value).dtype, is_scalar=True)
    raise OperandError(
        f"{wrapped.name}: the function returned {described(value):.60} of type {type(value).__name__}; expected an array, a scalar or a "
        "tuple of these; return np.asarray(...) of it"
    )
