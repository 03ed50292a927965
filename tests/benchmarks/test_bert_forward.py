"""The forward pass that numpy, jax and composit run is that of transformers' BertModel."""

import numpy as np
import torch

import composit.numpy as cnp
from benchmarks.bert.forward import forward
from benchmarks.bert.weights import random_weights
from benchmarks.bert.workload import Sizes, Workload
from composit import evaluate

_SIZES = Sizes(layers=2, hidden=24, heads=3, intermediate=40, vocabulary=50, sequence=7)


def test_the_forward_pass_in_numpys_words_is_transformers_bert() -> None:
    workload = Workload(_SIZES, batch=2, num_threads=1)
    weights = {name: cnp.asarray(value) for name, value in workload.weights.items()}
    lazy = forward(cnp, cnp.erf, weights, cnp.asarray(workload.input_ids), _SIZES)
    with torch.inference_mode():
        expected = workload.model(torch.from_numpy(workload.input_ids)).last_hidden_state.numpy()
    np.testing.assert_allclose(evaluate(lazy), expected, atol=1e-5)  # two layers of float32 at scale 1


def test_random_weights_have_the_names_and_shapes_of_the_model() -> None:
    model = Workload(_SIZES, batch=1, num_threads=1).weights
    ours = random_weights(_SIZES)
    assert {name: value.shape for name, value in ours.items()} == {name: value.shape for name, value in model.items()}
