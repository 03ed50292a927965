"""A small convolutional network reads handwritten digits: 98% and more of the test images right in seconds on two cores.

    python -m examples.digits_cnn [--backend numpy|mosaic|torch] [--epochs 12] [--curve loss.png] [--mnist FOLDER]

Two convolutions of 3 x 3, each followed by the largest of 2 x 2 elements, and two linear layers.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

import composit.numpy as cnp
from composit.nn import operations
from examples.digits import Setup, chosen_digits, standard_parser, train_and_report
from examples.training import Parameters, positive


def initial_parameters(side: int, widths: tuple[int, int], hidden: int, seed: int) -> Parameters:
    """Return weights of normal numbers with deviation sqrt(2 / inputs), and biases of zeros."""
    rng = np.random.default_rng(seed)

    def weight(shape: tuple[int, ...], num_inputs: int) -> Any:
        return (rng.normal(size=shape) * (2.0 / num_inputs) ** 0.5).astype(np.float32)

    first, second = widths
    flat = second * (side // 4) ** 2
    return {
        "first filters": weight((first, 1, 3, 3), 9),
        "first bias": np.zeros(first, np.float32),
        "second filters": weight((second, first, 3, 3), 9 * first),
        "second bias": np.zeros(second, np.float32),
        "hidden weight": weight((flat, hidden), flat),
        "hidden bias": np.zeros(hidden, np.float32),
        "scores weight": weight((hidden, 10), hidden),
        "scores bias": np.zeros(10, np.float32),
    }


def convolutional_network(parameters: Parameters, images: Any) -> Any:
    """Return (batch, 10) scores for (batch, side, side) images."""
    p = parameters
    x = cnp.expand_dims(images, 1)
    for name in ("first", "second"):
        x = operations.relu(operations.convolution(x, p[f"{name} filters"], p[f"{name} bias"], padding=1))
        x = operations.max_pool(x, kernel_size=2, strides=2)
    x = cnp.reshape(x, (x.shape[0], -1))
    x = operations.relu(x @ p["hidden weight"] + p["hidden bias"])
    return x @ p["scores weight"] + p["scores bias"]


def set_up(arguments: Sequence[str] | None = None) -> Setup:
    """Return the network that the options ask for, and the data."""
    parser = standard_parser(__doc__, epochs=12, learning_rate=2e-3)
    parser.add_argument(
        "--widths", type=positive, nargs=2, default=(32, 64), help="channels of the two convolutions (32 64)"
    )
    parser.add_argument("--hidden", type=positive, default=64, help="units of the first linear layer (64)")
    given = parser.parse_args(arguments)
    digits = chosen_digits(parser, given)
    parameters = initial_parameters(digits.train_images.shape[1], tuple(given.widths), given.hidden, given.seed)
    return Setup(convolutional_network, parameters, digits, given)


def main(arguments: Sequence[str] | None = None) -> float:
    """Train on the digits, print the accuracy on the test images, and return it."""
    return train_and_report(set_up(arguments))


if __name__ == "__main__":
    main()
    sys.exit(0)
