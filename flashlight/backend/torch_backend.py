"""The torch backend runs each instruction with torch, or with numpy where torch has no operation of the same meaning.

torch's tensors and numpy's arrays share memory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch

from composit.backends import PreparedProgram
from composit.errors import ParameterError
from composit.kernels.kernel import Kernel
from composit.nn.scans.scan_operation import Scan
from composit.operation import Array, Input, Scalar, TensorType
from composit.program import Program, Reference, labels_of, running_in
from composit.source import describe_source
from flashlight.backend.torch_functions import torch_callable
from flashlight.conversion import NUMPY_TO_TORCH, tensor_of
from flashlight.kernels import KernelFunction, KernelModule

_Value = Any  # Any: a torch tensor, a numpy array or scalar, or a Python number
_Take = Callable[[_Value, TensorType], _Value]


class TorchBackend:
    """Evaluates with torch; intermediate tensors are freed as soon as nothing reads them. The name "torch" stands for `TorchBackend()`.

    device: where torch computes; inputs are copied there and outputs from there, and what torch has no operation for is computed by
            numpy on the CPU

    Raises:  ParameterError: torch has no such device here, or one that holds no values
    Example:
        >>> import composit.numpy as cnp
        >>> cnp.evaluate(cnp.ones((2,)) + 1, backend=TorchBackend(device="cpu"))
        array([2., 2.])
    """

    name = "torch"

    def __init__(self, *, device: str | torch.device = "cpu") -> None:
        self.device = _checked_device(device)

    def kernel_module(self, kernel: Kernel) -> KernelModule:
        """Return a torch module that calls a kernel of `composit.kernels`."""
        return KernelModule(kernel)

    def kernel_function(self, kernel: Kernel) -> KernelFunction:
        """Return the differentiable torch function of a kernel."""
        return KernelFunction(kernel)

    def prepare(self, program: Program) -> PreparedProgram:
        """Return a function that runs the program on arrays."""
        take = _take_on(self.device)
        steps = _steps(program, take)
        # An array that several steps read on another device is copied there once.
        moved: Set[Reference] = set()
        if self.device != _CPU:
            moved = {reference for step in steps if step.take is take for reference in step.operands}
        input_types = [program.instructions[position].types[0] for position in program.inputs]
        # Instructions of inputs hold values, which the prepared program must not keep alive.
        inputs, outputs = program.inputs, program.outputs
        types = [program.instructions[position].types[index] for position, index in outputs]

        def run(values: Sequence[Array]) -> list[Array]:
            memory: dict[Reference, _Value] = {
                (position, 0): take(value, kind) if (position, 0) in moved else value
                for position, value, kind in zip(inputs, values, input_types, strict=True)
            }
            with torch.no_grad(), _made_on(self.device):
                for step in steps:
                    step.run(memory)
            return [_as_numpy(memory[reference], kind) for reference, kind in zip(outputs, types, strict=True)]

        return run


_CPU = torch.device("cpu")


def _checked_device(device: str | torch.device) -> torch.device:
    """Return the device, on which one number was written and read again.

    Raises:  ParameterError
    """
    try:
        checked = torch.device(device)
        torch.ones(1, device=checked).cpu()
    except (AssertionError, ImportError, NotImplementedError, RuntimeError, TypeError) as error:
        why = " ".join(str(error).split())
        raise ParameterError(
            f"torch: device={device!r} was given, on which torch {torch.__version__} cannot compute here ({why:.200}); expected a device "
            f"of this machine that holds values: {', '.join(_devices())}; leave device out for the CPU"
        ) from error
    return checked


def _devices() -> list[str]:
    """Return the names of the devices that torch says it can use."""
    found = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    return ["'cpu'"] if found is None else ["'cpu'", f"'{found.type}'"]


def _made_on(device: torch.device) -> AbstractContextManager[object]:
    """Return a context in which new tensors are made on the device; on the CPU it costs nothing."""
    return nullcontext() if device == _CPU else device


def _take_on(device: torch.device) -> _Take:
    """Return the function that gives torch an operand."""
    return _as_torch if device == _CPU else lambda value, kind: _as_torch(value, kind).to(device)


@dataclass(frozen=True, slots=True)
class _Step:
    """One instruction, ready to run."""

    function: Callable[..., Any]  # Any: one value, or a sequence of them
    take: _Take
    operands: tuple[Reference, ...]
    operand_types: tuple[TensorType, ...]
    is_repeated: bool  # whether an operand is given twice
    results: tuple[Reference, ...]
    has_several: bool
    dying: tuple[Reference, ...]
    describe: Callable[[], str]

    def run(self, memory: dict[Reference, _Value]) -> None:
        """Compute the results, and free operands that no later step reads."""
        take, pairs = self.take, zip(self.operands, self.operand_types, strict=True)
        # A block of try costs nothing; a context manager would cost more than torch takes for a small operation.
        try:
            if self.is_repeated:
                # Functions that write to an operand need one array for both of its places.
                taken = {reference: take(memory[reference], kind) for reference, kind in pairs}
                value = self.function(*[taken[reference] for reference in self.operands])
            else:
                value = self.function(*[take(memory[reference], kind) for reference, kind in pairs])
        except BaseException as error:
            error.add_note(self.describe())
            raise
        if self.has_several:
            for reference, part in zip(self.results, value, strict=True):
                memory[reference] = part
        else:
            memory[self.results[0]] = value
        for reference in self.dying:
            del memory[reference]


def _steps(program: Program, take: _Take) -> list[_Step]:
    last_use: dict[Reference, int] = {}
    for position, instruction in enumerate(program.instructions):
        last_use.update(dict.fromkeys(instruction.operands, position))
    dying: dict[int, list[Reference]] = {}
    kept = set(program.outputs)
    for reference, position in last_use.items():
        if reference not in kept:
            dying.setdefault(position, []).append(reference)
    is_read = kept | last_use.keys()
    return [
        _step(program, position, is_read, tuple(dying.get(position, ())), take)
        for position, instruction in enumerate(program.instructions)
        if not isinstance(instruction.operation, Input)
    ]


def _step(program: Program, position: int, read: Set[Reference], dying: tuple[Reference, ...], take: _Take) -> _Step:
    instruction = program.instructions[position]
    types = tuple(program.instructions[source].types[index] for source, index in instruction.operands)
    operation = instruction.operation
    results = tuple((position, index) for index in range(len(instruction.types)))
    is_read = tuple(result in read for result in results)
    in_torch = None
    if not isinstance(operation, Scalar) and all(kind.dtype in NUMPY_TO_TORCH for kind in (*types, *instruction.types)):
        if isinstance(operation, Scan):
            in_torch = _scan(operation, is_read, take)
        else:
            in_torch = torch_callable(operation, types, instruction.types)
    return _Step(
        function=in_torch or (operation.evaluator() if len(results) == 1 else operation.evaluator_of(is_read)),
        take=take if in_torch else _as_numpy,
        operands=instruction.operands,
        operand_types=types,
        is_repeated=len(set(instruction.operands)) != len(instruction.operands),
        results=results,
        has_several=operation.num_results != 1,
        dying=dying,
        describe=partial(_describe, program, position, types),
    )


def _scan(scan: Scan, is_read: tuple[bool, ...], take: _Take) -> Callable[..., Any]:
    """Return a function that runs a scan's step by torch, turn after turn."""
    numbers = scan.read_outputs(is_read)
    body = scan.body.restricted(numbers)
    steps, outputs, count = _steps(body.program, take), body.program.outputs, body.num_carried
    inputs = dict(zip(body.numbers, [(position, 0) for position in body.program.inputs], strict=True))
    types = body.output_types

    def run(*operands: torch.Tensor) -> Any:
        carried, along = list(operands[:count]), range(count, count + scan.num_along)
        found: list[list[torch.Tensor]] = [[] for _ in outputs[count:]]
        with running_in(body.surroundings):
            for turn in scan.turns:
                given = [
                    *carried,
                    *(operands[n][turn] if n in along else operands[n] for n in range(count, len(operands))),
                ]
                memory: dict[Reference, _Value] = {inputs[n]: given[n] for n in inputs}
                for step in steps:
                    step.run(memory)
                carried = [take(memory[output], kind) for output, kind in zip(outputs, types[:count], strict=False)]
                for stack, output, kind in zip(found, outputs[count:], types[count:], strict=True):
                    stack.append(take(memory[output], kind))
        stacks = [_stacked(each, kind, scan) for each, kind in zip(found, types[count:], strict=True)]
        results = dict(zip(numbers, [*carried, *stacks], strict=True))
        every = [results.get(number) for number in range(scan.num_results)]
        return every if len(every) != 1 else every[0]

    return run


