"""Where each intermediate buffer lies in the arena: lifetimes decide, not operations.

Packing intervals in time and address with the least height is NP-hard, so this is a search: greedy placement, into the
tightest gap that fits, in several orders (Pisarchyk and Lee, "Efficient memory management for deep neural net
inference", 2020), then again with the buffers at the top moved to the front, keeping the best. It stops at the lower
bound, which most graphs reach in the first round.

Known weakness: a dense crowd (thousands of buffers alive at once) costs quadratic time.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Final

from composit.errors import InternalError

DEFAULT_ALIGNMENT_BYTES: Final = 64

# How many single placements the search may spend; a placement costs about 3 us.
_MAX_PLACEMENTS: Final = 20_000
_MAX_ROUNDS: Final = 40


@dataclass(frozen=True, slots=True)
class BufferRequest:
    """A buffer alive from step `first_use` to step `last_use`, both included.

    `can_reuse` are positions of other requests whose memory the step `first_use` may overwrite while it reads them.
    """

    num_bytes: int
    first_use: int
    last_use: int
    can_reuse: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class BufferPlan:
    """Byte offsets into one arena, with what sharing won and what it could win at most."""

    offsets: tuple[int, ...]
    arena_bytes: int
    unshared_bytes: int
    lower_bound_bytes: int


@dataclass(frozen=True, slots=True)
class _Block:
    """Memory that one buffer, or a chain of buffers each written in place of the one before, occupies."""

    num_bytes: int
    first_use: int
    last_use: int


Offsets = list[int]


def plan_buffers(requests: Sequence[BufferRequest], alignment_bytes: int = DEFAULT_ALIGNMENT_BYTES) -> BufferPlan:
    """The plan with the smallest arena that was found.

    Before:  a [0..1] 64 bytes, b [1..2] 64 bytes, c [2..3] 64 bytes
    After:   a at 0, b at 64, c at 0: an arena of 128 bytes instead of 192
    Pre:     first_use <= last_use; sizes are not negative
    Post:    buffers alive at the same step do not overlap, unless the later one may reuse the earlier one's memory
             and begins at the step in which that one ends
    """
    sizes = _aligned_sizes(requests, alignment_bytes)
    block_of_request, blocks = _chain_in_place(requests, sizes)
    lower_bound = _most_live_bytes(blocks)
    offsets = _search(blocks, lower_bound)
    return BufferPlan(
        tuple(offsets[block] for block in block_of_request), _height(blocks, offsets), sum(sizes), lower_bound
    )


def plan_without_reuse(requests: Sequence[BufferRequest], alignment_bytes: int = DEFAULT_ALIGNMENT_BYTES) -> BufferPlan:
    """The plan that gives each buffer memory of its own."""
    sizes = _aligned_sizes(requests, alignment_bytes)
    _, blocks = _chain_in_place(requests, sizes)
    offsets = accumulate(sizes, initial=0)
    return BufferPlan(tuple(offsets)[:-1], sum(sizes), sum(sizes), _most_live_bytes(blocks))


def _aligned_sizes(requests: Sequence[BufferRequest], alignment_bytes: int) -> list[int]:
    """Sizes rounded up, so that every offset is aligned."""
    for position, request in enumerate(requests):
        if request.num_bytes < 0 or request.first_use > request.last_use:
            raise InternalError(
                f"plan_buffers: request {position} is {request}; a size cannot be negative and a lifetime cannot end "
                f"before it begins; the pass that computes lifetimes is wrong"
            )
    return [-(-request.num_bytes // alignment_bytes) * alignment_bytes for request in requests]


def _chain_in_place(requests: Sequence[BufferRequest], sizes: Sequence[int]) -> tuple[list[int], list[_Block]]:
    """The block of each request, and the blocks: requests of equal size that may take over memory share one."""
    block_of: dict[int, int] = {}
    blocks: list[_Block] = []
    taken: set[int] = set()
    for position in sorted(range(len(requests)), key=lambda position: requests[position].first_use):
        request = requests[position]
        source = next((one for one in request.can_reuse if _can_take_over(requests, sizes, position, one, taken)), None)
        if source is None or source not in block_of:
            block_of[position] = len(blocks)
            blocks.append(_Block(sizes[position], request.first_use, request.last_use))
        else:
            taken.add(source)
            block_of[position] = block = block_of[source]
            blocks[block] = replace(blocks[block], last_use=request.last_use)
    return [block_of[position] for position in range(len(requests))], blocks


def _can_take_over(
    requests: Sequence[BufferRequest], sizes: Sequence[int], position: int, source: int, taken: set[int]
) -> bool:
    """Whether a request may lie exactly where its source lies: the one begins in the step where the other ends.

    A source that began in that step too is left alone: what it took over is still alive then.
    """
    is_handover = requests[source].first_use < requests[source].last_use == requests[position].first_use
    return is_handover and sizes[source] == sizes[position] and source not in taken and source != position


def _most_live_bytes(blocks: Sequence[_Block]) -> int:
    """The most memory alive at one step: no plan can need less."""
    changes: dict[int, int] = {}
    for block in blocks:
        changes[block.first_use] = changes.get(block.first_use, 0) + block.num_bytes
        changes[block.last_use + 1] = changes.get(block.last_use + 1, 0) - block.num_bytes
    return max(accumulate(changes[step] for step in sorted(changes)), default=0)


def _search(blocks: Sequence[_Block], lower_bound: int) -> Offsets:
    """The best offsets found within the budget."""
    neighbours = _neighbours(blocks)
    num_rounds = min(_MAX_ROUNDS, max(len(_ORDERS), _MAX_PLACEMENTS // max(len(blocks), 1)))
    best: Offsets = []
    best_order: list[int] = []
    for number in range(num_rounds):
        order = _greedy_order(blocks, number) if number < len(_ORDERS) else _top_first(blocks, best, best_order)
        offsets = _place(blocks, neighbours, order)
        if number == 0 or _height(blocks, offsets) < _height(blocks, best):
            best, best_order = offsets, order
        elif number >= len(_ORDERS):
            best_order = order  # the same height: go on from there
        if _height(blocks, best) == lower_bound:
            break
    return best


# Sort keys; a larger block is harder to place later, a longer one stands in the way of more.
_ORDERS: Final[tuple[Callable[[_Block], tuple[int, ...]], ...]] = (
    lambda block: (-block.num_bytes, block.first_use - block.last_use),
    lambda block: (-block.num_bytes * (block.last_use - block.first_use + 1), -block.num_bytes),
    lambda block: (block.first_use - block.last_use, -block.num_bytes),
    lambda block: (block.first_use, -block.num_bytes),
)


def _greedy_order(blocks: Sequence[_Block], number: int) -> list[int]:
    key = _ORDERS[number]
    return sorted(range(len(blocks)), key=lambda position: key(blocks[position]))


def _top_first(blocks: Sequence[_Block], offsets: Offsets, order: Sequence[int]) -> list[int]:
    """The order with those blocks in front whose end is the arena's."""
    height = _height(blocks, offsets)
    top = {position for position in order if offsets[position] + blocks[position].num_bytes == height}
    return sorted(order, key=lambda position: position not in top)


