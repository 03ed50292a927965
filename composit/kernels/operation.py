"""`KernelCall`: a kernel on arrays as one operation of the graph, and `KernelUnit`, the unit it runs with its derivatives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from composit.errors import DerivativeError, DtypeError, OutOfMemoryError
from composit.kernels.dead_code import without_dead_code
from composit.kernels.exits import without_exits
from composit.kernels.forward import jvp_unit
from composit.kernels.lanes import failed_assertion, run_on_arrays
from composit.kernels.language import BOOL, FLOAT, INT, Assert, Kind, Return, Unit
from composit.kernels.printing import unit_text
from composit.kernels.reverse import has_derivative, vjp_unit
from composit.kernels.walking import statements
from composit.keys import Key, digest, encode
from composit.numpy.arguments.normalizing import broadcast_shapes
from composit.operation import Dtype, Operation, OperationKind, Results, TensorType, VjpContext, tensor_type

_FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


class KernelUnit:
    """A unit with its text, its identity and its derivatives, each made when it is first asked for."""

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self._cotangents: dict[tuple[bool, ...], KernelUnit] = {}

    @cached_property
    def text(self) -> str:
        """The functions as Python text."""
        return unit_text(self.unit)

    @cached_property
    def digest(self) -> Key:
        """Equal units have equal ones, in every process; the lines of asserts count, since errors show them."""
        asserts = [
            (each.place, statement.line)
            for each in self.unit.functions
            for statement in statements(each.body)
            if isinstance(statement, Assert)
        ]
        return digest(self.text.encode(), encode(tuple(asserts)))

    def key(self) -> Key:
        """Return the identity, by which operations are compared."""
        return self.digest

    def __eq__(self, other: object) -> bool:
        return isinstance(other, KernelUnit) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        return f"KernelUnit({self.unit.entry.name})"

    @cached_property
    def has_asserts(self) -> bool:
        """Whether values can make it raise."""
        return any(isinstance(each, Assert) for function in self.unit.functions for each in statements(function.body))

    def vjp(self, wanted: tuple[bool, ...] | None = None) -> KernelUnit:
        """Return the unit that computes the cotangents of the float parameters, or of those that are wanted.

        Raises:  DerivativeError: no float result depends on a float parameter
        """
        entry = self.unit.entry
        num_floats = sum(each.kind is FLOAT for each in entry.parameters)
        wanted = (True,) * num_floats if wanted is None else wanted
        if wanted not in self._cotangents:
            if not has_derivative(entry):
                raise DerivativeError(
                    f"{entry.name}: its derivative was asked for; expected float parameters and float results; "
                    f"it has {', '.join(each.kind.value for each in entry.parameters)} -> {', '.join(each.value for each in entry.results)}"
                )
            self._cotangents[wanted] = KernelUnit(_with_results(vjp_unit(self.unit), wanted))
        return self._cotangents[wanted]

    @cached_property
    def jvp(self) -> KernelUnit:
        """The unit that computes the results and their tangents."""
        return KernelUnit(jvp_unit(self.unit))


def _with_results(unit: Unit, wanted: Sequence[bool]) -> Unit:
    """Return the unit whose first function returns some of its results only."""
    if all(wanted):
        return unit
    entry = without_exits(unit.entry)
    last = entry.body[-1]
    assert isinstance(last, Return), "there is one return, at the end"

    def chosen(items: Sequence[Any]) -> tuple[Any, ...]:
        return tuple(item for item, is_wanted in zip(items, wanted, strict=True) if is_wanted)

    ending = replace(last, values=chosen(last.values))
    less = replace(entry, results=chosen(entry.results), names=chosen(entry.names), body=(*entry.body[:-1], ending))
    return Unit((without_dead_code(less), *unit.functions[1:]))


def kind_of(dtype: Dtype) -> Kind:
    """Return the kind of an operand.

    Raises:  DtypeError: a dtype that kernels do not compute with
    """
    if dtype.kind in "iu":
        return INT
    if dtype.kind == "b":
        return BOOL
    if dtype in _FLOATS:
        return FLOAT
    raise DtypeError(
        f"kernel: an operand of {dtype} was given; expected float32, float64, integers or bool; convert it with astype(np.float32)"
    )


def float_dtype_of(unit: Unit, operand_types: Sequence[TensorType]) -> Dtype:
    """Return the dtype of all floats: float32 where all float operands of floats are, else float64. Python's numbers are weak."""
    dtypes = [
        each.dtype
        for each, parameter in zip(operand_types, unit.entry.parameters, strict=True)
        if parameter.kind is FLOAT and not each.weak
    ]
    return np.dtype(np.float32) if dtypes and all(each == np.float32 for each in dtypes) else np.dtype(np.float64)


