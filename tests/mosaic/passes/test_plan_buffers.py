"""Buffers share memory, and never while both are alive."""

import random
from timeit import repeat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from composit.errors import InternalError
from mosaic.passes.plan_buffers import BufferPlan, BufferRequest, plan_buffers, plan_without_reuse


@st.composite
def request_lists(draw: st.DrawFn) -> list[BufferRequest]:
    """Buffers of random lifetimes, each of which may reuse some earlier ones."""
    requests: list[BufferRequest] = []
    for position in range(draw(st.integers(0, 25))):
        first = draw(st.integers(0, 12))
        can_reuse = draw(st.lists(st.integers(0, position - 1), unique=True, max_size=3)) if position else []
        num_bytes = draw(st.sampled_from([0, 1, 64, 64, 100, 128, 1000, 4096]))
        requests.append(BufferRequest(num_bytes, first, first + draw(st.integers(0, 6)), tuple(can_reuse)))
    return requests


def may_share(earlier: BufferRequest, later: BufferRequest, earlier_position: int) -> bool:
    return earlier_position in later.can_reuse and earlier.last_use == later.first_use


def assert_correct(requests: list[BufferRequest], plan: BufferPlan, alignment_bytes: int = 64) -> None:
    """No two buffers that are alive at one step overlap; everything is aligned and inside."""
    assert len(plan.offsets) == len(requests)
    for position, (request, offset) in enumerate(zip(requests, plan.offsets, strict=True)):
        assert offset % alignment_bytes == 0
        assert 0 <= offset <= offset + request.num_bytes <= plan.arena_bytes
        for other_position in range(position):
            other, other_offset = requests[other_position], plan.offsets[other_position]
            alive_together = request.first_use <= other.last_use and other.first_use <= request.last_use
            apart = offset + request.num_bytes <= other_offset or other_offset + other.num_bytes <= offset
            in_place = offset == other_offset and (
                may_share(other, request, other_position) or may_share(request, other, position)
            )
            empty = request.num_bytes == 0 or other.num_bytes == 0
            assert not alive_together or apart or in_place or empty


def test_memory_is_not_handed_over_twice_in_one_step() -> None:
    requests = [BufferRequest(64, 0, 1), BufferRequest(64, 1, 1, (0,)), BufferRequest(64, 1, 2, (1,))]
    plan = plan_buffers(requests)
    assert_correct(requests, plan)
    assert plan.offsets[0] == plan.offsets[1] != plan.offsets[2]


@given(request_lists(), st.sampled_from([1, 64, 4096]))
def test_buffers_alive_together_never_overlap(requests: list[BufferRequest], alignment_bytes: int) -> None:
    plan = plan_buffers(requests, alignment_bytes)
    assert_correct(requests, plan, alignment_bytes)
    assert plan.lower_bound_bytes <= plan.arena_bytes <= plan.unshared_bytes


