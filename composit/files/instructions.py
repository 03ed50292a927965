"""Programs as JSON and back: columns of numbers for the instructions, tables for what instructions share.

    %0 = input() : float32[2]      {"operations": [0, 1, 2], "types": [0, 1, 0], "counts": [0, 0, 2],
    %1 = 1() : int64[]              "operands": [0, 0, 1, 0], "labels": [0, -1, -1], ..., "outputs": [2, 0]}
    %2 = add(%0, %1) : float32[2]

Each operation object, type, name and errstate stands once in a table. A step of a scan is a program among them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextvars import Context
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from composit.errstates import DEFAULT_ERRSTATE, current_errstate, set_errstate
from composit.files.blocks import typed
from composit.files.operations import class_named, fields_of, name_of_class
from composit.files.values import Json, dtype_from, dtype_json, type_from, type_json, value_from, value_json
from composit.nn.scans.body import Body
from composit.operation import Array, Input, Operation, TensorType
from composit.program import Instruction, Label, Program

_INPUT = "input"
_NONE = -1


@dataclass(slots=True)
class Writer:
    """Tables of what programs share; `blocks` are the arrays by the names that they have in the file."""

    tables: dict[str, list[Json]] = field(
        default_factory=lambda: {name: [] for name in ("types", "names", "errstates", "arrays", "operations")}
    )
    blocks: dict[str, Array] = field(default_factory=dict)
    _known: dict[tuple[str, Any], int] = field(default_factory=dict)
    _held: list[Any] = field(default_factory=list)  # what `_known` knows by its id

    def program(self, program: Program, has_values: bool = False) -> Json:
        """Return the columns of a program; `has_values` keeps the arrays of its inputs."""
        columns: dict[str, list[int]] = {name: [] for name in _columns}
        for instruction, label in zip(program.instructions, program.labels, strict=True):
            name = None if label.name == instruction.operation.name else label.name
            columns["operations"].append(self.operation(instruction.operation, has_values, name or ""))
            columns["counts"] += (len(instruction.operands), len(instruction.types))
            columns["operands"] += (number for reference in instruction.operands for number in reference)
            columns["types"] += map(self.type, instruction.types)
            columns["labels"].append(_NONE if name is None else self._shared("names", name))
            columns["scopes"].append(self._shared("names", label.scope))
            columns["errstates"].append(self._errstate(label.errstate))
        outputs = [number for reference in program.outputs for number in reference]
        return {**columns, "inputs": list(program.inputs), "outputs": outputs}

    def type(self, value_type: TensorType) -> int:
        """Return the number of a type."""
        return self._once("types", value_type, lambda: type_json(value_type))

    def operation(self, operation: Operation, has_values: bool = False, label: str = "") -> int:
        """Return the number of an operation, which comes behind those among its parameters."""
        return self._once("operations", operation, lambda: self._operation_row(operation, has_values, label))

    def _operation_row(self, operation: Operation, has_values: bool, label: str) -> Json:
        if isinstance(operation, Input):
            value: Any = operation.read() if has_values and operation.has_value else None  # Any: an array, or a number
            content = ["array", self.array(value, label)] if isinstance(value, np.ndarray) else value_json(value, self)
            return [_INPUT, self.type(operation.type), content]
        name = name_of_class(operation)
        return [name, {field: value_json(value, self) for field, value in fields_of(operation).items()}]

    def array(self, array: Array, label: str) -> int:
        """Return the number of an array, which is a block of the file, under its label if that is free."""
        description = dtype_json(array.dtype)
        number = len(self.tables["arrays"])
        name = label if label and label not in self.blocks else f"{label or 'array'}.{number}"
        self.blocks[name] = array
        self.tables["arrays"].append([name, description, list(array.shape)])
        return number

    def body(self, body: Body) -> Json:
        """Return the step of a scan."""
        parts = [list(body.numbers), body.num_carried, list(body.names), body.has_errstate]
        return [self.program(body.program), *parts]

    def _errstate(self, state: object) -> int:
        if state is None or state is DEFAULT_ERRSTATE:
            return _NONE
        return self._once("errstates", state, lambda: Context().run(_modes_of, state))

    def _once(self, table: str, value: Any, make: Any) -> int:
        key = (table, id(value))
        if key not in self._known:
            row = make()
            self._known[key] = len(self.tables[table])
            self.tables[table].append(row)
            self._held.append(value)
        return self._known[key]

    def _shared(self, table: str, text: str) -> int:
        key = (table, text)
        if key not in self._known:
            self._known[key] = len(self.tables[table])
            self.tables[table].append(text)
        return self._known[key]


_columns = ("operations", "counts", "operands", "types", "labels", "scopes", "errstates")


def _modes_of(state: object) -> dict[str, str]:
    """Return what numpy does for each kind of error; a function to call stays behind, and becomes a warning."""
    set_errstate(state)
    return {kind: mode if mode in ("ignore", "raise") else "warn" for kind, mode in np.geterr().items()}


def _state_of(modes: dict[str, Any]) -> object:
    np.seterr(**modes)
    return current_errstate()


@dataclass(slots=True)
class Reader:
    """Makes the tables of a file into objects, each once. Everything that is wrong raises an error of Python's."""

    tables: dict[str, list[Json]]
    blocks: dict[str, Array]
    types: list[TensorType] = field(init=False)
    arrays: list[Array] = field(init=False)
    errstates: list[object] = field(init=False)
    operations: list[Operation] = field(init=False)

    def __post_init__(self) -> None:
        self.types = [type_from(row) for row in self.tables["types"]]
        self.arrays = [self._array(row) for row in self.tables["arrays"]]
        self.errstates = [Context().run(_state_of, modes) for modes in self.tables["errstates"]]
        self.operations = []
        for row in self.tables["operations"]:
            self.operations.append(self._operation(row))

    def _array(self, row: Json) -> Array:
        name, description, shape = row
        array = typed(self.blocks[name], dtype_from(description), _numbers(shape))
        array.flags.writeable = False
        return array

    def _operation(self, row: Json) -> Operation:
        name, *parts = row
        if name == _INPUT:
            number, content = parts
            value, value_type = value_from(content, self), self.type(number)
            if isinstance(value, np.ndarray) and (value.shape, value.dtype) != (value_type.shape, value_type.dtype):
                raise ValueError(
                    f"an input of type {value_type} has an array of shape {value.shape} and dtype {value.dtype}"
                )
            return Input(value, value_type)
        (parameters,) = parts
        return class_named(name)(**{each: value_from(content, self) for each, content in parameters.items()})

    def type(self, number: Json) -> TensorType:
        """Return a type by its number."""
        return self.types[_number(number, len(self.types))]

    def array(self, number: Json) -> Array:
        """Return an array by its number."""
        return self.arrays[_number(number, len(self.arrays))]

    def operation(self, number: Json) -> Operation:
        """Return an operation by its number; it must come before the one that has it."""
        return self.operations[_number(number, len(self.operations))]

    def body(self, content: Json) -> Body:
        """Return the step of a scan."""
        program, numbers, num_carried, names, has_errstate = content
        return Body(self.program(program), _numbers(numbers), num_carried, tuple(names), has_errstate)

    def program(self, columns: Json) -> Program:
        """Return a program, with its types checked by the rules of its operations."""
        instructions: list[Instruction] = []
        operands, types = _pairs(columns["operands"]), iter(columns["types"])
        counts = _pairs(columns["counts"])
        for number, (num_operands, num_types) in zip(columns["operations"], counts, strict=True):
            given = tuple(_reference(next(operands), instructions) for _ in range(num_operands))
            results = tuple(self.type(next(types)) for _ in range(num_types))
            instructions.append(self._checked(Instruction(self.operation(number), given, results), instructions))
        outputs = tuple(_reference(each, instructions) for each in _pairs(columns["outputs"]))
        inputs = _numbers(columns["inputs"])
        if sorted(inputs) != [at for at, each in enumerate(instructions) if isinstance(each.operation, Input)]:
            raise ValueError("its inputs are not the instructions that are inputs")
        return Program(tuple(instructions), inputs, outputs, tuple(self._labels(columns, instructions)))

    def _checked(self, instruction: Instruction, earlier: Sequence[Instruction]) -> Instruction:
        operation = instruction.operation
        given = [earlier[source].types[index] for source, index in instruction.operands]
        wanted = operation.result_types(*given)
        if [(each.shape, each.dtype) for each in wanted] != [(each.shape, each.dtype) for each in instruction.types]:
            raise ValueError(
                f"{operation.name} gives {', '.join(map(str, wanted))} and not {', '.join(map(str, instruction.types))}"
            )
        return instruction

    def _labels(self, columns: Json, instructions: Sequence[Instruction]) -> Iterator[Label]:
        names = self.tables["names"]
        rows = zip(columns["labels"], columns["scopes"], columns["errstates"], instructions, strict=True)
        for label, scope, errstate, instruction in rows:
            name = instruction.operation.name if label == _NONE else _text(names[_number(label, len(names))])
            state = self.errstates[_number(errstate, len(self.errstates))] if errstate != _NONE else DEFAULT_ERRSTATE
            yield Label(name, _text(names[_number(scope, len(names))]), None, state if instruction.operands else None)


def _number(value: Json, stop: int) -> int:
    if type(value) is not int or not 0 <= value < stop:
        raise ValueError(f"{value!r:.60} is no number below {stop}")
    return value


def _numbers(values: Json) -> tuple[int, ...]:
    if not isinstance(values, list) or not all(type(each) is int and each >= 0 for each in values):
        raise ValueError(f"{values!r:.60} is no list of numbers")
    return tuple(values)


def _text(value: Json) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r:.60} is no text")
    return value


def _pairs(values: Json) -> Iterator[tuple[int, int]]:
    numbers = _numbers(values)
    return zip(numbers[::2], numbers[1::2], strict=True)


def _reference(reference: tuple[int, int], earlier: Sequence[Instruction]) -> tuple[int, int]:
    source, index = reference
    return source, _number(index, len(earlier[_number(source, len(earlier))].types))