@dataclass(frozen=True, slots=True)
class KernelCall(Operation):
    """A function of the language of kernels, called on each element of operands that broadcast.

    Derivative:  a kernel too, made by source transformation (composit/kernels/reverse.py)
    """

    kernel: KernelUnit
    kind = OperationKind.ELEMENTWISE

    @property
    def name(self) -> str:
        return self.kernel.unit.entry.name

    @property
    def num_results(self) -> int:
        return len(self.kernel.unit.entry.results)

    @property
    def raises_by_value(self) -> bool:  # type: ignore[override]  # a property of the kernel, not of the class
        return self.kernel.has_asserts

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        unit = self.kernel.unit
        for each, parameter in zip(operand_types, unit.entry.parameters, strict=True):
            given = kind_of(each.dtype)
            if (given is FLOAT and parameter.kind is not FLOAT) or (given is INT and parameter.kind is BOOL):
                raise DtypeError(
                    f"{self.name}: `{parameter.name}` is a {parameter.kind.value} and was given {each}; expected another dtype; convert "
                    "the argument with astype, or change the annotation"
                )
        shape = broadcast_shapes(*(each.shape for each in operand_types))
        dtypes = {BOOL: np.dtype(np.bool), INT: np.dtype(np.int64), FLOAT: float_dtype_of(unit, operand_types)}
        return tuple(tensor_type(shape, dtypes[kind], is_scalar=not shape) for kind in unit.entry.results)

    def evaluate(self, *operands: Any) -> Results:
        unit = self.kernel.unit
        arrays = [np.asarray(each) for each in operands]
        floats = [
            each.dtype
            for each, operand, parameter in zip(arrays, operands, unit.entry.parameters, strict=True)
            if parameter.kind is FLOAT and type(operand) not in (bool, int, float)
        ]
        shape = np.broadcast_shapes(*(each.shape for each in arrays))
        dtype = np.dtype(np.float32) if floats and all(each == np.float32 for each in floats) else np.dtype(np.float64)
        flat = [np.broadcast_to(each, shape).ravel() for each in arrays]
        results = run_on_arrays(unit, flat, int(np.prod(shape, dtype=np.int64)), dtype)
        shaped = tuple(each.reshape(shape) if shape else each.reshape(())[()] for each in results)
        return shaped if len(shaped) != 1 else shaped[0]

    def error_of_status(self, status: int) -> Exception | None:
        """Return the error of an assert by its number, or of a stack that is full."""
        if status < 0:
            return OutOfMemoryError(
                f"{self.name}: its loops store more than memory or a stack of 134217728 numbers can hold for the way back; expected fewer "
                "turns; compute the derivative forward with jvp"
            )
        asserts = [
            (function, each)
            for function in self.kernel.unit.functions
            for each in statements(function.body)
            if isinstance(each, Assert)
        ]
        return failed_assertion(*asserts[status - 2])

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        unit, xp = self.kernel.unit, context.xp
        floats = [number for number, each in enumerate(unit.entry.parameters) if each.kind is FLOAT]
        wanted = tuple(context.needs[number] for number in floats)
        gradients: list[Any] = [None] * len(context.operands)
        if not any(wanted) or not has_derivative(unit.entry):
            return gradients
        of_floats = [
            (cotangent, result)
            for cotangent, result, kind in zip(context.cotangents, context.results, unit.entry.results, strict=True)
            if kind is FLOAT
        ]
        cotangents = [xp.zeros_like(result) if given is None else given for given, result in of_floats]
        given = xp.apply(KernelCall(self.kernel.vjp(wanted)), *context.operands, *cotangents)
        received = iter(given if isinstance(given, tuple) else (given,))
        for number, is_wanted in zip(floats, wanted, strict=True):
            if is_wanted:
                gradients[number] = next(received)
        return gradients
