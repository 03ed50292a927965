"""Expressions to draw, of operations of their own, so that pictures are tested without numpy's families."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from composit.apply import apply, as_tensor
from composit.labels import with_name
from composit.node import name_scope
from composit.operation import Operation, TensorType, tensor_type


@dataclass(frozen=True, slots=True)
class Named(Operation):
    """An elementwise operation that is only a name."""

    called: str

    @property
    def name(self) -> str:
        return self.called

    @property
    def is_commutative(self) -> bool:
        return self.called == "add"

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        return (operand_types[0],)


@dataclass(frozen=True, slots=True)
class Cut(Operation):
    """Two halves of an array along an axis."""

    axis: int
    keepdims: bool = True

    @property
    def num_results(self) -> int:
        return 2

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        rows, columns = operand_types[0].shape
        return (tensor_type((rows // 2, columns), operand_types[0].dtype),) * 2


def array(name: str | None = None, shape: tuple[int, ...] = (4, 3)) -> Any:
    tensor = as_tensor(np.zeros(shape, "float32"))
    return tensor if name is None else with_name(tensor, name)


def op(name: str, *operands: Any) -> Any:
    return apply(Named(name), *operands)


def stack_of_layers(number: int, odd_one: int | None = None) -> Any:
    """x -> layer.0 -> ... : each tanh(x @ w + b) with weights of its own; one layer may be of another kind."""
    x = array("x")
    with name_scope("encoder"):
        for i in range(number):
            with name_scope(f"layer.{i}"):
                with name_scope("dense"):
                    y = op("add", op("matmul", x, array(f"encoder.layer.{i}.dense.weight")), array())
                x = op("sinh" if i == odd_one else "tanh", y, 0.5)
    return x
