"""BERT and BERT for question answering, on parameters with the names of transformers' modules.

    model = transformers.BertModel(config).eval()
    parameters = {name: cnp.asarray(value, name=name) for name, value in convert_parameters_to_numpy(model).items()}
    hidden = bert(input_ids, token_type_ids, None, parameters, num_encoders=12, head_size=64)

Reference: Devlin et al., BERT: Pre-training of Deep Bidirectional Transformers, 2019
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import composit.numpy as cnp
from composit.nn import embedding, feedforward, layer_norm, multi_head_attention
from model_zoo.parameters import Arrays, Tensors, converted_parameters

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

# A seed, a generator, or None for numbers that differ from call to call.
Seed = int | np.random.Generator | None

_EPSILON = 1e-12  # BERT's own, transformers' layer_norm_eps


def create_bert_config(num_encoders: int, num_attention_heads: int, head_size: int, vocab_size: int) -> Any:
    """Return transformers' configuration of a BERT of this size, without dropout."""
    import transformers

    hidden_size = num_attention_heads * head_size
    return transformers.BertConfig(
        num_hidden_layers=num_encoders,
        num_attention_heads=num_attention_heads,
        hidden_size=hidden_size,
        intermediate_size=4 * hidden_size,
        vocab_size=vocab_size,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )


def create_random_float(
    shape: int | tuple[int, ...], minimum: float = -0.1, maximum: float = 0.1, seed: Seed = None
) -> NDArray[np.float64]:
    """Return uniform numbers from minimum to maximum."""
    return np.random.default_rng(seed).uniform(minimum, maximum, shape)


def create_random_long(
    shape: int | tuple[int, ...], minimum: int, maximum: int, seed: Seed = None
) -> NDArray[np.int64]:
    """Return uniform integers from minimum to below maximum."""
    return np.random.default_rng(seed).integers(minimum, maximum, shape)


def create_parameters(
    num_encoders: int,
    hidden_size: int,
    vocab_size: int,
    num_question_answering_labels: int | None = None,
    *,
    num_positions: int = 512,
    seed: Seed = 0,
) -> Arrays:
    """Return random parameters of a BERT, by transformers' names and in the form that `convert_parameters_to_numpy` gives."""
    generator = np.random.default_rng(seed)

    def numbers(*shape: int) -> NDArray[np.float64]:
        return create_random_float(shape, seed=generator)

    def affine(name: str, inputs: int, outputs: int) -> Arrays:
        return {f"{name}.weight": numbers(inputs, outputs), f"{name}.bias": numbers(outputs)}

    def norm(name: str) -> Arrays:
        return {f"{name}.weight": numbers(hidden_size), f"{name}.bias": numbers(hidden_size)}

    parameters: Arrays = {
        "embeddings.word_embeddings.weight": numbers(vocab_size, hidden_size),
        "embeddings.position_embeddings.weight": numbers(num_positions, hidden_size),
        "embeddings.token_type_embeddings.weight": numbers(2, hidden_size),
        **norm("embeddings.LayerNorm"),
    }
    for index in range(num_encoders):
        layer = f"encoder.layer.{index}"
        for part in ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"):
            parameters |= affine(f"{layer}.{part}", hidden_size, hidden_size)
        parameters |= norm(f"{layer}.attention.output.LayerNorm")
        parameters |= affine(f"{layer}.intermediate.dense", hidden_size, 4 * hidden_size)
        parameters |= affine(f"{layer}.output.dense", 4 * hidden_size, hidden_size)
        parameters |= norm(f"{layer}.output.LayerNorm")
    if num_question_answering_labels is not None:
        parameters |= affine("qa_outputs", hidden_size, num_question_answering_labels)
    return parameters


def convert_parameters_to_numpy(model: Any) -> Arrays:  # Any: a torch module
    """Return the parameters of one of transformers' BERTs; weights of linear layers become (inputs, outputs)."""
    return converted_parameters(model)


def bert_encoder(
    hidden_states: Any,
    attention_mask: Any,
    parameters: Tensors,
    *,
    encoder_index: int,
    head_size: int,
    epsilon: float = _EPSILON,
) -> LazyTensor:
    """Return (batch, length, hidden) states after one layer: attention and feedforward, each added to its input and normalised."""
    layer = f"encoder.layer.{encoder_index}"

    def pair(name: str) -> list[Any]:
        return [parameters[f"{layer}.{name}.{kind}"] for kind in ("weight", "bias")]

    projections = [each for name in ("query", "key", "value") for each in pair(f"attention.self.{name}")]
    attended = multi_head_attention(
        hidden_states, attention_mask, *projections, *pair("attention.output.dense"), head_size=head_size
    )
    states = layer_norm(hidden_states + attended, *pair("attention.output.LayerNorm"), epsilon=epsilon)
    fed = feedforward(states, *pair("intermediate.dense"), *pair("output.dense"))
    return layer_norm(states + fed, *pair("output.LayerNorm"), epsilon=epsilon)


def bert(
    input_ids: Any,
    token_type_ids: Any,
    attention_mask: Any,
    parameters: Tensors,
    *,
    num_encoders: int,
    head_size: int,
    epsilon: float = _EPSILON,
) -> LazyTensor:
    """Return (batch, length, hidden) states for (batch, length) numbers of tokens.

    token_type_ids: 0 and 1 for first and second sentence; None is 0 for all
    attention_mask: None, or as for `multi_head_attention`: what broadcasts to (batch, heads, length, length), as
                    `mask[:, None, None, :]` does for booleans (batch, length) that are true where a token is no padding
    parameters:     position embeddings are added if there are any
    """
    tokens = cnp.asarray(input_ids)
    kinds = cnp.zeros_like(tokens) if token_type_ids is None else token_type_ids
    # As in transformers, padding (token 0) is looked up, but not learned.
    states = embedding(tokens, parameters["embeddings.word_embeddings.weight"], padding_index=0)
    states = states + embedding(kinds, parameters["embeddings.token_type_embeddings.weight"])
    places = parameters.get("embeddings.position_embeddings.weight")
    if places is not None:
        states = states + places[: tokens.shape[-1]]
    states = layer_norm(
        states, parameters["embeddings.LayerNorm.weight"], parameters["embeddings.LayerNorm.bias"], epsilon=epsilon
    )
    for index in range(num_encoders):
        states = bert_encoder(
            states, attention_mask, parameters, encoder_index=index, head_size=head_size, epsilon=epsilon
        )
    return states


def bert_for_question_answering(
    input_ids: Any,
    token_type_ids: Any,
    attention_mask: Any,
    parameters: Tensors,
    *,
    num_encoders: int,
    head_size: int,
    epsilon: float = _EPSILON,
) -> LazyTensor:
    """Return (batch, length, 2) scores of each token to be the first and the last of the answer; the arguments are those of `bert`.

    parameters: those of BERT may be called "bert.embeddings...", as in transformers' module, or "embeddings..."
    """
    states = bert(
        input_ids,
        token_type_ids,
        attention_mask,
        {name.removeprefix("bert."): value for name, value in parameters.items()},
        num_encoders=num_encoders,
        head_size=head_size,
        epsilon=epsilon,
    )
    result: LazyTensor = states @ parameters["qa_outputs.weight"] + parameters["qa_outputs.bias"]
    return result
