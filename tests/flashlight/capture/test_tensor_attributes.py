"""What an ordinary torch tensor carries: it is not copied or pickled with it, and dies with it."""

from __future__ import annotations

import copy
import gc
import io
import pickle
import weakref
from typing import Any

import pytest
import torch
from torch import nn

import composit as cnp
import flashlight
from composit.errors import OperandError
from flashlight.tracer import trace
from tests.flashlight.classifier import Classifier


def test_a_tensor_that_no_trace_saw_has_no_lazy_tensor(x: torch.Tensor) -> None:
    with pytest.raises(OperandError, match="carries no lazy tensor"):
        flashlight.lazy_tensor(x)


@pytest.mark.parametrize("which", ["model", "output", "weight", "input"])
def test_pickling_and_copying_what_was_traced_gives_ordinary_tensors(
    which: str, model: Classifier, x: torch.Tensor
) -> None:
    with torch.no_grad(), trace():
        output = model(x)
    value: Any = {"model": model, "output": output, "weight": model.body[0].weight, "input": x}[which]
    file = io.BytesIO()
    torch.save(value, file)
    assert b"lazy_tensor" not in file.getvalue()
    assert b"flashlight.capture" not in file.getvalue()
    file.seek(0)
    copies = [
        copy.deepcopy(value),
        copy.copy(value),
        pickle.loads(pickle.dumps(value)),
        torch.load(file, weights_only=which != "model"),
    ]
    for other in copies:
        tensors = list(other.parameters()) if isinstance(other, nn.Module) else [other]
        originals = list(value.parameters()) if isinstance(value, nn.Module) else [value]
        for tensor, original in zip(tensors, originals, strict=True):
            assert tensor is original or vars(tensor) == {}
            assert torch.equal(tensor, original)
    assert flashlight.lazy_tensor(output) is not None


def test_graphs_die_with_their_tensors(model: Classifier, x: torch.Tensor) -> None:
    with torch.no_grad(), trace():
        output = model(x)
        if output.sum() < -1e9:
            output = output + 1
    node = weakref.ref(flashlight.lazy_tensor(output).node)
    operation = weakref.ref(flashlight.lazy_tensor(model.body[0].weight).node.operation)
    assert node() is not None
    del output
    gc.collect()
    assert node() is None
    assert operation() is None


def test_tensors_die_at_once_without_the_garbage_collector(x: torch.Tensor) -> None:
    gc.collect()
    gc.disable()
    try:
        with torch.no_grad(), trace():
            y = x.exp()
            z = y.view(8)[2:]
        references = [weakref.ref(y), weakref.ref(z), weakref.ref(flashlight.lazy_tensor(z).node)]
        del y, z
        assert [reference() for reference in references] == [None, None, None]
    finally:
        gc.enable()


@pytest.mark.parametrize("backend", ["numpy", "torch"])
def test_weights_die_with_model_and_graph_although_the_program_stays_prepared(backend: str) -> None:
    model, x = Classifier().eval(), torch.ones(2, 4)
    with torch.no_grad(), trace():
        output = model(x)
        if output.sum() < -1e9:
            output = output + 1
    cnp.evaluate(output, backend=backend)
    weight = weakref.ref(model.body[0].weight)
    del model, x, output
    gc.collect()
    assert weight() is None
