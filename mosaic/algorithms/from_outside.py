"""Algorithms of users: a Python function that builds the lowering, or a C function, registered in the user's own code.

    @mosaic.algorithm("relu", "my relu")
    def my_relu(operation, context): ...

    mosaic.c_algorithm("conv2d", "three loops", pathlib.Path("three_loops.c"), {"float32": "conv_float", "float64": "conv_double"})

Both return the `mosaic.Algorithm`, which `algorithms=` finds by its name and `mosaic.check_algorithm` compares with numpy.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from composit.errors import OperandError, ParameterError
from composit.operation import Operation, TensorType
from mosaic.algorithms.c_sizes import NumParts, sizes_of
from mosaic.algorithms.families import plain
from mosaic.algorithms.record import Algorithm, Case, FromOutside, Lowering, takes_all
from mosaic.algorithms.registry import operations, register
from mosaic.ir.calls import CallOfUser
from mosaic.lowering.registry import Context, NoLowering, Value

MOST_PARTS = 1 << 16
_COMPUTED = ("float32", "float64")


def algorithm(
    operation: str,
    name: str,
    *,
    summary: str = "",
    why_not: Callable[[Case], str] = takes_all,
    num_cycles: Callable[[Case], float] | None = None,
    is_default: bool = False,
    error: str = "",
) -> Callable[[Lowering], Algorithm]:
    """Return a decorator that registers a function as a way to compute an operation, and returns its `Algorithm`.

    The function takes the operation and a `mosaic.lowering.registry.Context`; it appends statements to the context and returns one
    value per result, as functions registered with `lower` do (docs/adding_a_kernel.md).

    operation:  as people write it, such as "conv2d"; name: how `algorithms=` asks for it
    why_not:    returns why it cannot take a case, "" if it can
    num_cycles: its estimate of a core's cycles, by which "guess" compares; by default one step a cycle
    is_default: whether "guess" and the default may take it; by default it is taken by name, or as "custom"
    error:      its largest error, in words, where it is worse than that of a plain sum

    Raises:  ParameterError: mosaic has no algorithms for such an operation, or one of this name
    Example:
        >>> import composit.numpy as cnp, mosaic
        >>> from mosaic.algorithms import unregister
        >>> from mosaic.ir.expressions import Apply, literal
        >>> @mosaic.algorithm("relu", "by maximum")
        ... def by_maximum(operation, context):
        ...     (kind,) = context.types
        ...     x = context.load(0, kind.shape, kind.dtype)
        ...     return (context.computed(Apply("maximum", (x, literal(0, kind.dtype)), kind.dtype)),)
        >>> x = cnp.asarray([-1.0, 2.0])
        >>> cnp.evaluate(cnp.nn.relu(x), backend="mosaic", algorithms={"relu": "by maximum"})
        array([0., 2.])
        >>> unregister(by_maximum)
    """
    _check_operation("algorithm", operation)

    def made(lowering: Lowering) -> Algorithm:
        words = summary or (lowering.__doc__ or "").strip().partition("\n")[0]
        cycles = num_cycles or _one_step_a_cycle
        own = LoweringOfUser(lowering)
        return register(Algorithm(operation, name, words, own, cycles, why_not, is_default, error))

    return made


def c_algorithm(
    operation: str,
    name: str,
    source: str | os.PathLike[str],
    functions: str | Mapping[str, str],
    *,
    num_parts: NumParts = 1,
    summary: str = "",
    why_not: Callable[[Case], str] = takes_all,
    num_cycles: Callable[[Case], float] | None = None,
    is_default: bool = False,
    error: str = "",
) -> Algorithm:
    """Register a C function as a way to compute a convolution, pooling, matmul or relu, and return its `Algorithm`.

    The function gets dense arrays in C order, and the sizes in a struct (docs/own_algorithms.md):

        void conv(const float *x, const float *filters, float *result, const mosaic_convolution *sizes, int64_t part, int64_t num_parts)

    source:    C11 text that defines the functions, or a path of a file with it; it is compiled with the program's own C
    functions: the name of the function for each dtype, {"float32": "conv", "float64": "conv_double"}; a name alone is for float32
    num_parts: how many calls share the work, on all threads; a number, or a function of operation, operand types and
               result types. A call computes its `part`
    others:    as for `algorithm`

    Raises:  ParameterError: as `algorithm`; the text does not define a function; a dtype that C does not compute with;
             OperandError: functions are neither a name nor a mapping; FileNotFoundError: there is no such file
    """
    _check_operation("c_algorithm", operation)
    text = _text_of(source)
    by_dtype = _checked_functions(functions, text)
    lowering = CallOfC(text, tuple(sorted(by_dtype.items())), num_parts)
    refuse = partial(_why_not_in_c, lowering, why_not)
    words = summary or f"a function in C: {', '.join(by_dtype.values())}"
    cycles = num_cycles or _one_step_a_cycle
    return register(Algorithm(operation, name, words, lowering, cycles, refuse, is_default, error))


def _check_operation(asked: str, operation: object) -> None:
    known = sorted(set(operations()))
    if not isinstance(operation, str) or plain(operation) not in map(plain, known):
        raise ParameterError(
            f"{asked}: the operation {operation!r:.60} was given, for which nothing is chosen; expected one of {', '.join(known)}; an "
            "operation of your own takes a lowering instead (docs/adding_a_kernel.md)"
        )


def _one_step_a_cycle(case: Case) -> float:
    return float(case.operation.cost(case.operand_types, case.types))


def _text_of(source: str | os.PathLike[str]) -> str:
    if isinstance(source, os.PathLike):
        return Path(source).read_text(encoding="utf-8")
    if not isinstance(source, str):
        raise OperandError(
            f"c_algorithm: the source {source!r:.60} of type {type(source).__name__} was given; expected C as a string, or the path of "
            "a file as pathlib.Path"
        )
    if "{" not in source:
        raise ParameterError(
            f"c_algorithm: the source {source!r:.60} was given, which has no body of a function; expected C; for a file write "
            "pathlib.Path(...)"
        )
    return source


def _checked_functions(functions: object, text: str) -> dict[str, str]:
    given = {"float32": functions} if isinstance(functions, str) else functions
    if not isinstance(given, Mapping) or not given:
        raise OperandError(
            f"c_algorithm: functions={functions!r:.60} was given; expected the name of a C function, or a mapping from dtypes to names, "
            "as in {'float32': 'conv', 'float64': 'conv_double'}"
        )
    checked: dict[str, str] = {}
    for dtype, function in given.items():
        if str(dtype) not in _COMPUTED:
            raise ParameterError(
                f"c_algorithm: a function for {dtype!r:.40} was given; expected dtypes among {', '.join(_COMPUTED)}"
            )
        if not isinstance(function, str) or not re.search(rf"\b{re.escape(function)}\b", text):
            raise ParameterError(
                f"c_algorithm: the function {function!r:.60} was given for {dtype}, and the C text does not define it; expected the name "
                "of a function in the source"
            )
        checked[str(dtype)] = function
    return checked


@dataclass(frozen=True, slots=True)
class LoweringOfUser(FromOutside):
    """A function of a user's, wherever it is defined."""

    function: Lowering

    def __call__(self, operation: Operation, context: Context) -> Sequence[Value]:
        """Append the statements of the function."""
        return self.function(operation, context)


