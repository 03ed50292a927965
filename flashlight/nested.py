"""`NestedTensor`: the lazy form of a torch nested tensor, as rows of one length of which some places are kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

from composit.errors import UnsupportedOperationError
from composit.node import Node
from composit.types import LazyTensor


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
            "through nn.TransformerEncoder only; call to_padded_tensor() before"
        )
