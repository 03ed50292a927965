"""Runs a scan by numpy: the steps of the body are prepared once and run on one memory, turn after turn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from composit.nn.scans.body import Body
from composit.program import running_in


def run_scan(body: Body, num_xs: int, turns: Sequence[int], operands: Sequence[Any]) -> list[Any]:
    """Return the last carried values, and the stacked values of all turns.

    turns:    places along the axis of the stacked arrays, in the order in which they run
    operands: carried values, arrays to run along, then what is the same in each turn
    """
    steps, num_carried = body.steps, body.num_carried
    slots = dict(zip(body.numbers, steps.input_slots, strict=True))
    carried = [_as_element(each) for each in operands[:num_carried]]
    along = [(slots[n], operands[n]) for n in range(num_carried, num_carried + num_xs) if n in slots]
    template: list[Any] = [None] * steps.num_slots
    for number in range(num_carried + num_xs, len(operands)):
        if number in slots:
            template[slots[number]] = operands[number]
    carry_slots = [slots.get(number) for number in range(num_carried)]
    types = body.output_types
    carry_outputs = [
        (slot, not each.shape) for slot, each in zip(steps.output_slots, types[:num_carried], strict=False)
    ]
    stacks = [np.empty((len(turns), *each.shape), each.dtype) for each in types[num_carried:]]
    stacked = list(zip(stacks, steps.output_slots[num_carried:], strict=True))
    with running_in(body.surroundings):
        for turn in turns:
            memory = template.copy()
            for slot, array in along:
                memory[slot] = array[turn]
            for place in reversed(carry_slots):
                # Only the memory holds a carried array, so that a write in the body can change it in place.
                value = carried.pop()
                if place is not None:
                    memory[place] = value
            value = None
            steps.run(memory)
            for stack, slot in stacked:
                stack[turn] = memory[slot]
            carried = [_as_element(memory[slot]) if is_element else memory[slot] for slot, is_element in carry_outputs]
    return [*(each if np.ndim(each) < 2 else np.ascontiguousarray(each) for each in carried), *stacks]


def _as_element(value: Any) -> Any:
    """Return numpy's scalar for an array of rank 0: carried values without axes are scalars in each turn."""
    return value[()] if isinstance(value, np.ndarray) and not value.ndim else value