@dataclass(frozen=True, slots=True)
class CallOfC(FromOutside):
    """A lowering that calls a C function of a user's.

    functions: pairs of a dtype and the function for it
    """

    source: str
    functions: tuple[tuple[str, str], ...]
    num_parts: NumParts

    def __call__(self, operation: Operation, context: Context) -> Sequence[Value]:
        """Append the call; raises NoLowering where a struct cannot tell of the case."""
        result, types = context.types[0], (context.operand_types, context.types)
        function = dict(self.functions).get(result.dtype.name)
        if function is None or not _is_of_one_dtype(*types):
            raise NoLowering(f"the function in C is for other dtypes than {result.dtype}")
        sizes = sizes_of(operation, *types)
        made = context.result()
        if result.size:
            # Groups have rows, and so an axis at least.
            filled = made if made.ndim else made.expand_dims((0,))
            operands = tuple(context.dense(number) for number in sizes.operands)
            parts = self.parts_of(operation, *types)
            cost = 2 * operation.cost(*types)
            structure = (sizes.text, sizes.name)
            call = CallOfUser(
                filled, operands, function, self.source, structure, sizes.numbers, parts, cost, (context.position,)
            )
            context.statements.append(call)
        return (made,)

    def parts_of(self, operation: Operation, operand_types: Sequence[TensorType], types: Sequence[TensorType]) -> int:
        """Return how many calls share the work; raises ParameterError where the user's function gives no number of calls."""
        given = self.num_parts
        # Any: a function of a user's may return anything.
        count: Any = given(operation, tuple(operand_types), tuple(types)) if callable(given) else given
        if not isinstance(count, int) or not 1 <= count <= MOST_PARTS:
            raise ParameterError(
                f"c_algorithm: num_parts gave {count!r:.40} for {operation.name}; expected a number from 1 to {MOST_PARTS}"
            )
        return count


def _is_of_one_dtype(operand_types: Sequence[TensorType], types: Sequence[TensorType]) -> bool:
    return len({each.dtype for each in (*operand_types, *types)}) == 1


def _why_not_in_c(lowering: CallOfC, own: Callable[[Case], str], case: Case) -> str:
    """Return why a function in C does not take a case: its dtype, what no struct tells, or the user's own reason."""
    dtypes = {each.dtype for each in (*case.operand_types, *case.types)}
    known = [dtype for dtype, _ in lowering.functions]
    if len(dtypes) != 1 or not dtypes <= set(map(np.dtype, known)):
        given = ", ".join(map(str, case.operand_types))
        return f"its functions in C are for {' and '.join(known)}, the same for all arrays, not {given}"
    try:
        sizes_of(case.operation, case.operand_types, case.types)
    except NoLowering as error:
        return str(error)
    return own(case)
