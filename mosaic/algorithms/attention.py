"""Attention: a product, what follows along its rows, and a product of these rows with values; as one kernel, or as several.

It is no operation of its own: the second product stands for it. The pass `fuse_attention` makes the kernel, where the parts have no
other readers; the model of cost only knows that rows which stay in the cache need not go through memory.
"""

from __future__ import annotations

from composit.operation import OperationKind
from composit.program import Program
from mosaic.algorithms.costs import memory_cycles, num_bytes
from mosaic.algorithms.record import Algorithm, Case
from mosaic.algorithms.registry import register
from mosaic.lowering.registry import lower

NAME = "attention"
FUSED, UNFUSED = "fused", "unfused"

longest_row = 4096
"""Elements of a row of scores: a block of a few rows must fit on the stack and into L2."""

_most_steps = 48
"""Instructions between scores and weights that are looked through; a softmax with scale and mask has about ten."""


def scores_of(program: Program, position: int) -> int | None:
    """Return the product of scores whose rows the product at a position multiplies with values; None if it is no attention."""
    instruction = program.instructions[position]
    if not instruction.operation.is_matrix_product:
        return None
    source, index = instruction.operands[0]
    shape = program.instructions[source].types[index].shape
    if len(shape) < 3:
        return None
    seen: set[int] = set()
    waiting = [source]
    while waiting and len(seen) < _most_steps:
        place = waiting.pop()
        if place in seen:
            continue
        seen.add(place)
        found = program.instructions[place]
        if found.operation.is_matrix_product:
            if found.types[0].shape == shape and place != source:
                return place
        elif found.operation.kind is not OperationKind.CONTRACTION:
            waiting += [operand for operand, _ in found.operands]
    return None


def _too_long(case: Case) -> str:
    length = case.operand_types[0].shape[-1]
    return (
        f"a row of {length} scores is longer than the {longest_row} that a kernel keeps" if length > longest_row else ""
    )


def _cycles_fused(case: Case) -> float:
    return memory_cycles(num_bytes((*case.operand_types[1:], *case.types)), case.target)


def _cycles_unfused(case: Case) -> float:
    rows = case.operand_types[
        :1
    ]  # written and read: scores by the product and the softmax, weights by the softmax and the product
    return _cycles_fused(case) + 4 * memory_cycles(num_bytes(rows), case.target)


register(
    Algorithm(
        NAME, FUSED, "scores, softmax and values in one kernel, some rows at a time", lower, _cycles_fused, _too_long
    )
)
register(Algorithm(NAME, UNFUSED, "scores and weights are arrays, a kernel for each part", lower, _cycles_unfused))
