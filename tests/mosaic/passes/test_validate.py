"""What is checked between passes, and how often."""

from dataclasses import replace

import numpy as np
import pytest

import composit.numpy as cnp
from composit.errors import InternalError
from mosaic.ir.statements import Definition, IrProgram
from mosaic.passes import pipeline, validate
from tests.mosaic.c_text import c_text


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[IrProgram]:
    """The programs that were checked while something was compiled, one after each pass."""
    programs: list[IrProgram] = []

    def validated(program: IrProgram, checked: dict) -> IrProgram:
        programs.append(program)
        return validate.validate(program, checked)

    monkeypatch.setattr(pipeline, "validate", validated)
    x = cnp.asarray(np.ones((8, 8)))
    c_text(cnp.exp(x @ x + 1.0), inputs=[x])
    return programs


def _with_first_definition(program: IrProgram, **changes: object) -> IrProgram:
    statements = list(program.statements)
    place = next(i for i, each in enumerate(statements) if isinstance(each, Definition))
    statements[place] = replace(statements[place], **changes)
    return replace(program, statements=tuple(statements))


def test_a_view_that_leaves_its_buffer_is_found(seen: list[IrProgram]) -> None:
    checked: dict = {}
    program = validate.validate(seen[0], checked)
    definition = next(each for each in program.statements if isinstance(each, Definition))
    outside = replace(definition.result, offset=1)
    with pytest.raises(InternalError, match=r"validate: .* reaches from 1 to 64 of 64 elements"):
        validate.validate(_with_first_definition(program, result=outside), checked)


def test_a_read_before_its_write_is_found_though_the_statements_were_checked(seen: list[IrProgram]) -> None:
    checked: dict = {}
    program = validate.validate(seen[0], checked)
    assert len(program.statements) > 1
    with pytest.raises(InternalError, match="is read before anything writes it"):
        validate.validate(replace(program, statements=program.statements[::-1]), checked)


def test_statements_that_a_pass_leaves_as_they_are_are_checked_once(
    seen: list[IrProgram], monkeypatch: pytest.MonkeyPatch
) -> None:
    count = []
    monkeypatch.setattr(validate, "_check_reach", lambda statement, around: count.append(1))
    checked: dict = {}
    for program in (seen[0], seen[0], seen[0]):
        validate.validate(program, checked)
    assert len(count) == len(seen[0].statements)
