"""VGG-16 converted whole, with a function that chooses the algorithm of each convolution.

python -m examples.algorithms.vgg16 [--divisor 1] [--size 224] [--batch 1]
"""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Sequence

import torch

import flashlight
from examples.algorithms.networks import vgg16


def choose(module: torch.nn.Conv2d, input_shape: Sequence[int]) -> str:
    """Return "implicit gemm" for the first layer and for small pictures, else the default."""
    is_small = input_shape[-1] <= 14
    return "implicit gemm" if module.in_channels == 3 or is_small else "default"


def main(arguments: Sequence[str] | None = None) -> float:
    """Convert, print how the convolutions are computed, and return the largest difference to torch's result."""
    parser = ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--divisor", type=int, default=1, help="of all widths (1)")
    parser.add_argument("--size", type=int, default=224, help="of the picture's sides (224)")
    parser.add_argument("--batch", type=int, default=1, help="pictures at once (1)")
    given = parser.parse_args(arguments)
    module = vgg16(given.divisor)
    x = torch.randn(given.batch, 3, given.size, given.size)
    model = flashlight.convert(module, {"conv2d": choose, "maxpool2d": "default"}, sample_input_shape=x.shape)
    with torch.inference_mode():
        expected = module(x)
    difference = float((model(x) - expected).abs().max())
    for line in model.explain().splitlines():
        if line.strip().startswith("conv2d by"):
            print(line.strip().partition(":")[0])
    print(f"largest difference to torch: {difference:.1e}, of values up to {float(expected.abs().max()):.1e}")
    return difference


if __name__ == "__main__":
    main()
