"""Schedules: what the pass decides, and that the C does what a schedule says, whatever it says."""

from typing import Any

import numpy as np
import pytest

import composit.numpy as cnp
import mosaic
from mosaic import targets
from mosaic.codegen import group_kernels, row_kernel, row_stages, serial_loops
from mosaic.passes import schedule, streams
from tests.mosaic.comparison import assert_same_values
from tests.mosaic.passes.test_stages import around, text
from tests.mosaic.test_fusion import softmax


def doubles(*shape: int) -> Any:
    return cnp.asarray(np.random.default_rng(0).normal(size=shape))


def test_the_schedule_says_tasks_lanes_and_accumulators() -> None:
    x = doubles(1000, 1000)
    before, after = around("schedule", x.sum(axis=1), [x])
    assert before == text(
        """
        for rows [1000] of 1000:
            temporary_0[1000, 1] = add over row of input_0[1000, 1000]
        return temporary_0[1000]
        """
    )
    assert after == text(
        """
        for rows [1000] of 1000 in 63 tasks of 16 by 4 lanes, 4 in turn:
            temporary_0[1000, 1] = add over row of input_0[1000, 1000]
        return temporary_0[1000]
        """
    )


def test_a_long_row_is_shared_in_ranges_and_summed_up_in_blocks() -> None:
    x = doubles(100_000)
    _, after = around("schedule", [x + 1, x.max()], [x])
    assert after.splitlines()[0] == "for one row of 100000 in 6 tasks of 16640 on cache lines by 4 lanes:"
    assert after.splitlines()[2] == "for one row of 100000 by 4 lanes, blocks of 4096 with 4 in turn:"


def heads(result: Any, given: list[Any]) -> list[str]:
    _, after = around("schedule", result, given)
    return [line for line in after.splitlines() if line.startswith("for ")]


def test_functions_that_are_algorithms_make_tasks_smaller() -> None:
    # A step of an LSTM: 8192 elements with five of exp and tanh take as long as 40,000 sums.
    x, y = doubles(64, 128), doubles(64, 128)
    gates = cnp.tanh(x) * cnp.exp(y) + cnp.tanh(x * y)
    assert "tasks" not in heads(x * y + x * (x - y), [x, y])[0]
    assert heads(gates, [x, y]) == ["for one row of 8192 in 2 tasks of 4096 by 4 lanes:"]


def test_few_tasks_are_a_power_of_two_so_that_threads_get_equal_parts() -> None:
    x = doubles(300, 150)  # 45,000 elements: three times those of a task
    assert heads(x.sum(axis=1), [x])[0].startswith("for rows [300] of 150 in 4 tasks of 75 by")


def test_a_product_has_tiles_and_a_scan_several_vectors_at_once() -> None:
    x, w = doubles(64, 32), doubles(32, 48)
    _, after = around("schedule", [x @ w, cnp.cumsum(x, axis=0)], [x, w])
    heads = [line for line in after.splitlines() if line.startswith("for rows [64] of 48") or "8 at once" in line]
    assert heads == [
        "for rows [64] of 48 in 4 tasks of 1 by 4 lanes, tiles of 4 x 12 x 32:",
        "for one row of 32 by 4 lanes, 8 at once:",
    ]


PROGRAMS: dict[str, Any] = {
    "streams": lambda x: x * 2,
    "elements": lambda x: cnp.exp(x) + 1,
    "rows": softmax,
    "sums": lambda x: [x.sum(axis=0), x.sum(axis=1), x.max()],
    "scans": lambda x: [cnp.cumsum(x, axis=0), cnp.cumprod(x, axis=1)],
}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("task_elements", 64),
        ("block_elements", 64),
        ("accumulators_in_turn", 2),
        ("most_records_in_turns", 0),
        ("most_wide_vectors", 2),
        ("most_wide_records", 0),
        ("most_unrolled_records", 0),
        ("widest_stream", 16),
        ("most_streamed", 0),
    ],
)
def test_emitters_obey_any_schedule(name: str, value: int, monkeypatch: pytest.MonkeyPatch) -> None:
    x = doubles(90, 300)
    given = np.asarray(cnp.evaluate(x))

    def sources() -> list[str]:
        models = [mosaic.compile(program(x), inputs=[x]) for program in PROGRAMS.values()]
        for model, program in zip(models, PROGRAMS.values(), strict=True):
            results, expected = model(given), cnp.evaluate(program(x))
            for one, other in zip(
                *((each if isinstance(each, list) else [each]) for each in (results, expected)), strict=True
            ):
                assert_same_values(one, other)
        return [model.source for model in models]

    before = sources()
    monkeypatch.setattr(streams if name in vars(streams) else schedule, name, value)
    # What is stored under the key of the program is of the other schedule.
    monkeypatch.setattr("mosaic.stored_programs.program_key", lambda request: None)
    after = sources()
    assert before != after, f"no program depends on {name}"


def test_emitters_hold_no_numbers_of_their_own() -> None:
    facts = vars(targets)  # of processors: nothing is chosen
    for module in (row_kernel, group_kernels, row_stages, serial_loops):
        named = {name: value for name, value in vars(module).items() if not name.startswith("_") and name not in facts}
        numbers = [name for name, value in named.items() if isinstance(value, int)]
        assert not numbers, f"{module.__name__} decides by {numbers}; schedules are made in mosaic/passes/schedule.py"
