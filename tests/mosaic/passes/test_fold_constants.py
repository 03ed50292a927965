"""What is computed once, when a model is built: asked of each operation, by what it costs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import composit.numpy as cnp
from composit.guards import leaf_value
from composit.program import build_program
from composit.value import value_of
from mosaic.passes.fold_constants import fold_constants


def constant(*shape: int) -> Any:
    return cnp.asarray(np.linspace(-1, 1, int(np.prod(shape)), dtype=np.float32).reshape(shape))


def names_of_folded(*outputs: Any) -> list[str]:
    """The names of the operations whose results are stored."""
    bound = build_program([value_of(output) for output in outputs])
    program = bound.program
    given = {position: leaf_value(leaf) for position, leaf in zip(program.inputs, bound.leaves, strict=True)}
    folded = fold_constants(program, given)
    for position, array in folded.items():
        assert array.shape == program.instructions[position].types[0].shape
        assert array.dtype == program.instructions[position].types[0].dtype
    return [program.instructions[position].operation.name for position in folded if position not in given]


@pytest.mark.parametrize(
    ("function", "names"),
    [
        (lambda x: cnp.exp(x), ["exp"]),
        (lambda x: x.T, []),
        (lambda x: cnp.exp(x.T)[1:], ["exp"]),
        (lambda x: cnp.broadcast_to(x, (3, 4, 6)), []),
        (lambda x: cnp.ravel(x)[::2], []),
        (lambda x: cnp.full((3, 3), 2.0) + 1, ["add"]),
        (lambda x: cnp.full((3, 3), 2.0), []),
        (lambda x: cnp.sort(x), ["sort"]),
        (lambda x: cnp.diagonal(x), []),
        (lambda x: cnp.arange(5), ["arange"]),
    ],
)
def test_what_only_shows_elements_is_not_stored_but_known(function: Any, names: list[str]) -> None:
    assert names_of_folded(function(constant(4, 6))) == names


def test_parts_of_a_split_constant_are_views_of_it() -> None:
    assert names_of_folded(*cnp.split(cnp.exp(constant(4, 6)), 2)) == ["exp"]


def test_a_result_much_larger_than_its_operands_is_not_stored() -> None:
    assert names_of_folded(constant(2048, 1) + constant(1, 2048)) == []


@pytest.mark.parametrize(("depth", "names"), [(2, []), (64, ["matmul"])])
def test_a_large_result_is_stored_if_its_elements_cost_more_than_loading_them(depth: int, names: list[str]) -> None:
    assert names_of_folded(constant(1024, depth) @ constant(depth, 1024)) == names


def test_windows_of_a_constant_that_C_cannot_see_as_a_view_are_not_stored_where_they_are_large() -> None:
    windows = np.lib.stride_tricks.sliding_window_view
    assert names_of_folded(windows(constant(5000), 500)) == []
    assert names_of_folded(windows(constant(50), 5)) == ["sliding_window_view", "read_only"]


def test_a_constant_of_one_value_takes_no_memory_while_constants_are_folded() -> None:
    huge = cnp.full((1 << 20, 1 << 20), 1.0)  # 8 TiB
    assert names_of_folded(huge[:2, :3] + constant(2, 3)) == ["add"]
