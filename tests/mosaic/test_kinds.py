"""What a statement that answers nothing, or stands where its kind cannot, is told."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

import composit.numpy as cnp
import mosaic
from mosaic.codegen.group_kernels import emit_kernel
from mosaic.codegen.serial_loops import emit_in_turn
from mosaic.compiled_json import to_json
from mosaic.ir.affine import Symbol
from mosaic.ir.kinds import Kind, of_kind
from mosaic.ir.loops import Loop, loops_of, without_loops
from mosaic.ir.views import Buffer, BufferKind, View, dense_view
from mosaic.passes.describe_compiled import describe_steps
from mosaic.passes.loop_groups import loop_group

_VIEW = dense_view(Buffer(BufferKind.TEMPORARY, 0, 3, np.dtype(np.float64)), (3,))


@dataclass(frozen=True, slots=True, eq=False)
class Silent(Kind):
    """A kind that answers nothing."""

    origins: tuple[int, ...] = ()


class Copying(Silent):
    """A kind with views, of which no stage of a kernel can be made."""

    __slots__ = ()

    def reads(self) -> Iterator[View]:
        yield _VIEW

    writes = reads


def _loop(*body: Kind) -> Loop:
    return Loop(Symbol("i", 3), 3, body)


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda: next(Silent().reads()), r"Silent: a kind of statement must define reads\(\)"),
        (lambda: next(Silent().writes()), r"Silent: a kind of statement must define writes\(\)"),
        (lambda: emit_kernel(Silent(), None), "no kernel is registered for Silent"),
        (lambda: emit_in_turn(Silent(), None, [], []), "Silent does not run inside a kernel"),
        (lambda: loop_group(_loop(Copying())), "Copying computes nothing element by element"),
        (lambda: list(describe_steps([Silent()], [], [])), "Silent is no step of a program"),
    ],
)
def test_a_kind_without_an_answer_says_which_is_missing(ask: Any, words: str) -> None:
    with pytest.raises(TypeError, match=words):
        ask()


def test_a_program_with_a_step_of_another_kind_is_not_stored() -> None:
    x = cnp.asarray(np.ones(3))
    compiled = mosaic.compile(x + 1, inputs=[x])._executable.compiled
    with pytest.raises(TypeError, match="Silent is no step of a compiled program"):
        to_json(replace(compiled, steps=(Silent(),)))


def test_a_statement_is_searched_for_loops_at_any_depth() -> None:
    first, second, third = Silent((1,)), Silent((2,)), Silent((3,))
    inner = _loop(second)
    outer = _loop(first, inner, third)
    assert list(loops_of(outer)) == [outer, inner]
    assert list(without_loops(outer)) == [first, second, third]
    assert list(loops_of(first)) == []
    assert list(without_loops(first)) == [first]
    assert of_kind(Loop, [first, inner]) == (inner,)
