"""Parameters of which the default run takes a sample, and the slow run the rest.

    @pytest.mark.parametrize("dtype", one_in(4, DTYPES))
    @pytest.mark.parametrize(("dtype", "target"), one_in(3, product(DTYPES, TARGETS)))
    @pytest.mark.parametrize("shape", one_in(2, zip(SHAPES)))  # one argument that is a tuple
    @pytest.mark.parametrize(("name", "fuse"), in_turn(NAMES, [True, False]))  # each name, every second one fused

The rest is marked slow, not dropped: `-m "slow or not slow"` runs each parameter once.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product
from typing import Any

import pytest


def one_in(every: int, values: Iterable[Any], first: int = 0) -> list[Any]:
    """Every so-manyth value for the default run, the others marked slow. A tuple holds the arguments of one test."""
    return [_parameter(value, number % every == first) for number, value in enumerate(values)]


def only(sample: Iterable[Any], values: Iterable[Any]) -> list[Any]:
    """The values of the sample for the default run, the others marked slow.

    Raises: ValueError: the sample names a value that does not exist
    """
    chosen, given = list(sample), list(values)
    missing = [value for value in chosen if value not in given]
    if missing:
        raise ValueError(f"only: the sample has {missing}, which are not among the values; name some that are")
    return [_parameter(value, value in chosen) for value in given]


def in_turn(values: Iterable[Any], *axes: Iterable[Any]) -> list[Any]:
    """The product of all; the default run takes each value once, with the combinations of the other axes in turn."""
    combinations = list(product(*axes))
    return [
        _parameter((value, *others), turn == number % len(combinations))
        for number, value in enumerate(values)
        for turn, others in enumerate(combinations)
    ]


def _parameter(value: Any, is_sampled: bool) -> Any:
    arguments = value if isinstance(value, tuple) else (value,)
    return pytest.param(*arguments, marks=() if is_sampled else pytest.mark.slow)
