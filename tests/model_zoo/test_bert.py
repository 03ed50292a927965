"""BERT as functions, against transformers' modules: values and gradients, tiny and of the real size."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

import composit.numpy as cnp
from model_zoo.bert import (
    bert,
    bert_encoder,
    bert_for_question_answering,
    convert_parameters_to_numpy,
    create_bert_config,
    create_parameters,
    create_random_float,
    create_random_long,
)
from tests.sampling import one_in

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch
import transformers

from tests.model_zoo.comparing import as_tensors, assert_close, assert_gradients_agree, seeded

TINY = {"num_encoders": 2, "num_attention_heads": 3, "head_size": 8, "vocab_size": 50}
BASE = {"num_encoders": 12, "num_attention_heads": 12, "head_size": 64, "vocab_size": 30522}


def _words(size: dict[str, int], batch: int, length: int) -> tuple[Any, Any, Any]:
    """Return numbers of tokens, of sentences, and where a token is no padding."""
    generator = np.random.default_rng(0)
    tokens = create_random_long((batch, length), 0, size["vocab_size"], seed=generator)
    kinds = create_random_long((batch, length), 0, 2, seed=generator)
    is_token = np.arange(length) < np.linspace(length // 2, length, batch)[:, None]
    return tokens, kinds, is_token


def _torchs(module: Any, tokens: Any, kinds: Any, is_token: Any) -> Any:
    mask = None if is_token is None else torch.from_numpy(is_token.astype(np.int64))
    return module(torch.from_numpy(tokens), token_type_ids=torch.from_numpy(kinds), attention_mask=mask)


def _model(kind: str, size: dict[str, int], dtype: Any) -> Any:
    makers = {
        "bert": lambda: transformers.BertModel(create_bert_config(**size), add_pooling_layer=False),
        "answers": lambda: transformers.BertForQuestionAnswering(create_bert_config(**size)),
    }
    return seeded(makers[kind], dtype)


TOLERANCES = {torch.float32: 1e-5, torch.float64: 1e-12}


@pytest.mark.parametrize(
    ("dtype", "is_padded", "backend"), one_in(3, product(TOLERANCES, [False, True], ["numpy", "mosaic"])), ids=str
)
def test_a_tiny_bert_is_transformers(dtype: Any, is_padded: bool, backend: str) -> None:
    model = _model("bert", TINY, dtype)
    tokens, kinds, is_token = _words(TINY, 2, 7)
    parameters = as_tensors(convert_parameters_to_numpy(model))
    mask = is_token[:, None, None, :] if is_padded else None
    hidden = bert(tokens, kinds, mask, parameters, num_encoders=2, head_size=8)
    expected = _torchs(model, tokens, kinds, is_token if is_padded else None).last_hidden_state
    assert_close(cnp.evaluate(hidden, backend=backend), expected, TOLERANCES[dtype])


@pytest.mark.parametrize("backend", ["numpy", "mosaic"])
def test_a_tiny_bert_for_question_answering_and_its_gradients_are_transformers(backend: str) -> None:
    model = _model("answers", TINY, torch.float64)
    tokens, kinds, is_token = _words(TINY, 2, 7)
    parameters = as_tensors(convert_parameters_to_numpy(model))
    scores = bert_for_question_answering(
        tokens, kinds, is_token[:, None, None, :], parameters, num_encoders=2, head_size=8
    )
    theirs = _torchs(model, tokens, kinds, is_token)
    expected = torch.stack([theirs.start_logits, theirs.end_logits], dim=-1)
    assert_close(cnp.evaluate(scores, backend=backend), expected, 1e-12)
    assert_gradients_agree(scores, parameters, expected, model, backend, channels_last=False)


def test_parameters_of_ones_own_need_no_module() -> None:
    parameters = create_parameters(2, 24, 50, num_question_answering_labels=2, num_positions=16)
    model = _model("answers", TINY, torch.float64)
    names = {name.removeprefix("bert."): value for name, value in convert_parameters_to_numpy(model).items()}
    assert {name: value.shape for name, value in parameters.items() if "position" not in name} == {
        name: value.shape for name, value in names.items() if "position" not in name
    }
    again = create_parameters(2, 24, 50, num_question_answering_labels=2, num_positions=16)
    assert all(np.array_equal(parameters[name], again[name]) for name in parameters)
    tokens, _, _ = _words(TINY, 2, 7)
    scores = bert_for_question_answering(tokens, None, None, parameters, num_encoders=2, head_size=8)
    assert cnp.evaluate(scores).shape == (2, 7, 2)
    hidden = create_random_float((2, 7, 24))
    assert bert_encoder(hidden, None, parameters, encoder_index=1, head_size=8).shape == (2, 7, 24)
    assert not np.array_equal(hidden, create_random_float((2, 7, 24)))


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["numpy", "mosaic"])
def test_bert_of_the_real_size_is_transformers(backend: str) -> None:
    model = _model("answers", BASE, torch.float32)
    assert sum(each.numel() for each in model.parameters()) > 108e6
    tokens, kinds, is_token = _words(BASE, 2, 128)
    parameters = as_tensors(convert_parameters_to_numpy(model))
    scores = bert_for_question_answering(
        tokens, kinds, is_token[:, None, None, :], parameters, num_encoders=12, head_size=64
    )
    with torch.inference_mode():
        theirs = _torchs(model, tokens, kinds, is_token)
    expected = torch.stack([theirs.start_logits, theirs.end_logits], dim=-1)
    assert_close(cnp.evaluate(scores, backend=backend), expected, 1e-4)
