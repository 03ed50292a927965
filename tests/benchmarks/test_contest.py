"""Cases run by all contenders: who is compared, who is left out, and what the summary says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.contender import Contender, skip
from benchmarks.contest import Bound, Plan, Result, Team, contest, largest_error, print_result, print_summary
from benchmarks.module_workload import Arrays, Built

UNREACHABLE = Bound(1e-9, 1e-12)


@dataclass(frozen=True, slots=True)
class Halving:
    """A case that is its own workload: half of a vector. The summary marks it, because nobody is so fast as its bound."""

    name: str = "halving"
    bound: Bound = UNREACHABLE
    tolerance: float = 1e-3
    num_threads: int = 1
    onnx_path: Path | None = None

    def exported(self, path: Path | None) -> Halving:
        return self

    def built(self) -> Built:
        return torch.nn.Linear(1, 1), (torch.ones(3, 1),)


def prepare(workload: Halving, kind: str) -> Callable[[], Arrays]:
    """What a contender's module defines; a worker imports this very module."""
    if kind == "refuses":
        skip("it does not halve")
    module, (given,) = workload.built()
    module.load_state_dict({"weight": torch.full((1, 1), 0.5), "bias": torch.zeros(1)})
    factor = {"slow": 1.0, "wrong": 1.5}.get(kind, 1.0)

    def run() -> Arrays:
        if kind == "slow":
            sum(range(200_000))
        return [factor * module(given).detach().numpy()]

    return run


def contender(kind: str) -> Contender:
    return Contender(kind, "tests.benchmarks.test_contest", arguments=(kind,))


@pytest.fixture
def expected_halves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.contest.export_onnx", lambda workload, path: None)
    monkeypatch.setattr("benchmarks.contest.expected_outputs", lambda workload: [np.full((3, 1), 0.5)])


def result_of(*kinds: str, ours: str = "plain") -> Result:
    with Team([contender(kind) for kind in kinds]) as team:
        return contest(team, Halving(), Halving(), Plan(kinds, [ours], num_rounds=3, has_memory=True))


@pytest.mark.usefixtures("expected_halves")
@pytest.mark.slow
def test_who_is_wrong_or_refuses_is_told_and_not_compared_with(capsys: pytest.CaptureFixture[str]) -> None:
    result = result_of("plain", "slow", "wrong", "refuses")
    assert result.fastest == "slow"
    assert result.skipped == {"refuses": "it does not halve"}
    assert not result.standings["wrong"].is_right
    assert result.standings["plain"].mib is not None
    assert result.ratio_to_fastest is not None
    assert result.ratio_to_fastest.median < 1
    print_result(result)
    print_summary("all", [result])
    printed = capsys.readouterr().out
    assert "5e-01 wrong" in printed
    assert "refuses left out: it does not halve" in printed
    assert " !" in printed  # above its bound


@pytest.mark.usefixtures("expected_halves")
def test_outputs_of_ours_that_are_wrong_are_an_error() -> None:
    with pytest.raises(AssertionError, match=r"halving: largest errors .*'wrong'"):
        result_of("wrong", "slow", ours="wrong")


def test_errors_are_parts_of_the_largest_value() -> None:
    assert largest_error([np.array([3.0, 4.0])], [np.array([3.0, 5.0])]) == pytest.approx(0.2)
    assert largest_error([np.array([np.nan])], [np.ones(1)]) == np.inf
    assert largest_error([np.ones(2)], [np.ones(1)]) == np.inf
