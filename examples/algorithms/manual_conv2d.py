"""One convolution of a model by one algorithm, chosen by hand; everything else stays torch's.

python -m examples.algorithms.manual_conv2d [ALGORITHM]
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import torch

import flashlight
from examples.algorithms.networks import classifier


def main(arguments: Sequence[str] | None = None) -> float:
    """Swap the second convolution, print the model, and return the largest difference to torch's result."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    model = classifier()
    x = torch.randn(10, 3, 32, 32)
    expected = model(x)
    flashlight.swap_operation(torch.nn.Conv2d, model, {"3": given[0] if given else "default"})
    difference = float((model(x) - expected).detach().abs().max())
    print(model)
    print(f"algorithms of conv2d: {', '.join(flashlight.SUPPORTED_ALGORITHMS['conv2d'])}")
    print(f"largest difference to torch: {difference:.1e}")
    return difference


if __name__ == "__main__":
    main()