def _stacked(parts: list[torch.Tensor], kind: TensorType, scan: Scan) -> torch.Tensor:
    if not parts:
        return torch.empty((0, *kind.shape), dtype=NUMPY_TO_TORCH[kind.dtype])
    return torch.stack(parts[::-1] if scan.is_reversed else parts)


def _describe(program: Program, position: int, types: Sequence[TensorType]) -> str:
    label, name = labels_of(program)[position], program.instructions[position].operation.name
    scope = f" in {label.scope}" if label.scope else ""
    operands = ", ".join(map(str, types))
    return f"while torch evaluated {name}({operands}){scope}, built at:\n  {describe_source(label.source)}"


def _as_torch(value: _Value, kind: TensorType) -> torch.Tensor:
    if isinstance(value, torch.Tensor):
        return value
    # Make an array first: torch cannot make an unsigned tensor from numpy's scalar.
    return tensor_of(value if isinstance(value, np.ndarray) else np.asarray(value, kind.dtype))


def _as_numpy(value: _Value, kind: TensorType) -> _Value:
    """Return an array, or numpy's scalar where numpy gives one. Python numbers stay: they do not decide dtypes."""
    if not isinstance(value, torch.Tensor):
        return value
    array = value.cpu().resolve_conj().numpy()
    return array[()] if kind.is_scalar else array
