"""A convolution of one's own in place of a model's: `swap_with` makes each module from the old one and a name.

python -m examples.algorithms.custom_operator
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

import flashlight
from examples.algorithms.networks import classifier


class ShiftedSums(nn.Module):
    """A convolution as one product per position of the filter, each of a shifted picture; stride 1.

    Shapes:  (n, c, h, w) -> (n, o, h + 2 padding - k + 1, w + 2 padding - k + 1)
    """

    def __init__(self, original: nn.Conv2d, algorithm: str) -> None:
        super().__init__()
        # The parameters themselves, so that optimizers and state_dict know them under the same names.
        self.weight, self.bias = original.weight, original.bias
        self.rows, self.columns = (int(each) for each in original.padding)
        self.algorithm = algorithm

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the sum over the filter's positions."""
        rows, columns = self.weight.shape[2:]
        padded = functional.pad(x, (self.columns, self.columns, self.rows, self.rows))
        height, width = padded.shape[2] - rows + 1, padded.shape[3] - columns + 1
        total = padded.new_zeros(())
        for i in range(rows):
            for j in range(columns):
                shifted = padded[:, :, i : i + height, j : j + width]
                total = total + torch.einsum("oc,nchw->nohw", self.weight[:, :, i, j], shifted)
        return total if self.bias is None else total + self.bias[:, None, None]


def main() -> float:
    """Put the operator into a model, convert that, and return the largest difference of both to torch's result."""
    model = classifier().eval()
    x = torch.randn(4, 3, 16, 16)
    expected = model(x).detach()
    flashlight.swap_operation("conv2d", model, "shifted sums", swap_with=ShiftedSums)
    swapped = model(x).detach()
    # What the operator is made of is compiled too: convert takes any graph.
    converted = flashlight.convert(model)(x)
    difference = max(float((each - expected).abs().max()) for each in (swapped, converted))
    print(model)
    print(f"largest difference to torch: {difference:.1e}")
    return difference


if __name__ == "__main__":
    main()