@given(request_lists())
def test_without_reuse_every_buffer_has_its_own_memory(requests: list[BufferRequest]) -> None:
    plan = plan_without_reuse(requests)
    assert plan.arena_bytes == plan.unshared_bytes == sum(-(-request.num_bytes // 64) * 64 for request in requests)
    forever = [BufferRequest(request.num_bytes, 0, 1) for request in requests]
    assert_correct(forever, plan)


@given(request_lists())
def test_the_lower_bound_is_what_is_alive_at_one_step(requests: list[BufferRequest]) -> None:
    without_chains = [BufferRequest(one.num_bytes, one.first_use, one.last_use) for one in requests]
    alive = [
        sum(-(-one.num_bytes // 64) * 64 for one in requests if one.first_use <= step <= one.last_use)
        for step in range(20)
    ]
    assert plan_buffers(without_chains).lower_bound_bytes == max(alive)


def test_nothing_needs_nothing() -> None:
    assert plan_buffers([]) == BufferPlan((), 0, 0, 0)
    assert plan_buffers([BufferRequest(0, 0, 0)]).arena_bytes == 0


def test_memory_is_used_again_after_the_last_use() -> None:
    plan = plan_buffers([BufferRequest(64, 0, 1), BufferRequest(64, 1, 2), BufferRequest(64, 2, 3)])
    assert plan == BufferPlan((0, 64, 0), 128, 192, 128)


def test_a_buffer_is_written_in_place_where_that_is_allowed() -> None:
    chain = [BufferRequest(100, step, step + 1, (step - 1,) if step else ()) for step in range(5)]
    assert plan_buffers(chain) == BufferPlan((0,) * 5, 128, 5 * 128, 128)


def test_only_one_successor_takes_the_memory_over() -> None:
    requests = [BufferRequest(64, 0, 1), BufferRequest(64, 1, 2, (0,)), BufferRequest(64, 1, 2, (0,))]
    plan = plan_buffers(requests)
    assert plan.arena_bytes == 128
    assert_correct(requests, plan)


def test_a_buffer_that_is_read_later_is_not_written_in_place() -> None:
    requests = [BufferRequest(64, 0, 2), BufferRequest(64, 1, 2, (0,))]
    assert plan_buffers(requests).arena_bytes == 128


def test_a_lifetime_that_ends_before_it_begins_is_our_own_bug() -> None:
    with pytest.raises(InternalError, match=r"request 0 is BufferRequest\(num_bytes=8, first_use=2, last_use=1"):
        plan_buffers([BufferRequest(8, 2, 1)])


def transformer(num_layers: int, hidden: int, sequence: int) -> list[BufferRequest]:
    """The intermediates of an encoder at primitive level: residuals, projections, scores, feed-forward."""
    requests: list[BufferRequest] = []
    step = 0
    row = 4 * hidden * sequence
    for _ in range(num_layers):
        lifetimes = [
            (row, 0, 9), (row, 1, 4), (row, 2, 4), (row, 3, 7), (4 * 12 * sequence * sequence, 4, 5),
            (4 * 12 * sequence, 5, 6), (4 * 12 * sequence * sequence, 5, 7), (row, 7, 8), (row, 8, 9), (row, 9, 14),
            (4 * sequence, 9, 10), (4 * row, 10, 11), (4 * row, 11, 12), (4 * row, 12, 13), (row, 13, 14),
            (row, 14, 15),
        ]  # fmt: skip
        requests += [BufferRequest(size, step + first, step + last) for size, first, last in lifetimes]
        step += 15
    return requests


def training_step(num_layers: int, seed: int) -> list[BufferRequest]:
    """Activations of a network that live until their backward step, with gradients beside them."""
    chooser = random.Random(seed)
    requests = []
    for layer in range(num_layers):
        size = chooser.choice([1, 2, 2, 4, 8]) * 65536 + chooser.choice([0, 4, 300])
        requests.append(BufferRequest(size, layer, 2 * num_layers - layer))
        requests.append(BufferRequest(chooser.choice([1, 3]) * size // 2, layer, layer + 1))
        requests.append(BufferRequest(size, 2 * num_layers - layer, 2 * num_layers - layer + 1))
    return requests


def branches(num_blocks: int, seed: int) -> list[BufferRequest]:
    """Blocks with parallel branches of random sizes and skips over a few steps, as in a convolutional network."""
    chooser = random.Random(seed)
    requests = []
    for step in range(num_blocks):
        for _ in range(chooser.randint(1, 4)):
            size = chooser.randint(1, 64) * chooser.choice([256, 4096, 65536])
            requests.append(BufferRequest(size, step, step + chooser.choice([1, 1, 1, 2, 3, 8])))
    return requests


@pytest.mark.parametrize(
    "requests",
    [
        transformer(12, 768, 128),
        transformer(6, 384, 31),
        *(training_step(layers, seed) for layers, seed in ((10, 1), (50, 2), (200, 3))),
        *(branches(count, seed) for count, seed in ((20, 1), (50, 2), (100, 3), (300, 4), (600, 5))),
    ],
    ids=[f"transformer {n}" for n in (12, 6)]
    + [f"training {n}" for n in (10, 50, 200)]
    + [f"branches {n}" for n in range(5)],
)
def test_the_arena_of_realistic_programs_is_within_a_tenth_of_the_bound(requests: list[BufferRequest]) -> None:
    plan = plan_buffers(requests)
    assert_correct(requests, plan)
    assert plan.arena_bytes <= 1.1 * plan.lower_bound_bytes


def test_the_plan_is_the_same_each_time() -> None:
    requests = branches(100, 7)
    assert plan_buffers(requests) == plan_buffers(list(requests))


@pytest.mark.benchmark
@pytest.mark.parametrize("requests", [transformer(125, 768, 128), training_step(150, 1), branches(800, 1)])
def test_two_thousand_buffers_are_planned_in_a_tenth_of_a_second(requests: list[BufferRequest]) -> None:
    assert min(repeat(lambda: plan_buffers(requests), number=1, repeat=3)) < 0.1
