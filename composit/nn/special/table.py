"""`special`: a function of the table, applied to elements. A row has a function of float64 arrays, and derivatives by its operands."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from composit.apply import apply
from composit.errors import MissingDerivativeError
from composit.nn.arguments import floating
from composit.nn.special import bessel_arrays as b
from composit.nn.special import gamma_arrays as g
from composit.nn.special import normal_arrays as n
from composit.nn.special.polynomial_arrays import polynomial
from composit.numpy.arguments.normalizing import TensorLike, broadcast_shapes
from composit.operation import Array, Operation, OperationKind, Results, TensorType, VjpContext, tensor_type

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

# From xp, a function that applies a row, the operands and the result: the derivative. Any: arrays or tensors.
Derivative = Callable[..., Any]
_LACKING = "torch has none either"


@dataclass(frozen=True, slots=True)
class Row:
    """A function of float64 arrays, and for each operand its derivative, or the reason why there is none."""

    of_arrays: Callable[..., Array]
    derivatives: tuple[Derivative | str, ...]


@dataclass(frozen=True, slots=True)
class Special(Operation):
    """A special function of elements of operands that broadcast, computed in float64.

    function: its name in the table
    order:    of polygamma, else None

    Derivative:  that of the table's row
    """

    function: str
    order: int | None = None
    kind = OperationKind.ELEMENTWISE

    @property
    def name(self) -> str:
        return self.function

    @property
    def row(self) -> Row:
        """The row of the function."""
        return _polygamma_row(self.order) if self.order is not None else SPECIAL[self.function]

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        shape = broadcast_shapes(*(each.shape for each in operand_types))
        dtype = np.result_type(*(each.dtype for each in operand_types))
        return (tensor_type(shape, dtype, is_scalar=not shape),)

    def evaluate(self, *operands: Array) -> Results:
        dtype = np.result_type(*operands)
        with np.errstate(all="ignore"):
            result = np.asarray(self.row.of_arrays(*(np.asarray(each, np.float64) for each in operands))).astype(dtype)
        return result if result.ndim else result[()]

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        xp, (cotangent,), (y,) = context.xp, context.cotangents, context.results
        wanted = zip(self.row.derivatives, context.operands, context.needs, strict=True)
        return [
            self._by(xp, cotangent, rule, each, y, context.operands) if need else None for rule, each, need in wanted
        ]

    def _by(
        self, xp: Any, cotangent: Any, rule: Derivative | str, operand: Any, y: Any, operands: Sequence[Any]
    ) -> Any:
        if isinstance(rule, str):
            raise MissingDerivativeError(
                f"{self.function}: its derivative by an operand of shape {xp.shape(operand)} was asked for, and is not written, since"
                f" {rule}; expected the other operands; treat this one as constant with stop_gradient"
            )

        def call(name: str, *given: Any, order: int | None = None) -> Any:
            return xp.apply(Special(name, order), *given)

        part = cotangent * rule(xp, call, y, *operands)
        shape = xp.shape(operand)
        extra = xp.ndim(part) - len(shape)
        long = [extra + at for at, length in enumerate(shape) if length == 1 and xp.shape(part)[extra + at] != 1]
        axes = (*range(extra), *long)
        return xp.reshape(xp.sum(part, axis=axes), shape) if axes else part


def _incomplete_by_x(sign: int) -> Derivative:
    def rule(xp: Any, call: Any, y: Any, a: Any, x: Any) -> Any:
        return sign * xp.exp((a - 1) * xp.log(x) - x - call("log_gamma", a))

    return rule


def _scaled_by_one(xp: Any, call: Any, y: Any, x: Any) -> Any:
    """I1e' = I0e - I1e (sign(x) + 1 / x), and 1/2 at 0"""
    is_zero = x == 0
    safe = xp.where(is_zero, 1, x)
    return xp.where(is_zero, 0.5, call("scaled_modified_i0", safe) - y * (xp.sign(safe) + 1 / safe))


def _modified_by_one(xp: Any, call: Any, y: Any, x: Any) -> Any:
    is_zero = x == 0
    safe = xp.where(is_zero, 1, x)
    return xp.where(is_zero, 0.5, call("modified_i0", safe) - y / safe)


