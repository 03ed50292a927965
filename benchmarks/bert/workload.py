"""The model that all contenders run: transformers' BertModel from its configuration, with seeded random weights."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True)
class Sizes:
    """The numbers that make a BERT encoder; the defaults are BERT-base."""

    layers: int = 12
    hidden: int = 768
    heads: int = 12
    intermediate: int = 3072
    vocabulary: int = 30522
    sequence: int = 128

    def num_flops(self, batch: int) -> int:
        """Floating-point operations of the matrix products of one forward pass."""
        projections = 2 * self.sequence * (4 * self.hidden * self.hidden + 2 * self.hidden * self.intermediate)
        attention = 2 * 2 * self.sequence * self.sequence * self.hidden
        return batch * self.layers * (projections + attention)


@dataclass(frozen=True)
class Workload:
    """A model, its input and how many threads a contender may use."""

    sizes: Sizes
    batch: int
    num_threads: int

    @cached_property
    def model(self) -> Any:  # torch.nn.Module; torch is imported only when a benchmark needs it
        """The torch model, in evaluation mode; its output is the last hidden state."""
        import torch
        from transformers import BertConfig, BertModel

        torch.manual_seed(0)
        config = BertConfig(
            vocab_size=self.sizes.vocabulary,
            hidden_size=self.sizes.hidden,
            num_hidden_layers=self.sizes.layers,
            num_attention_heads=self.sizes.heads,
            intermediate_size=self.sizes.intermediate,
        )
        return BertModel(config, add_pooling_layer=False).eval()

    @cached_property
    def input_ids(self) -> Array:
        """Token numbers, (batch, sequence), int64."""
        return np.random.default_rng(1).integers(0, self.sizes.vocabulary, (self.batch, self.sizes.sequence))

    @cached_property
    def weights(self) -> Mapping[str, Array]:
        """The model's parameters by name, float32, sharing memory with the model."""
        return {name: parameter.detach().numpy() for name, parameter in self.model.named_parameters()}
