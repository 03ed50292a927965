"""Gradients for torch's own samples of its operators: by autograd inside a trace, evaluated on other inputs; second derivatives.

The default run takes a part of the entries, with a few samples each; all samples of all entries are slow.
"""

from __future__ import annotations

import pytest

from tests.composit.nn.opinfo import entries
from tests.flashlight import opinfo_second_order
from tests.flashlight.opinfo_autograd import run_entry
from tests.flashlight.opinfo_exceptions import WITHOUT_SECOND_DERIVATIVES, WITHOUT_VALUES

NAMES = [name for name, entry in entries("").items() if entry.supports_autograd and name not in WITHOUT_VALUES]
TWICE = [name for name in NAMES if entries("")[name].supports_gradgrad and name not in WITHOUT_SECOND_DERIVATIVES]
# Their backward operations have rows of their own.
WITH_ROWS = (
    "nn.functional.ctc_loss",
    "nn.functional.embedding",
    "nn.functional.embedding_bag",
    "nn.functional.multilabel_margin_loss",
    "nn.functional.pdist",
    "nn.functional.rrelu",
    "_segment_reduce|lengths",
    "cdist",
    "linalg.eigh",
    "masked_scatter",
)


@pytest.mark.parametrize("name", sorted({*NAMES[::35], *WITH_ROWS}))
def test_the_first_gradients_inside_a_trace_are_torchs(name: str) -> None:
    outcome = run_entry(name, most=3)
    assert outcome.wrong == {}
    assert outcome.errors == {}


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_all_gradients_inside_a_trace_are_torchs(name: str) -> None:
    outcome = run_entry(name)
    assert outcome.wrong == {}
    assert outcome.errors == {}


@pytest.mark.parametrize("name", TWICE[7::50])
def test_the_first_second_derivatives_are_torchs(name: str) -> None:
    _check_second_derivatives(name, 2)


@pytest.mark.slow
@pytest.mark.parametrize("name", TWICE)
def test_second_derivatives_are_torchs(name: str) -> None:
    _check_second_derivatives(name, 6)


def _check_second_derivatives(name: str, most: int) -> None:
    """Compare by autograd twice in a trace, and by chain_rule twice."""
    for outcome in (run_entry(name, most=most, order=2), opinfo_second_order.run_entry(name, most=most)):
        assert outcome.wrong == {}
        assert outcome.errors == {}


def test_most_entries_have_gradients() -> None:
    assert len(NAMES) >= 520
