"""The BERT family from transformers' own code, small and with random weights: every member gives torch's numbers."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import torch

import composit as cnp
from flashlight.tracer import trace

transformers = pytest.importorskip("transformers")

SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "vocab_size": 100,
    "max_position_embeddings": 64,
}
DISTILBERT = {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 64, "vocab_size": 100}
DISENTANGLED = {"relative_attention": True, "pos_att_type": ["p2c", "c2p"]}

MEMBERS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "masked language model": ("BertForMaskedLM", "BertConfig", SIZES),
    "classifier": ("BertForSequenceClassification", "BertConfig", SIZES),
    "question answering": ("BertForQuestionAnswering", "BertConfig", SIZES),
    "relative positions": ("RobertaModel", "RobertaConfig", SIZES),
    "electra": ("ElectraModel", "ElectraConfig", {**SIZES, "embedding_size": 16}),
    "albert": ("AlbertModel", "AlbertConfig", {**SIZES, "embedding_size": 16}),
    "distilbert": ("DistilBertModel", "DistilBertConfig", DISTILBERT),
    "mpnet": ("MPNetModel", "MPNetConfig", SIZES),
    "deberta": ("DebertaV2Model", "DebertaV2Config", {**SIZES, **DISENTANGLED}),
}
IDS = torch.arange(3, 17).reshape(2, 7)
MASK = torch.tensor([[1] * 7, [1] * 4 + [0] * 3])


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("member", MEMBERS)
def test_a_member_of_the_family_gives_torchs_numbers(member: str, attention: str) -> None:
    if member in ("mpnet", "deberta"):
        # These have one implementation of attention.
        attention = "eager"
    model_class, config_class, sizes = MEMBERS[member]
    torch.manual_seed(0)
    config = getattr(transformers, config_class)(**sizes)
    model = getattr(transformers, model_class)._from_config(config, attn_implementation=attention).eval()
    with torch.inference_mode(), warnings.catch_warnings():
        # What transformers itself warns of is not ours to test.
        warnings.simplefilter("ignore")
        with trace():
            output = model(input_ids=IDS, attention_mask=MASK)[0]
    with np.errstate(all="ignore"):
        value = cnp.evaluate(output)
    # Two layers in float32, of values around 1.
    np.testing.assert_allclose(value, output.numpy(), rtol=0, atol=5e-6)
