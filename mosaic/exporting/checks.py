"""Whether a program is C as a whole. A compiled model runs operations without C through numpy; a library of C cannot.

Errors name the operation, its scope (the path of the module in a model), and the user's line.
"""

from __future__ import annotations

from collections.abc import Sequence

from composit.errors import UnsupportedOperationError
from composit.guards import Guard
from composit.operation import TensorType
from composit.program import Program, labels_of
from composit.source import describe_source
from mosaic.compiled import CompiledProgram
from mosaic.ir.complex_parts import stored_dtype
from mosaic.ir.islands import Island
from mosaic.lowering.registry import compiled_dtypes

_INSTEAD = "use mosaic.compile, which runs it through numpy between the compiled kernels"


def check_no_reads(guards: Sequence[Guard]) -> None:
    """Raise where Python read values while the graph was built: the text would compute one path without the check.

    Raises: UnsupportedOperationError
    """
    if not guards:
        return
    more = f" and {len(guards) - 1} more" if len(guards) > 1 else ""
    raise UnsupportedOperationError(
        f"export: Python read values while this graph was built ({guards[0].kind}{more}), so the graph holds for inputs that"
        " give the same values, and C does not compare them; expected a graph without such reads; use mosaic.compile,"
        " which compares them in each call, or pass guards='ignore' if the values do not matter. The first read:\n"
        f"  {describe_source(guards[0].source)}"
    )


def check_whole(program: Program, compiled: CompiledProgram) -> None:
    """Raise unless the text's only function computes every output from the inputs.

    Raises: UnsupportedOperationError
    """
    if compiled.islands:
        raise UnsupportedOperationError(_without_c(program, compiled.islands))
    for kind, types in (("input", _input_types(program, compiled)), ("output", _output_types(program))):
        for number, value_type in enumerate(types):
            if stored_dtype(value_type.dtype) not in compiled_dtypes:
                raise UnsupportedOperationError(
                    f"export: {kind} {number} is {value_type}, and C does not compute with {value_type.dtype}; expected one of"
                    f" {', '.join(sorted(map(str, compiled_dtypes)))}; convert it, or {_INSTEAD}"
                )
    if not compiled.regions:
        raise UnsupportedOperationError(
            f"export: no output has elements ({', '.join(map(str, _output_types(program)))}), so there is nothing for C to"
            " compute; expected an output with elements; make the arrays where they are needed"
        )


def _without_c(program: Program, islands: Sequence[Island]) -> str:
    labels = labels_of(program)
    origins = [island.origins[0] for island in islands]
    names = ", ".join(
        dict.fromkeys(_in_scope(program.instructions[at].operation.name, labels[at].scope) for at in origins)
    )
    return (
        f"export: {names} would not be in the C, because {islands[0].reason}; expected operations that C computes; {_INSTEAD},"
        f" or give its result as one of inputs; built at:\n  {describe_source(labels[origins[0]].source)}"
    )


def _in_scope(name: str, scope: str) -> str:
    return f"{name} (in {scope})" if scope else name


def _input_types(program: Program, compiled: CompiledProgram) -> list[TensorType]:
    return [program.instructions[position].types[0] for position in compiled.input_positions]


def _output_types(program: Program) -> list[TensorType]:
    return [program.instructions[source].types[index] for source, index in program.outputs]
