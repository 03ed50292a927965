"""Random calls of composit.nn, and programs of several, are torch's by numpy, and numpy's by mosaic, first and second derivatives too.

The default run is a sample. The slow one takes other seeds, the generic target and float32.
"""

from __future__ import annotations

import pytest

from tests.properties.layer_calls.case import Case, Draw
from tests.properties.layer_calls.compare import Batch, against_torch
from tests.properties.layer_calls.layers import LAYERS
from tests.properties.layer_calls.losses import LOSSES
from tests.properties.layer_calls.programs import program
from tests.properties.layer_calls.spatial import SPATIAL

_CALLS = (*SPATIAL, *LAYERS, *LOSSES)


def _call(seed: int) -> Case:
    draw = Draw(seed)
    case: Case = draw.choice(_CALLS)(draw)
    return case


def _programs(seeds: range) -> list[Case]:
    return [program(Draw(seed)) for seed in seeds]


def _differences_from_torch(cases: dict[int, Case]) -> list[str]:
    return [f"seed {seed}: {case.text}: {said}" for seed, case in cases.items() for said in against_torch(case, seed)]


def _differences_from_numpy(cases: list[Case], seed: int, dtype: str, target: str | None = None) -> list[str]:
    found = Batch(cases, dtype, seed, target).differences()
    return [f"{cases[number].text if number >= 0 else 'all calls'}: {said}" for number, said in found]


def test_some_calls_are_torchs() -> None:
    assert _differences_from_torch({seed: _call(seed) for seed in range(40)}) == []


def test_some_programs_of_several_calls_are_torchs() -> None:
    assert _differences_from_torch(dict(enumerate(_programs(range(10))))) == []


def test_a_few_calls_in_one_compiled_program_are_numpys() -> None:
    assert _differences_from_numpy([_call(seed) for seed in range(4)], 0, "float64") == []


@pytest.mark.slow
@pytest.mark.parametrize("start", range(0, 800, 100))
def test_many_calls_are_torchs(start: int) -> None:
    assert _differences_from_torch({seed: _call(seed) for seed in range(start, start + 100)}) == []


@pytest.mark.slow
@pytest.mark.parametrize(("dtype", "target"), [("float64", None), ("float32", "generic")])
@pytest.mark.parametrize("start", range(100, 228, 8))
def test_many_calls_in_compiled_programs_are_numpys(start: int, dtype: str, target: str | None) -> None:
    assert _differences_from_numpy([_call(seed) for seed in range(start, start + 8)], start, dtype, target) == []


@pytest.mark.slow
@pytest.mark.parametrize("start", range(3000, 3064, 4))
def test_many_programs_of_several_calls_are_numpys(start: int) -> None:
    assert _differences_from_numpy(_programs(range(start, start + 4)), start, "float64") == []
