"""Random weights under the names that transformers' BertModel gives them, made without torch."""

from collections.abc import Iterator

import numpy as np

from benchmarks.bert.workload import Array, Sizes


def random_weights(sizes: Sizes) -> dict[str, Array]:
    """Seeded float32 weights of an encoder of these sizes."""
    generator = np.random.default_rng(0)
    return {name: generator.normal(0, 0.02, shape).astype(np.float32) for name, shape in _shapes(sizes)}


def _shapes(sizes: Sizes) -> Iterator[tuple[str, tuple[int, ...]]]:
    hidden, intermediate = sizes.hidden, sizes.intermediate
    yield "embeddings.word_embeddings.weight", (sizes.vocabulary, hidden)
    yield "embeddings.position_embeddings.weight", (512, hidden)
    yield "embeddings.token_type_embeddings.weight", (2, hidden)
    yield from _pair("embeddings.LayerNorm", (hidden,))
    for number in range(sizes.layers):
        layer = f"encoder.layer.{number}"
        for name in ("self.query", "self.key", "self.value", "output.dense"):
            yield from _pair(f"{layer}.attention.{name}", (hidden, hidden))
        yield from _pair(f"{layer}.attention.output.LayerNorm", (hidden,))
        yield from _pair(f"{layer}.intermediate.dense", (intermediate, hidden))
        yield from _pair(f"{layer}.output.dense", (hidden, intermediate))
        yield from _pair(f"{layer}.output.LayerNorm", (hidden,))


def _pair(name: str, shape: tuple[int, ...]) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield f"{name}.weight", shape
    yield f"{name}.bias", shape[:1]
