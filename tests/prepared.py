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
from composit.program import Pair, build_program, run_in, surroundings_of


def run_prepared(
    order: Sequence[Node], memory: Memory, kept: Iterable[Any], give_up: Callable[..., None] = print
) -> None:
    """Do what `run_nodes` does by a program; no known value is given up."""
    wanted = set(kept)
    outputs = [pair for node in order for pair in _pairs(node) if key_of(*pair) in wanted]
    known = [pair for node in memory.known for pair in _pairs(node)]
    bound = build_program(outputs, known)
    leaves = [memory.values[key_of(*pair)] for pair in bound.leaves]
    run = NumpyBackend().prepare(bound.program)
    values = run_in(surroundings_of(bound.program.labels), run, leaves)
    memory.values.update({key_of(*pair): value for pair, value in zip(outputs, values, strict=True)})


def _pairs(node: Node) -> list[Pair]:
    return [(node, index) for index in range(len(node.types))]


@contextmanager
def by_programs() -> Iterator[None]:
    """Let reads and evaluations inside run prepared programs."""
    with patch.object(guards, "run_nodes", run_prepared), patch.object(evaluation, "run_nodes", run_prepared):
        yield
