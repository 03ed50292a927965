"""`mosaic.emit`: the C text of a whole program, with its interface as a comment.

A compiled model runs operations without C through numpy; a text on its own cannot, so they are errors here.
"""

from __future__ import annotations

from collections.abc import Sequence

from composit.errors import UnsupportedOperationError
from composit.guards import Guard
from composit.operation import TensorType
from composit.program import Program, labels_of
from composit.source import describe_source
from mosaic.compiled import CompiledProgram, CompiledRegion
from mosaic.ir.complex_parts import PART_DTYPES, stored_dtype
from mosaic.ir.islands import Island
from mosaic.lowering.registry import compiled_dtypes
from mosaic.runtime.abi import RUN_SYMBOL

_INSTEAD = "use mosaic.compile, which runs it through numpy between the compiled kernels"


def emitted_text(program: Program, compiled: CompiledProgram) -> str:
    """Return the C text below a comment that says what its function takes and gives.

    Raises: UnsupportedOperationError: an operation, a dtype or an empty result is not in the text
    """
    check_whole(program, compiled)
    (region,) = compiled.regions
    return f"{_interface(program, compiled, region)}{compiled.source}"


def check_no_reads(guards: Sequence[Guard]) -> None:
    """Raise where Python read values while the graph was built: the text would compute one path without the check.

    Raises: UnsupportedOperationError
    """
    if not guards:
        return
    more = f" and {len(guards) - 1} more" if len(guards) > 1 else ""
    raise UnsupportedOperationError(
        f"emit: Python read values while this graph was built ({guards[0].kind}{more}), so the graph holds for inputs that"
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
                    f"emit: {kind} {number} is {value_type}, and C does not compute with {value_type.dtype}; expected one of"
                    f" {', '.join(sorted(map(str, compiled_dtypes)))}; convert it, or {_INSTEAD}"
                )
    if not compiled.regions:
        raise UnsupportedOperationError(
            f"emit: no output has elements ({', '.join(map(str, _output_types(program)))}), so there is nothing for C to"
            " compute; expected an output with elements; make the arrays where they are needed"
        )


def _without_c(program: Program, islands: Sequence[Island]) -> str:
    origins = [island.origins[0] for island in islands]
    names = ", ".join(dict.fromkeys(program.instructions[origin].operation.name for origin in origins))
    return (
        f"emit: {names} would not be in the C, because {islands[0].reason}; expected operations that C computes; {_INSTEAD},"
        f" or give its result as one of inputs; built at:\n  {describe_source(labels_of(program)[origins[0]].source)}"
    )


def _input_types(program: Program, compiled: CompiledProgram) -> list[TensorType]:
    return [program.instructions[position].types[0] for position in compiled.input_positions]


def _output_types(program: Program) -> list[TensorType]:
    return [program.instructions[source].types[index] for source, index in program.outputs]


def _interface(program: Program, compiled: CompiledProgram, region: CompiledRegion) -> str:
    """Return the comment. It holds no names and no source lines, so that the text is the same for every user."""
    lines = [f"{RUN_SYMBOL}(inputs, outputs, constants, arena, runtime), arrays without gaps in C order:"]
    lines += [f"inputs[{i}]: {each}" for i, each in enumerate(_input_types(program, compiled))]
    outputs = _output_types(program)
    lines += [f"outputs[{i}]: {each}" for i, each in enumerate(outputs)]
    if any(each.dtype in PART_DTYPES for each in (*_input_types(program, compiled), *outputs)):
        lines.append("a complex number is its real part, then its imaginary part")
    if region.num_status:
        names = ", ".join(program.instructions[origin].operation.name for origin in region.status_origins)
        lines.append(
            f"outputs[{len(outputs)}]: int64[{region.num_status}], 1 where an index is out of bounds (results are then"
            f" wrong), else 0: {names}"
        )
    sizes = [place.start + buffer.num_bytes for buffer, place in compiled.constants.items() if place.start is not None]
    if sizes:
        lines.append(f"constants: {max(sizes)} bytes, whose values are not in this text, from:")
        lines += [f"  byte {start}: {words}" for start, words in sorted(_constants(program, compiled))]
    for_one = region.num_arena_bytes(1)
    scratch = for_one - region.arena.arena_bytes
    more = f", and {scratch} more for each thread beyond the first" if scratch else ""
    lines.append(f"arena: {for_one} bytes aligned to 64{more}")
    return "".join(["/*\n", *(f" * {line}\n" for line in lines), " */\n"])


def _constants(program: Program, compiled: CompiledProgram) -> list[tuple[int, str]]:
    return [
        (place.start, f"{program.instructions[place.position].types[0]}{' in panels' if place.packing else ''}")
        for place in compiled.constants.values()
        if place.start is not None
    ]
