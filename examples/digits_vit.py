"""A vision transformer reads handwritten digits: 95% and more of the test images right after a minute on two cores.

    python -m examples.digits_vit [--backend numpy|mosaic|torch] [--epochs 30] [--curve loss.png] [--mnist FOLDER]

Each image is cut into patches; a patch is a token. Blocks of self-attention and two linear layers work on the tokens, and the
mean of the tokens gives the scores of the ten digits.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

import composit.numpy as cnp
from examples.digits import Setup, chosen_digits, standard_parser, train_and_report
from examples.training import Parameters, positive
from examples.transformer import affine, blocks, initial_affine, initial_blocks, initial_norm, normed


def initial_parameters(
    side: int, patch_size: int, width: int, num_layers: int, seed: int, num_classes: int = 10
) -> Parameters:
    """Return weights of normal numbers with deviation 1 / sqrt(inputs), norms of ones, biases of zeros."""
    rng = np.random.default_rng(seed)
    parameters = initial_affine(rng, "patch", patch_size**2, width)
    parameters["places"] = (0.02 * rng.normal(size=((side // patch_size) ** 2, width))).astype(np.float32)
    parameters |= initial_norm("last", width)
    parameters |= initial_affine(rng, "scores", width, num_classes)
    return parameters | initial_blocks(rng, width, num_layers)


def patches_of(images: Any, patch_size: int) -> Any:
    """Return (batch, patches, pixels) for (batch, side, side) images."""
    batch, side, _ = images.shape
    per_side = side // patch_size
    grid = cnp.reshape(images, (batch, per_side, patch_size, per_side, patch_size))
    return cnp.reshape(cnp.transpose(grid, (0, 1, 3, 2, 4)), (batch, per_side**2, patch_size**2))


def vision_transformer(parameters: Parameters, images: Any, *, patch_size: int, num_layers: int, num_heads: int) -> Any:
    """Return (batch, 10) scores for (batch, side, side) images."""
    tokens = affine(parameters, "patch", patches_of(images, patch_size)) + parameters["places"]
    tokens = blocks(parameters, tokens, num_layers=num_layers, num_heads=num_heads)
    return affine(parameters, "scores", cnp.mean(normed(parameters, "last", tokens), axis=1))


def set_up(arguments: Sequence[str] | None = None) -> Setup:
    """Return the network that the options ask for, and the data."""
    parser = standard_parser(__doc__, epochs=30, learning_rate=4e-3)
    parser.add_argument("--patch-size", type=positive, help="pixels of a patch's side (a quarter of the image's)")
    parser.add_argument("--width", type=positive, default=64, help="numbers per token (64)")
    parser.add_argument("--heads", type=positive, default=4, help="heads of attention (4)")
    parser.add_argument("--layers", type=positive, default=4, help="blocks (4)")
    given = parser.parse_args(arguments)
    digits = chosen_digits(parser, given)
    side = digits.train_images.shape[1]
    patch_size = given.patch_size or side // 4
    if side % patch_size or given.width % given.heads:
        parser.error(
            f"patches of {patch_size} pixels must divide {side}, and {given.heads} heads must divide {given.width}"
        )
    model = partial(vision_transformer, patch_size=patch_size, num_layers=given.layers, num_heads=given.heads)
    parameters = initial_parameters(side, patch_size, given.width, given.layers, given.seed)
    return Setup(model, parameters, digits, given)


def main(arguments: Sequence[str] | None = None) -> float:
    """Train on the digits, print the accuracy on the test images, and return it."""
    return train_and_report(set_up(arguments))


if __name__ == "__main__":
    main()
    sys.exit(0)
