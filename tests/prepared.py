"""Runs by prepared programs in place of node by node: the two ways to evaluate have to give the same results."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from composit import evaluation, guards
from composit.direct import Memory, key_of
from composit.interpreter import NumpyBackend
from composit.node import Node
from composit.program import build_program, run_in, surroundings_of
from composit.value import Value


def run_prepared(
    order: Sequence[Node], memory: Memory, kept: Iterable[Any], give_up: Callable[..., None] = print
) -> None:
    """Do what `run_nodes` does by a program; no known value is given up."""
    wanted = set(kept)
    outputs = [value for node in order for value in _values(node) if _key_of(value) in wanted]
    known = [value for node in memory.known for value in _values(node)]
    bound = build_program(outputs, known)
    leaves = [memory.values[_key_of(leaf)] for leaf in bound.leaves]
    run = NumpyBackend().prepare(bound.program)
    values = run_in(surroundings_of(bound.program.labels), run, leaves)
    memory.values.update({_key_of(output): value for output, value in zip(outputs, values, strict=True)})


def _values(node: Node) -> list[Value]:
    return [Value(node, index) for index in range(len(node.types))]


def _key_of(value: Value) -> Any:
    return key_of(value.node, value.index)


@contextmanager
def by_programs() -> Iterator[None]:
    """Let reads and evaluations inside run prepared programs."""
    with patch.object(guards, "run_nodes", run_prepared), patch.object(evaluation, "run_nodes", run_prepared):
        yield
