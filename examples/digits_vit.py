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
from composit.nn import layers, operations
from examples.digits import Parameters, load_digits, report, standard_parser, train


def initial_parameters(
    side: int, patch_size: int, width: int, num_layers: int, seed: int, num_classes: int = 10
) -> Parameters:
    """Return weights of normal numbers with deviation 1 / sqrt(inputs), norms of ones, biases of zeros."""
    rng = np.random.default_rng(seed)

    def weight(num_inputs: int, num_outputs: int) -> Any:
        return (rng.normal(size=(num_inputs, num_outputs)) / num_inputs**0.5).astype(np.float32)

    def zeros(size: int) -> Any:
        return np.zeros(size, np.float32)

    parameters: Parameters = {
        "patch weight": weight(patch_size**2, width),
        "patch bias": zeros(width),
        "places": (0.02 * rng.normal(size=((side // patch_size) ** 2, width))).astype(np.float32),
        "last norm weight": np.ones(width, np.float32),
        "last norm bias": zeros(width),
        "scores weight": weight(width, num_classes),
        "scores bias": zeros(num_classes),
    }
    for number in range(num_layers):
        for name in ("query", "key", "value", "output"):
            parameters |= {f"{number} {name} weight": weight(width, width), f"{number} {name} bias": zeros(width)}
        for name in ("attention", "feedforward"):
            parameters |= {
                f"{number} {name} norm weight": np.ones(width, np.float32),
                f"{number} {name} norm bias": zeros(width),
            }
        parameters |= {f"{number} wide weight": weight(width, 2 * width), f"{number} wide bias": zeros(2 * width)}
        parameters |= {f"{number} narrow weight": weight(2 * width, width), f"{number} narrow bias": zeros(width)}
    return parameters


def patches_of(images: Any, patch_size: int) -> Any:
    """Return (batch, patches, pixels) for (batch, side, side) images."""
    batch, side, _ = images.shape
    per_side = side // patch_size
    grid = cnp.reshape(images, (batch, per_side, patch_size, per_side, patch_size))
    return cnp.reshape(cnp.transpose(grid, (0, 1, 3, 2, 4)), (batch, per_side**2, patch_size**2))


def vision_transformer(parameters: Parameters, images: Any, *, patch_size: int, num_layers: int, num_heads: int) -> Any:
    """Return (batch, 10) scores for (batch, side, side) images; norms come before attention and linear layers."""
    p = parameters
    tokens = patches_of(images, patch_size) @ p["patch weight"] + p["patch bias"] + p["places"]
    head_size = tokens.shape[-1] // num_heads
    for k in range(num_layers):
        normed = layers.layer_norm(tokens, p[f"{k} attention norm weight"], p[f"{k} attention norm bias"])
        pairs = [p[f"{k} {name} {kind}"] for name in ("query", "key", "value", "output") for kind in ("weight", "bias")]
        tokens = tokens + layers.multi_head_attention(normed, None, *pairs, head_size=head_size)
        normed = layers.layer_norm(tokens, p[f"{k} feedforward norm weight"], p[f"{k} feedforward norm bias"])
        wide = operations.gelu(normed @ p[f"{k} wide weight"] + p[f"{k} wide bias"])
        tokens = tokens + wide @ p[f"{k} narrow weight"] + p[f"{k} narrow bias"]
    normed = layers.layer_norm(tokens, p["last norm weight"], p["last norm bias"])
    return cnp.mean(normed, axis=1) @ p["scores weight"] + p["scores bias"]


def main(arguments: Sequence[str] | None = None) -> float:
    """Train on the digits, print the accuracy on the test images, and return it."""
    parser = standard_parser(__doc__, epochs=30, learning_rate=4e-3)
    parser.add_argument("--patch-size", type=int, help="pixels of a patch's side (a quarter of the image's)")
    parser.add_argument("--width", type=int, default=64, help="numbers per token (64)")
    parser.add_argument("--heads", type=int, default=4, help="heads of attention (4)")
    parser.add_argument("--layers", type=int, default=4, help="blocks (4)")
    given = parser.parse_args(arguments)
    digits = load_digits(given.mnist, given.truncate)
    side = digits.train_images.shape[1]
    patch_size = given.patch_size or side // 4
    if side % patch_size or given.width % given.heads:
        parser.error(
            f"patches of {patch_size} pixels must divide {side}, and {given.heads} heads must divide {given.width}"
        )
    model = partial(vision_transformer, patch_size=patch_size, num_layers=given.layers, num_heads=given.heads)
    trained = train(model, initial_parameters(side, patch_size, given.width, given.layers, given.seed), digits, given)
    report(trained, given)
    return trained.accuracy


if __name__ == "__main__":
    main()
    sys.exit(0)
