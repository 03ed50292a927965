"""`capture` of language models: caches as results and arguments, and whole loops of `generate()`, against torch."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest
import torch

import flashlight
from tests.sampling import one_in

transformers = pytest.importorskip("transformers")


def _gpt2() -> Any:
    torch.manual_seed(0)
    config = transformers.GPT2Config(
        n_layer=2, n_head=2, n_embd=16, vocab_size=50, n_positions=64, bos_token_id=0, eos_token_id=49
    )
    return transformers.GPT2LMHeadModel(config).eval()


def _llama() -> Any:
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        vocab_size=50,
        max_position_embeddings=64,
        bos_token_id=0,
        eos_token_id=49,
        pad_token_id=48,
    )
    return transformers.LlamaForCausalLM(config).eval()


MODELS = [_gpt2, _llama]
SEARCHES: list[dict[str, Any]] = [{}, {"num_beams": 3}, {"num_beams": 2, "num_return_sequences": 2}]


@pytest.fixture(params=MODELS)
def model(request: pytest.FixtureRequest) -> Iterator[Any]:
    with torch.no_grad():
        yield request.param()


def _tokens(*shape: int) -> torch.Tensor:
    return torch.randint(1, 48, shape)


def test_results_are_of_the_models_own_class(model: Any) -> None:
    captured = flashlight.capture(model)
    for shape in ((2, 5), (2, 5), (1, 7), (2, 5)):
        tokens = _tokens(*shape)
        found, expected = captured(input_ids=tokens), model(input_ids=tokens)
        assert type(found) is type(expected)
        assert type(found.past_key_values) is type(expected.past_key_values)
        torch.testing.assert_close(found.logits, expected.logits, atol=1e-5, rtol=1e-5)
    assert (captured.traces, captured.evaluations) == (2, 2)


@pytest.mark.parametrize("is_own_cache", [False, True])
def test_a_cache_goes_in_and_comes_out(model: Any, is_own_cache: bool) -> None:
    captured = flashlight.capture(model)
    for _ in range(2):
        caches = [transformers.DynamicCache() if is_own_cache else None for _ in range(2)]
        tokens = _tokens(2, 4)
        for _ in range(3):
            results = [
                function(input_ids=tokens, past_key_values=cache, use_cache=True)
                for function, cache in zip((captured, model), caches, strict=True)
            ]
            torch.testing.assert_close(results[0].logits, results[1].logits, atol=1e-5, rtol=1e-5)
            if is_own_cache:
                assert results[0].past_key_values is caches[0]
            caches = [result.past_key_values for result in results]
            tokens = results[1].logits[:, -1:].argmax(-1)
        for own, other in zip(caches[0].layers, caches[1].layers, strict=True):
            torch.testing.assert_close(own.keys, other.keys, atol=1e-5, rtol=1e-5)
    assert (captured.traces, captured.evaluations) == (3, 3)


@pytest.mark.parametrize(("model", "options"), one_in(2, product(MODELS, SEARCHES)), indirect=["model"])
def test_generate_is_one_program_for_other_tokens(model: Any, options: dict[str, Any]) -> None:
    captured = flashlight.capture(model.generate)
    for shape in ((2, 4), (2, 4), (1, 3), (2, 4)):
        tokens = _tokens(*shape)
        options = {**options, "max_new_tokens": 4, "pad_token_id": 48, "attention_mask": torch.ones_like(tokens)}
        assert torch.equal(captured(tokens, **options), model.generate(tokens, **options))
    assert captured.evaluations >= 1
    assert captured.traces + captured.evaluations == 4


def test_batches_and_lengths_need_no_other_trace(model: Any) -> None:
    names = {0: "batch", 1: "length"}
    captured = flashlight.capture(model, dynamic={"input_ids": names, "attention_mask": names})
    for shape in ((2, 5), (3, 7), (1, 4), (4, 2)):
        tokens, mask = _tokens(*shape), torch.ones(shape, dtype=torch.long)
        mask[0, 0] = 0
        given = {"input_ids": tokens, "attention_mask": mask, "use_cache": False}
        torch.testing.assert_close(captured(**given).logits, model(**given).logits, atol=1e-5, rtol=1e-5)
    assert (captured.traces, captured.evaluations) == (1, 3)


def test_sampling_draws_torchs_tokens_in_each_call(model: Any) -> None:
    captured = flashlight.capture(model.generate)
    tokens = _tokens(2, 4)
    options = {"do_sample": True, "top_k": 10, "max_new_tokens": 4, "pad_token_id": 48}
    for seed in (1, 2, 1):
        torch.manual_seed(seed)
        found = captured(tokens, **options)
        torch.manual_seed(seed)
        assert torch.equal(found, model.generate(tokens, **options))
    assert captured.paths == 0


def test_the_end_of_a_sentence_is_another_path(model: Any) -> None:
    captured = flashlight.capture(model.generate)
    options = {"max_new_tokens": 6, "pad_token_id": 48}
    first = _tokens(1, 4)
    last = int(model.generate(first, **options)[0, -1])
    for tokens in (first, _tokens(1, 4), first, _tokens(1, 4)):
        for end in (last, 49):
            found = captured(tokens, eos_token_id=end, **options)
            assert torch.equal(found, model.generate(tokens, eos_token_id=end, **options))
    assert captured.evaluations >= 1
