"""Backends: the registry, and what a backend of a user's own is given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import composit as cnp
from composit.backends import available_backends, get_backend, register_backend
from composit.errors import UnknownBackendError
from composit.operation import Input
from composit.program import Program
from composit.source import Source, describe_source, find_source, line_number


class Recording:
    """Computes with numpy, and keeps the programs it was given."""

    def __init__(self) -> None:
        self.programs: list[Program] = []

    def prepare(self, program: Program) -> Callable[[Sequence[Any]], Sequence[Any]]:
        self.programs.append(program)
        return get_backend("numpy").prepare(program)


def test_the_backends_of_this_package_are_known_by_name():
    assert {"numpy", "mosaic", "torch"} <= set(available_backends())
    assert get_backend("numpy") is get_backend("numpy")


def test_a_program_is_in_topological_order_and_names_its_inputs():
    backend = Recording()
    x, y = cnp.asarray([1.0, 2.0]), cnp.asarray([3.0, 4.0])
    left, right = cnp.split(cnp.tanh(x @ y * x), 2)
    cnp.evaluate(left + right, right, backend=backend)
    (program,) = backend.programs
    for position, instruction in enumerate(program.instructions):
        assert all(source < position for source, _ in instruction.operands)
    leaves = [i for i, each in enumerate(program.instructions) if isinstance(each.operation, Input)]
    assert sorted(program.inputs) == leaves
    assert len(program.outputs) == 2
    assert len(program.labels) == len(program.instructions)


def test_one_structure_is_prepared_once_per_backend():
    first, second = Recording(), Recording()
    for backend in (first, second, first, second):
        cnp.evaluate(cnp.exp(cnp.asarray([1.0])) * 3, backend=backend)
    assert (len(first.programs), len(second.programs)) == (1, 1)


def test_a_backend_that_is_not_known_is_an_error_that_names_the_others():
    with pytest.raises(UnknownBackendError, match="numpy"):
        cnp.evaluate(cnp.ones(2), backend="nowhere")
    with pytest.raises(TypeError, match="prepare"):
        register_backend("broken", object())  # type: ignore[arg-type]  # what is tested


def test_a_source_names_the_line_that_called():
    def line_of_the_call() -> Source | None:
        return find_source()

    source = line_of_the_call()
    assert source is not None
    assert "line_of_the_call()" in describe_source(source)
    assert line_number(source) > 1
    assert "not known" in describe_source(None)


def test_what_a_backend_returns_is_the_callers_own():
    x = cnp.asarray(np.array([1.0, 2.0]))
    for name in ("numpy", "mosaic"):
        first = cnp.evaluate(x, x.reshape(2, 1), x[:1], backend=name)
        for array in first:
            array[...] = 99
        np.testing.assert_array_equal(cnp.evaluate(x, backend=name), [1, 2])
