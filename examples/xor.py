"""A network of 2, 8 and 2 units learns "exactly one of both": the smallest example of a compiled training step.

    python -m examples.xor [--backend numpy|mosaic|torch] [--steps 500] [--seed 0] [--curve loss.png] [--source step.c]

Forward pass, backward pass and update are one graph. It is built once and compiled once; then only its program runs.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from tqdm import tqdm

import composit.numpy as cnp
from composit.nn import compile_step, losses, value_and_grad
from examples.curves import draw_curve, new_file
from examples.training import Parameters, parser_of, positive

INPUTS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
LABELS = np.array([0, 1, 1, 0])
HIDDEN = 8


def initial_parameters(seed: int) -> Parameters:
    """Return weights of uniform numbers within the root of 1 / inputs, and biases of zeros."""
    rng = np.random.default_rng(seed)

    def weight(num_inputs: int, num_outputs: int) -> Any:
        return rng.uniform(-1, 1, (num_inputs, num_outputs)).astype(np.float32) / np.float32(num_inputs) ** 0.5

    return {
        "hidden weight": weight(2, HIDDEN),
        "hidden bias": np.zeros(HIDDEN, np.float32),
        "output weight": weight(HIDDEN, 2),
        "output bias": np.zeros(2, np.float32),
    }


def scores(parameters: Parameters, inputs: Any) -> Any:
    """Return (batch, 2) scores of "no" and "yes" for (batch, 2) inputs."""
    hidden = cnp.tanh(inputs @ parameters["hidden weight"] + parameters["hidden bias"])
    return hidden @ parameters["output weight"] + parameters["output bias"]


def loss(parameters: Parameters, inputs: Any, labels: Any) -> Any:
    """Return the mean cross entropy."""
    return losses.cross_entropy(scores(parameters, inputs), labels)


def training_step(parameters: Parameters, inputs: Any, labels: Any, learning_rate: Any) -> tuple[Parameters, Any]:
    """Return the parameters after a step of gradient descent, and the loss before it."""
    value, slopes = value_and_grad(loss)(parameters, inputs, labels)
    return {name: parameters[name] - learning_rate * slopes[name] for name in parameters}, value


def train(backend: str, num_steps: int, seed: int, learning_rate: float = 0.5) -> tuple[Parameters, list[float], Any]:
    """Return the trained parameters, the loss of each step, and the compiled step."""
    step = compile_step(training_step, backend=backend, donate=0)
    parameters, seen = initial_parameters(seed), []
    for _ in tqdm(range(num_steps), unit="step", leave=False):
        parameters, value = step(parameters, INPUTS, LABELS, learning_rate)
        seen.append(float(value))
    return parameters, seen, step


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, print what the network says of the four inputs, and return 0 if all four are right."""
    parser = parser_of(__doc__)
    parser.add_argument("--steps", type=positive, default=500, help="training steps (500)")
    parser.add_argument("--source", type=new_file, help="write the step's C to this file (backend mosaic)")
    given = parser.parse_args(arguments)
    if given.source is not None and given.backend != "mosaic":
        parser.error(f"--source: the backend {given.backend} makes no C; expected --backend mosaic")
    parameters, seen, step = train(given.backend, given.steps, given.seed)
    guesses = np.argmax(cnp.evaluate(scores(parameters, cnp.asarray(INPUTS))), axis=1)
    print(f"loss {seen[0]:.4f} -> {seen[-1]:.6f} in {given.steps} steps on {given.backend}")
    for (first, second), guess, label in zip(INPUTS, guesses, LABELS, strict=True):
        print(f"  {first:.0f} xor {second:.0f}: {guess}  {'right' if guess == label else 'WRONG'}")
    if given.curve is not None:
        draw_curve(seen, given.curve)
        print(f"wrote {given.curve}")
    if given.source is not None:
        given.source.write_text(step.source)
        print(f"wrote {given.source}")
    return 0 if np.array_equal(guesses, LABELS) else 1


if __name__ == "__main__":
    sys.exit(main())