_DEGREE = "a degree is an integer"
SPECIAL: dict[str, Row] = {
    "log_gamma": Row(g.log_gamma, (lambda xp, call, y, x: call("digamma", x),)),
    "digamma": Row(g.digamma, (lambda xp, call, y, x: call("polygamma", x, order=1),)),
    "zeta": Row(g.zeta, (_LACKING, lambda xp, call, y, x, q: -x * call("zeta", x + 1, q))),
    "lower_gamma": Row(g.lower_gamma, (_LACKING, _incomplete_by_x(1))),
    "upper_gamma": Row(g.upper_gamma, (_LACKING, _incomplete_by_x(-1))),
    "normal_quantile": Row(n.normal_quantile, (lambda xp, call, y, p: math.sqrt(2 * math.pi) * xp.exp(y * y / 2),)),
    "inverse_error": Row(n.inverse_error, (lambda xp, call, y, x: math.sqrt(math.pi) / 2 * xp.exp(y * y),)),
    "bessel_j0": Row(b.bessel_j0, (lambda xp, call, y, x: -call("bessel_j1", x),)),
    "bessel_j1": Row(b.bessel_j1, (_LACKING,)),
    "bessel_y0": Row(b.bessel_y0, (lambda xp, call, y, x: -call("bessel_y1", x),)),
    "bessel_y1": Row(b.bessel_y1, (_LACKING,)),
    "modified_i0": Row(b.modified_i0, (lambda xp, call, y, x: call("modified_i1", x),)),
    "modified_i1": Row(b.modified_i1, (_modified_by_one,)),
    "scaled_modified_i0": Row(
        b.scaled_modified_i0, (lambda xp, call, y, x: call("scaled_modified_i1", x) - xp.sign(x) * y,)
    ),
    "scaled_modified_i1": Row(b.scaled_modified_i1, (_scaled_by_one,)),
    "modified_k0": Row(b.modified_k0, (lambda xp, call, y, x: -call("modified_k1", x),)),
    "modified_k1": Row(b.modified_k1, (_LACKING,)),
    "scaled_modified_k0": Row(b.scaled_modified_k0, (lambda xp, call, y, x: y - call("scaled_modified_k1", x),)),
    "scaled_modified_k1": Row(b.scaled_modified_k1, (_LACKING,)),
    "airy_ai": Row(b.airy_ai, (_LACKING,)),
    "spherical_bessel_j0": Row(b.spherical_bessel_j0, (_LACKING,)),
    "chebyshev_t": Row(polynomial("chebyshev_t"), (_LACKING, _DEGREE)),
    "chebyshev_u": Row(polynomial("chebyshev_u"), (_LACKING, _DEGREE)),
    "chebyshev_v": Row(polynomial("chebyshev_v"), (_LACKING, _DEGREE)),
    "chebyshev_w": Row(polynomial("chebyshev_w"), (_LACKING, _DEGREE)),
    "shifted_chebyshev_t": Row(polynomial("chebyshev_t", is_shifted=True), (_LACKING, _DEGREE)),
    "shifted_chebyshev_u": Row(polynomial("chebyshev_u", is_shifted=True), (_LACKING, _DEGREE)),
    "shifted_chebyshev_v": Row(polynomial("chebyshev_v", is_shifted=True), (_LACKING, _DEGREE)),
    "shifted_chebyshev_w": Row(polynomial("chebyshev_w", is_shifted=True), (_LACKING, _DEGREE)),
    "hermite": Row(polynomial("hermite"), (_LACKING, _DEGREE)),
    "hermite_e": Row(polynomial("hermite_e"), (_LACKING, _DEGREE)),
    "laguerre": Row(polynomial("laguerre"), (_LACKING, _DEGREE)),
    "legendre": Row(polynomial("legendre"), (_LACKING, _DEGREE)),
}


def _polygamma_row(order: int) -> Row:
    return Row(partial(g.polygamma, order), (lambda xp, call, y, x: call("polygamma", x, order=order + 1),))


def special(function: str, *operands: TensorLike, order: int | None = None) -> LazyTensor:
    """Return a special function of elements, by its name in SPECIAL, or "polygamma" of an order.

    Shapes:      operands broadcast
    Dtype:       numpy promotion of the operands; integers become float64
    Derivative:  where torch has one
    Raises:      DtypeError: an operand is complex, or no numbers
    Reference:   torch.special
    Example:
        >>> import composit.numpy as cnp
        >>> cnp.evaluate(special("log_gamma", [1.0, 5.0])).round(4)
        array([0.    , 3.1781])
    """
    return apply(Special(function, order), *(floating(function, each) for each in operands))
