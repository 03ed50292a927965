"""The lazy forms of a torch nested tensor: `NestedTensor`, rows of one length of which some places are kept, and `NestedParts`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

import torch

from composit.errors import UnsupportedOperationError
from composit.node import Node
from composit.types import LazyTensor

_ADVICE = "call to_padded_tensor() or unbind() before"


@dataclass(frozen=True, slots=True, eq=False)
class NestedTensor:
    """A batch of sequences of several lengths, padded.

    Shapes:  padded: (batch, length, ...); is_kept: (batch, length)
    """

    padded: LazyTensor
    is_kept: LazyTensor

    @property
    def node(self) -> Node:
        """The node of the padded elements."""
        return self.padded.node

    @property
    def output_index(self) -> int:
        """Which result of the node they are."""
        return self.padded.output_index

    def __getattr__(self, name: str) -> NoReturn:
        """Refuse to be a lazy tensor.

        Raises:  UnsupportedOperationError
        """
        raise UnsupportedOperationError(
            f"trace: a nested tensor was used where its {name!r} is needed; expected a padded tensor; flashlight follows nested tensors "
            f"that a mask makes through nn.TransformerEncoder only; {_ADVICE}"
        )


@dataclass(frozen=True, slots=True, eq=False)
class NestedParts:
    """The parts of a nested tensor: dense tensors that a trace follows, one for each."""

    tensors: tuple[torch.Tensor, ...]

    def __getattr__(self, name: str) -> NoReturn:
        """Refuse to be a lazy tensor.

        Raises:  UnsupportedOperationError
        """
        raise UnsupportedOperationError(
            f"trace: a nested tensor was used where its {name!r} is needed; expected a dense tensor; {_ADVICE}"
        )