def _neighbours(blocks: Sequence[_Block]) -> list[list[int]]:
    """The blocks alive at a step of each block; an empty block has none."""
    neighbours: list[list[int]] = [[] for _ in blocks]
    alive: list[int] = []
    for position in sorted(range(len(blocks)), key=lambda position: blocks[position].first_use):
        block = blocks[position]
        if block.num_bytes == 0:
            continue
        alive = [other for other in alive if blocks[other].last_use >= block.first_use]
        neighbours[position].extend(alive)
        for other in alive:
            neighbours[other].append(position)
        alive.append(position)
    return neighbours


def _place(blocks: Sequence[_Block], neighbours: Sequence[Sequence[int]], order: Sequence[int]) -> Offsets:
    """Each block in turn into the tightest gap between its neighbours, or on top of them."""
    offsets = [0] * len(blocks)
    is_placed = [False] * len(blocks)
    for position in order:
        occupied = sorted(
            [(offsets[other], blocks[other].num_bytes) for other in neighbours[position] if is_placed[other]]
        )
        offsets[position] = _tightest_gap(occupied, blocks[position].num_bytes)
        is_placed[position] = True
    return offsets


def _tightest_gap(occupied: Sequence[tuple[int, int]], num_bytes: int) -> int:
    """The start of the smallest gap of at least that size between (offset, size) pairs in order, else their end."""
    end, tightest, smallest = 0, -1, 0
    for offset, size in occupied:
        gap = offset - end
        if gap >= num_bytes and (tightest < 0 or gap < smallest):
            tightest, smallest = end, gap
        if offset + size > end:
            end = offset + size
    return end if tightest < 0 else tightest


def _height(blocks: Sequence[_Block], offsets: Offsets) -> int:
    """The bytes an arena needs for these offsets."""
    return max((offset + block.num_bytes for offset, block in zip(offsets, blocks, strict=True)), default=0)
