"""Derivatives by expression: a value that one operation computes is differentiated as an expression with the same value.

numpy computes `chebmul` at the call, in one node. `expressed(np.polynomial.chebyshev.chebmul)` declares the expression, a
convolution. It is built only where a derivative is asked for, and differentiated in place of the call: `pulled_back`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from composit.apply import apply, as_tensor, input_of
from composit.errors import InternalError, MissingDerivativeError
from composit.handle import TensorHandle, make_tensor
from composit.hooks import hooks
from composit.numpy.arguments.signatures import full_name
from composit.operation import Array, Operation, OperationKind, Results, TensorType, VjpContext

# Any, everywhere here: tensors, and whatever numpy's functions take and return.
Function: TypeAlias = Callable[..., Any]
# expression(xp, results, *args, **kwargs): called with the namespace of tensors, the results of the node, and the arguments of
# numpy's function with tensors in place of arrays; returns the same results, made with differentiable functions.
Expressed: TypeAlias = Any  # what numpy's function returns: a tensor, or several in tuples and lists
Expression: TypeAlias = Callable[..., Expressed]

_function_to_expression: dict[Function, Expression] = {}


class SameValue(Operation):
    """The base of operations whose result is the operand. Backends look for this class."""

    __slots__ = ()
    kind = OperationKind.ELEMENTWISE
    keeps_c_order = True

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        return (operand_types[0],)

    def evaluate(self, *operands: Array) -> Results:
        # A copy: as a second name of the operand's array, it would look to a later write like another reader.
        operand: Any = operands[0]  # Any: an array, or a number
        return operand.copy() if isinstance(operand, np.ndarray) else operand

    def cost(self, operand_types: Sequence[TensorType], result_types: Sequence[TensorType]) -> int:
        return 0


@dataclass(frozen=True, slots=True)
class Argument(SameValue):
    """The operand as the argument of a function: what the function knows of the same tensor from elsewhere is another node.

    Derivative:  g
    """

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        return [context.cotangents[0]]


class KnownResults(Operation):
    """The base of operations that return known results as they are, for a derivative that no expression has.

    Operands: the results first, then what they depend on. A subclass gives `vjp`, in which the first entries are None.
    """

    __slots__ = ()
    kind = OperationKind.FUNCTION

    @property
    def name(self) -> str:
        return f"known {type(self).__name__.lower()}"

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        return operand_types[: self.num_results]

    def evaluate(self, *operands: Array) -> Results:
        return operands[0] if self.num_results == 1 else tuple(operands[: self.num_results])


def expressed(*functions: Function) -> Callable[[Expression], Expression]:
    """Decorate the expression of numpy's functions."""

    def declare(expression: Expression) -> Expression:
        for function in functions:
            assert function not in _function_to_expression, f"{function.__name__} has one expression"
            _function_to_expression[function] = expression
        return expression

    return declare


def expression_of(function: Function) -> Expression | None:
    """Return the expression of a numpy function, None where it has none."""
    return _function_to_expression.get(function)


def pulled_back(context: VjpContext, expression: Callable[..., Any]) -> list[Any]:
    """Return the cotangents of the operands: those of `expression(*operands)`, which has the values of the results.

    Each operand is a node of its own inside, so that one operand which depends on another does not count twice. An integer
    has no cotangent.
    """
    is_varying = [
        need and operand.dtype.kind in "fc" for need, operand in zip(context.needs, context.operands, strict=True)
    ]
    own = [
        apply(Argument(), operand) if varies else operand
        for varies, operand in zip(is_varying, context.operands, strict=True)
    ]
    made = [as_tensor(leaf) for leaf in _leaves(expression(*own))]
    seeds = {}
    for output, result, g in zip(made, context.results, context.cotangents, strict=True):
        if g is not None and result.dtype.kind in "fc":
            seeds[apply(Argument(), _in_type(context.xp, output, result))] = g
    wanted = [tensor for tensor, varies in zip(own, is_varying, strict=True) if varies]
    gradients = iter(context.xp.chain_rule(seeds, wanted, unreached="zeros"))
    return [next(gradients) if varies else None for varies in is_varying]


