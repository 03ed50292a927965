"""A recurrent network reads handwritten digits row by row: 95% and more of the test images right in seconds on two cores.

    python -m examples.lstm [--backend numpy|mosaic|torch] [--epochs 20] [--curve loss.png] [--mnist FOLDER]

Two layers of long short-term memory get one row of pixels at a time; the last hidden state gives the scores of the ten digits.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from composit import nn
from examples.digits import Setup, chosen_digits, standard_parser, train_and_report
from examples.training import Parameters, positive


def initial_parameters(num_inputs: int, num_hidden: int, num_layers: int, seed: int) -> Parameters:
    """Return uniform numbers of at most 1 / sqrt(hidden) by torch's names, as torch's module starts; forget gates begin open."""
    rng = np.random.default_rng(seed)
    bound = num_hidden**-0.5

    def uniform(*shape: int) -> Any:
        return rng.uniform(-bound, bound, size=shape).astype(np.float32)

    parameters: Parameters = {"scores weight": uniform(num_hidden, 10), "scores bias": np.zeros(10, np.float32)}
    for layer in range(num_layers):
        parameters[f"weight_ih_l{layer}"] = uniform(4 * num_hidden, num_hidden if layer else num_inputs)
        parameters[f"weight_hh_l{layer}"] = uniform(4 * num_hidden, num_hidden)
        parameters[f"bias_ih_l{layer}"] = np.repeat(np.array([0, 1, 0, 0], np.float32), num_hidden)
        parameters[f"bias_hh_l{layer}"] = np.zeros(4 * num_hidden, np.float32)
    return parameters


def recurrent_network(parameters: Parameters, images: Any) -> Any:
    """Return (batch, 10) scores for (batch, rows, columns) images."""
    own = {name: each for name, each in parameters.items() if name.startswith(("weight_", "bias_"))}
    _, (hidden, _) = nn.lstm(images, None, own, batch_first=True)
    return hidden[-1] @ parameters["scores weight"] + parameters["scores bias"]


def set_up(arguments: Sequence[str] | None = None) -> Setup:
    """Return what is trained: the model, its first parameters, data and options."""
    parser = standard_parser(__doc__, epochs=20, learning_rate=1e-2)
    parser.add_argument("--hidden", type=positive, default=64, help="units of each layer (64)")
    parser.add_argument("--layers", type=positive, default=2, help="number of layers (2)")
    given = parser.parse_args(arguments)
    digits = chosen_digits(parser, given)
    parameters = initial_parameters(digits.train_images.shape[2], given.hidden, given.layers, given.seed)
    return Setup(recurrent_network, parameters, digits, given)


def main(arguments: Sequence[str] | None = None) -> float:
    """Train on the digits, print the accuracy on the test images, and return it."""
    return train_and_report(set_up(arguments))


if __name__ == "__main__":
    main()
    sys.exit(0)
