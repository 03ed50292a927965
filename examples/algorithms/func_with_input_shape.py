"""A function chooses each convolution's algorithm from the module and the shape of its input.

python -m examples.algorithms.func_with_input_shape
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

import flashlight
from examples.algorithms.networks import classifier

SHAPE = (10, 3, 64, 64)


def choose(module: torch.nn.Conv2d, input_shape: Sequence[int]) -> str:
    """Return "winograd" for filters of 3 x 3 that move by 1 over large pictures, else the default."""
    is_large = input_shape[-1] >= 48
    fits = module.kernel_size == (3, 3) and module.stride == (1, 1) and module.groups == 1
    return "winograd" if is_large and fits else "default"


def main() -> float:
    """Swap all convolutions, print what was chosen, and return the largest difference to torch's result."""
    model = classifier()
    x = torch.randn(SHAPE)
    expected = model(x)
    flashlight.swap_conv2d(model, choose, sample_input_shape=SHAPE)
    for name, module in model.named_modules():
        if isinstance(module, flashlight.SwappedModule):
            print(f"{name}: {module.algorithm}")
    difference = float((model(x) - expected).detach().abs().max())
    print(f"largest difference to torch: {difference:.1e}")
    return difference


if __name__ == "__main__":
    main()