def _leaves(results: Any) -> Iterator[Any]:
    if isinstance(results, tuple | list):
        for each in results:
            yield from _leaves(each)
    else:
        yield results


def _in_type(xp: Any, made: Any, result: Any) -> Any:
    if made.shape != result.shape:
        raise InternalError(
            f"derivative: an expression has shape {made.shape} for a result of shape {result.shape}; expected the same; report the call, "
            "and until then write this part with other functions"
        )
    if made.dtype == result.dtype:
        return made
    is_real = made.dtype.kind == "c" and result.dtype.kind != "c"
    return xp.astype(xp.real(made) if is_real else made, result.dtype)


# Arguments that say where and how numpy keeps the result; the elements do not depend on them.
_OF_MEMORY = frozenset(("out", "order", "subok", "casting", "overwrite_input"))


def expressed_call(
    xp: Any, function: Function, results: Sequence[Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> list[Any]:
    """Return the results of a call of numpy's function, made with differentiable functions.

    A function without an expression may have a rule that declined the call for an argument of memory, such as `order=`.

    Raises:  MissingDerivativeError: there is neither
    """
    given = kwargs.get("out")
    outs = given if isinstance(given, tuple) else (given,)
    plain = {name: value for name, value in kwargs.items() if name not in _OF_MEMORY}
    expression = expression_of(function)
    if expression is not None:
        made = list(_leaves(expression(xp, results, *args, **plain)))
    elif isinstance(function, np.ufunc) and "where" in plain:
        made = _where(function, results, outs, args, plain)
    else:
        made = _by_rule(function, args, plain, kwargs)
    # A tensor that was given as `out` has moved on to the same value.
    return made + [part for part, out in zip(made, outs, strict=False) if out is not None][: len(results) - len(made)]


def _where(
    function: np.ufunc, results: Sequence[Any], outs: Sequence[Any], args: tuple[Any, ...], options: Mapping[str, Any]
) -> list[Any]:
    """Return the function's results where the mask is true; elsewhere what `out` held, or zeros for numpy's unset memory."""
    old = [*outs, *[None] * (function.nout - len(outs))]
    targets = [
        input_of(np.zeros(result.shape, result.dtype)) if out is None else _copy(as_tensor(out))
        for out, result in zip(old, results, strict=False)
    ]
    return list(_leaves(hooks.call_ufunc(function, "__call__", args, {**options, "out": tuple(targets)})))


def _copy(tensor: TensorHandle) -> TensorHandle:
    return make_tensor(tensor.node, tensor.output_index)


def _by_rule(
    function: Function, args: tuple[Any, ...], plain: Mapping[str, Any], kwargs: Mapping[str, Any]
) -> list[Any]:
    rule = _rule_of(function)
    if rule is None or len(plain) == len(kwargs):
        raise _missing(function)
    made = list(_leaves(rule(*args, **plain)))
    if any(isinstance(part, TensorHandle) and part.node.operation.runs_at_call for part in made):
        raise _missing(function)
    return made


def _rule_of(function: Function) -> Function | None:
    if isinstance(function, np.ufunc):
        return lambda *args, **options: hooks.call_ufunc(function, "__call__", args, options)
    owner = getattr(function, "__self__", None)
    if isinstance(owner, np.ufunc):
        return lambda *args, **options: hooks.call_ufunc(owner, function.__name__, args, options)
    return hooks.function_to_rule.get(function)


def _missing(function: Function) -> MissingDerivativeError:
    return MissingDerivativeError(
        f"{full_name(function)}: its derivative was asked for, but numpy ran it on values and composit knows no expression of this"
        " call; expected a call that has a derivative (docs/numpy.md); write this part with other functions, or as a"
        " wrap_as_operation with vjp="
    )
