"""A picture of a linear function with its gradients, after it was fitted to points.

    python -m examples.graph [--picture linear.svg] [--backend numpy|mosaic|torch] [--steps 100] [--curve loss.png]

The graph of the loss and of its gradients is a value: it is drawn, compiled into the training step, and evaluated, all from the
same functions. Without graphviz' program `dot`, the picture's source is written (linear.dot).
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import composit.numpy as cnp
from composit.nn import chain_rule, losses, optimizers
from examples.curves import new_file
from examples.training import Parameters, describe, parser_of, positive, run_steps, write_curve

WEIGHT, BIAS = np.array([2.0, -1.0, 0.5], np.float32), np.float32(0.25)


def noisy_points(seed: int, count: int = 32) -> tuple[Any, Any]:
    """Return (count, 3) places, and the values of the function with WEIGHT and BIAS there, with some noise."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, 3)).astype(np.float32)
    noise = 0.05 * rng.normal(size=count)
    return x, (x @ WEIGHT + BIAS + noise).astype(np.float32)


def linear(parameters: Parameters, x: Any) -> Any:
    """Return x @ weight + bias."""
    return x @ parameters["weight"] + parameters["bias"]


def loss(parameters: Parameters, x: Any, y: Any) -> Any:
    """Return the mean square of the errors."""
    return losses.mse(linear(parameters, x), y)


def draw(parameters: Parameters, x: Any, y: Any, path: Path) -> list[Any]:
    """Draw the graph of loss and gradients, and return the two gradients."""
    tensors = {name: cnp.asarray(value, name=name) for name, value in parameters.items()}
    value = loss(tensors, cnp.asarray(x, name="x"), cnp.asarray(y, name="y"))
    slopes = chain_rule({value: value}, list(tensors.values()))
    named = [cnp.with_name(slope, f"d loss / d {name}") for name, slope in zip(tensors, slopes, strict=True)]
    cnp.visualize(cnp.with_name(value, "loss"), *named, filename=path)
    return named


def _picture(text: str) -> Path:
    """Return an option's path of a picture: of its source if the program that draws it is missing."""
    path, suffixes = new_file(text), (".svg", ".png", ".pdf", ".dot")
    if path.suffix not in suffixes:
        raise argparse.ArgumentTypeError(f"{text} was given; expected a name that ends with {', '.join(suffixes)}")
    return path if shutil.which("dot") else path.with_suffix(".dot")


def main(arguments: Sequence[str] | None = None) -> Parameters:
    """Fit the function, print its parameters and gradients, draw the graph, and return the parameters."""
    parser = parser_of(__doc__)
    parser.add_argument("--picture", type=_picture, default="linear.svg", help="svg, png, pdf or dot (linear.svg)")
    parser.add_argument("--steps", type=positive, default=100, help="training steps (100)")
    given = parser.parse_args(arguments)
    x, y = noisy_points(given.seed)
    first = {"weight": np.zeros(3, np.float32), "bias": np.zeros((), np.float32)}
    run = run_steps(loss, first, [(x, y)] * given.steps, given.steps, optimizers.sgd(0.1), given.backend)
    print(describe(run, given.backend))
    slopes = cnp.evaluate(draw(run.parameters, x, y, given.picture), backend=given.backend)
    for name, slope in zip(first, slopes, strict=True):
        value = np.asarray(run.parameters[name])
        print(f"  {name}: {np.array2string(value, precision=3)}, gradient {np.array2string(slope, precision=1)}")
    print(f"wrote {given.picture}")
    write_curve(run, given.curve)
    return run.parameters


if __name__ == "__main__":
    main()
    sys.exit(0)
