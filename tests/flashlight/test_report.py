"""`report` says what a captured graph consists of, what Python read for it, and what of it has no machine code."""

from __future__ import annotations

import warnings
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

import composit.numpy as cnp
import flashlight
from composit.errors import OperandError, ParameterError
from flashlight.tracer import trace

X = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 7.0]])


class Branching(nn.Module):
    """Reads values in each of the ways there are, and computes something that numpy has to compute."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.wide = nn.Linear(3, 8)
        self.narrow = nn.Linear(8, 3)
        self.norm = nn.BatchNorm1d(3)

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        y = self.norm(self.narrow(self.wide(x)))
        if y.abs().sum() > 0:
            y = y * 2
        for row in y:
            y = y + float(row.max())
        if mask is not None and mask.all():
            y = y + 1
        return torch.linalg.eigh(y.T @ y)[1].sum(dim=0) + torch.from_numpy(y.numpy().sum(axis=0))


@pytest.fixture(scope="module")
def branching() -> flashlight.Report:
    model, mask = Branching().eval(), torch.ones(2, dtype=torch.bool)
    with torch.no_grad(), trace(), warnings.catch_warnings():
        warnings.simplefilter("ignore", flashlight.DataLeavesWarning)
        output = model(X, mask=mask)
    return flashlight.report(output)


def test_operations_are_counted_by_kind_with_the_bytes_of_their_results(branching: flashlight.Report) -> None:
    counts = {each.name: each for each in branching.operations}
    assert counts["matmul"].count == 3
    assert counts["matmul"].num_bytes == (2 * 8 + 2 * 3 + 3 * 3) * 4
    assert [each.count for each in branching.operations] == sorted(
        (each.count for each in counts.values()), reverse=True
    )


def test_parameters_are_listed_by_size_and_inputs_by_name(branching: flashlight.Report) -> None:
    assert [(each.name, each.num_bytes) for each in branching.parameters[:3]] == [
        ("wide.weight", 96),
        ("narrow.weight", 96),
        ("wide.bias", 32),
    ]
    assert {"x", "norm.running_mean", "norm.running_var"} <= {each.name for each in branching.inputs}


def test_each_line_that_read_a_value_is_a_guard(branching: flashlight.Report) -> None:
    lines = {each.line.splitlines()[-1].strip(): each for each in branching.guards}
    assert lines["if y.abs().sum() > 0:"].kind == "bool"
    assert lines["if y.abs().sum() > 0:"].value == "[ True]"
    assert lines["y = y + float(row.max())"].times == 2
    # The output does not depend on the mask, but the path does.
    assert lines["if mask is not None and mask.all():"].kind == "bool"
    assert len(branching.guards) == 4


def test_values_that_left_for_numpy_are_told_apart(branching: flashlight.Report) -> None:
    (left,) = branching.left_graph
    assert left.kind == "numpy"
    assert left.type.shape == (2, 3)
    assert left in branching.guards
    assert "y.numpy().sum(axis=0)" in left.line


def test_what_has_no_machine_code_is_named_with_its_reason_and_line(branching: flashlight.Report) -> None:
    (missing,) = branching.without_code
    assert missing.name == "eigh"
    assert missing.reason == "eigh has no lowering to C"
    assert "torch.linalg.eigh(y.T @ y)" in missing.line


def test_the_text_has_all_parts(branching: flashlight.Report) -> None:
    text = str(branching)
    for part in (
        "operations of",
        "     3  matmul, 124 bytes of results",
        "  wide.weight float32[8, 3], 96 bytes",
        "bool of bool[]: [ True]",
        "item of float32[], 2 times",
        "left the graph",
        "eigh -> float32[3], float32[3, 3]: eigh has no lowering to C",
    ):
        assert part in text
    assert "File" in text


def test_a_graph_that_is_compiled_whole_says_so() -> None:
    model = nn.Linear(3, 2)
    with torch.no_grad(), trace():
        output = model(X).relu()
    found = flashlight.report(output)
    assert found.guards == found.left_graph == found.without_code == found.constants == ()
    assert "all operations have machine code" in str(found)


def test_draws_are_constants_and_a_draw_by_values_has_left_the_graph() -> None:
    with torch.no_grad(), trace():
        noisy = X + torch.randn_like(X)
        drawn = torch.bernoulli(torch.sigmoid(X * 2))
    assert [each.type.shape for each in flashlight.report(noisy).constants] == [(2, 3)]
    assert [each.kind for each in flashlight.report(drawn).left_graph] == ["drawing"]


def test_reads_after_an_output_was_built_are_no_guards_of_it() -> None:
    with torch.no_grad(), trace():
        early = X * 2
        late = early * float(early.sum())
    assert flashlight.report(early).guards == ()
    assert [each.kind for each in flashlight.report(late).guards] == ["item"]


def test_reads_of_an_earlier_trace_count_where_its_results_go_on() -> None:
    with torch.no_grad(), trace():
        first = X * float(X.sum())
    with torch.no_grad(), trace():
        second = first + 1
    assert [each.kind for each in flashlight.report(second).guards] == ["item"]


def test_containers_objects_lazy_tensors_and_exported_programs_are_taken() -> None:
    with torch.no_grad(), trace():
        y = X.exp()
    for captured in ({"a": [y]}, SimpleNamespace(last=y), flashlight.lazy_tensor(y), cnp.asarray(np.ones(3)) + 1):
        assert len(flashlight.report(captured).operations) == 1
    exported = flashlight.from_export(torch.export.export(nn.Linear(3, 2), (X,)))
    found = flashlight.report(exported)
    assert [each.name for each in found.parameters] == ["weight", "bias"]
    assert [each.name for each in found.inputs] == ["input"]


def test_a_captured_function_tells_of_the_program_that_it_used_last() -> None:
    model = Branching().eval()
    captured = flashlight.capture(model)
    with pytest.raises(OperandError, match="report: a captured function without a program"):
        flashlight.report(captured)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", flashlight.DataLeavesWarning)
        with torch.no_grad():
            captured(X, mask=torch.ones(2, dtype=torch.bool))
    found = flashlight.report(captured)
    assert [each.name for each in found.parameters[:2]] == ["wide.weight", "narrow.weight"]
    assert {"x", "norm.running_mean"} <= {each.name for each in found.inputs}
    assert [each.times for each in found.guards if each.kind == "item"] == [2]
    assert [each.kind for each in found.left_graph] == ["numpy"]
    assert [each.name for each in found.without_code] == ["eigh"]


def test_a_module_of_the_way_back_tells_of_its_program() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)).eval()
    with torch.no_grad(), trace():
        y = model(X) + torch.randn(4)
    found = flashlight.report(flashlight.to_module(y, [X], backend="numpy"))
    assert [each.name for each in found.parameters] == ["0.weight", "0.bias", "1.weight", "1.bias"]
    assert {"1.running_mean", "1.running_var"} <= {each.name for each in found.inputs}
    assert [each.type.shape for each in found.constants] == [(4,)]


def test_what_no_trace_has_seen_and_backends_that_compile_nothing_are_errors() -> None:
    with pytest.raises(OperandError, match=r"report: .*carries no graph"):
        flashlight.report(torch.ones(3))
    with pytest.raises(OperandError, match="report: 3 of type int holds no tensor with a graph"):
        flashlight.report(3)
    with trace():
        y = X.exp()
    with pytest.raises(ParameterError, match="report: backend='numpy' was given, which compiles nothing"):
        flashlight.report(y, backend="numpy")
