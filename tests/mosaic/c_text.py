"""The C of tensors, as an exported library has it but for the runtime."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from composit.containers import flatten
from mosaic.compiled import CompiledProgram
from mosaic.exporting.checks import check_no_reads, check_whole
from mosaic.passes.pipeline import Options, compile_program
from mosaic.requests import given_tensors, request_for
from mosaic.targets import Target, get_target


def compiled_program(
    outputs: Any,
    inputs: Sequence[Any],
    *,
    tile_scheme: Any = None,
    target: str | Target | None = None,
    algorithms: Any = None,
) -> CompiledProgram:
    """The program compiled for a processor that need not be this machine's.

    Raises: UnsupportedOperationError: a part of it has no C
    """
    handles = flatten(outputs)[0]
    given = given_tensors("export", outputs, handles, inputs)
    request, checked = request_for(handles, given, Options(get_target(target)), tile_scheme, "check", algorithms)
    check_no_reads(checked)
    compiled = compile_program(request, lambda stage, fraction: None)
    check_whole(request.program, compiled)
    return compiled


def c_text(outputs: Any, inputs: Sequence[Any], **options: Any) -> str:
    """The C text of `compiled_program`."""
    return compiled_program(outputs, inputs, **options).source
