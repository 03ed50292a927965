"""Computations: numpy's own function on arrays, with parameters that are fixed and types that follow from its operands'.

One record per function says how types follow and, where there is one, its derivative; one operation carries them all.
The families hold the records next to the public functions. May import apply, operation, keys, errors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

from composit.apply import apply
from composit.errors import MissingDerivativeError
from composit.keys import Key, digest
from composit.operation import Array, Operation, OperationKind, TensorType, VjpContext, tensor_type

Parameters: TypeAlias = Mapping[str, Any]  # Any: Python's constants, by the names of numpy's arguments
Types: TypeAlias = Callable[..., TensorType]  # (parameters, *operand types) -> the result's type
# (xp, cotangent, result, parameters, *operands) -> one cotangent per operand
Derivative: TypeAlias = Callable[..., Sequence[Any]]

_name_to_computation: dict[str, Computation] = {}


class Computation:
    """A row: the function that computes, the rule of its types, its derivative or the reason why there is none.

    keeps_c_order:   operands in C order give a result in C order
    raises_by_value: values may make the function raise
    """

    __slots__ = ("_key", "derivative", "function", "keeps_c_order", "name", "raises_by_value", "types")

    def __init__(
        self,
        function: Callable[..., Any],
        types: Types,
        derivative: Derivative | str = "",
        name: str = "",
        *,
        keeps_c_order: bool = True,
        raises_by_value: bool = False,
    ) -> None:
        name = name or function.__name__
        assert name not in _name_to_computation, f"{name} has a row already"
        self.name = name
        self.function = function
        self.types = types
        self.derivative = derivative
        self.keeps_c_order = keeps_c_order
        self.raises_by_value = raises_by_value
        self._key = digest(b"computation", name.encode())
        _name_to_computation[name] = self

    def __call__(self, *operands: Any, **parameters: Any) -> Any:
        """Return the lazy result: one node of the operands; parameters are those of the function."""
        return apply(Computed(self, tuple(sorted(parameters.items()))), *operands)

    def key(self) -> Key:
        return self._key

    def __repr__(self) -> str:
        return f"<computation {self.name!r}>"

    def __reduce__(self) -> tuple[Callable[[str], Computation], tuple[str]]:
        return _by_name, (self.name,)


def _by_name(name: str) -> Computation:
    return _name_to_computation[name]


def computations() -> Mapping[str, Computation]:
    """Return all rows by their names."""
    return dict(_name_to_computation)


@dataclass(frozen=True, slots=True)
class Computed(Operation):
    """One of numpy's functions of arrays with its parameters, in the order of their names."""

    row: Computation
    parameters: tuple[tuple[str, Any], ...]
    kind = OperationKind.FUNCTION

    @property
    def keeps_c_order(self) -> bool:  # type: ignore[override]  # read of instances only, and each has its row's
        return self.row.keeps_c_order

    @property
    def raises_by_value(self) -> bool:  # type: ignore[override]  # as above
        return self.row.raises_by_value

    @property
    def name(self) -> str:
        return self.row.name

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        return (self.row.types(dict(self.parameters), *operand_types),)

    def evaluate(self, *operands: Array) -> Any:
        return self.row.function(*operands, **dict(self.parameters))

    def evaluator(self) -> Callable[..., Any]:
        return partial(self.row.function, **dict(self.parameters))

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        if callable(self.row.derivative):
            return self.row.derivative(
                context.xp, context.cotangents[0], context.results[0], dict(self.parameters), *context.operands
            )
        if self.row.derivative:
            return [None] * len(context.operands)
        raise MissingDerivativeError(
            f"{self.name}: its derivative was asked for and is not written yet; expected a rule in its row; "
            "add one, or compute this part outside the differentiated graph"
        )


def same_type(parameters: Parameters, operand: TensorType, *others: TensorType) -> TensorType:
    """Return the type of an array like the first operand."""
    return tensor_type(operand.shape, operand.dtype)
