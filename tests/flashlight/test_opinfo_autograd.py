"""Gradients that autograd computes inside a trace, for torch's own samples of its operators: as graph, on other inputs, torch's.

The default run takes a part of the entries, with two samples each; all samples of all entries are slow.
"""

from __future__ import annotations

import pytest

from tests.composit.nn.opinfo import entries
from tests.flashlight.opinfo_autograd import run_entry
from tests.flashlight.opinfo_exceptions import WITHOUT_VALUES

NAMES = [name for name, entry in entries("").items() if entry.supports_autograd and name not in WITHOUT_VALUES]
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


@pytest.mark.parametrize("name", sorted({*NAMES[::20], *WITH_ROWS}))
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


def test_most_entries_have_gradients() -> None:
    assert len(NAMES) >= 520
