"""What the examples share: options, the loop of compiled steps with its progress bar, and what is printed of a run."""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

import composit.numpy as cnp
from composit.nn import compile_step, value_and_grad
from composit.nn.optimizer import Optimizer
from examples.curves import curve_file, draw_curve

Parameters = dict[str, Any]  # Any: arrays, or the tensors of a step
Loss = Callable[..., Any]  # Any: of parameters and a batch, a tensor


def parser_of(description: str | None) -> argparse.ArgumentParser:
    """Return a parser with the options that all examples have; the description is the first line of a docstring."""
    parser = argparse.ArgumentParser(description=(description or "").split("\n")[0])
    parser.add_argument("--backend", default="mosaic", choices=["numpy", "mosaic", "torch"])
    parser.add_argument("--seed", type=natural, default=0, help="of all random numbers (0)")
    parser.add_argument("--curve", type=curve_file, help="write the loss of each step to this picture")
    return parser


def positive(text: str) -> int:
    """Return an option's integer, which is at least 1."""
    return _integer(text, 1)


def natural(text: str) -> int:
    """Return an option's integer, which is at least 0."""
    return _integer(text, 0)


def _integer(text: str, least: int) -> int:
    if not text.strip().isdecimal() or int(text) < least:
        raise argparse.ArgumentTypeError(f"{text} was given; expected an integer of at least {least}")
    return int(text)


def positive_number(text: str) -> float:
    """Return an option's number, which is above 0."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text} was given; expected a number above 0")
    return value


@dataclass(frozen=True, slots=True)
class Run:
    """The trained parameters, the loss of each step, and the seconds of the loop."""

    parameters: Parameters
    losses: list[float]
    seconds: float


def run_steps(
    loss: Loss,
    parameters: Parameters,
    batches: Iterable[tuple[Any, ...]],  # Any: arrays
    num_steps: int,
    optimizer: Optimizer[Any],  # Any: its state
    backend: str,
) -> Run:
    """Take a step on each batch; forward pass, backward pass and update are one compiled program.

    num_steps: how many batches there are, for the progress bar
    """
    names = list(parameters)

    def training_step(parameters: Parameters, state: Any, *batch: Any) -> tuple[Parameters, Any, Any]:
        value, slopes = value_and_grad(loss)(parameters, *batch)
        stepped, state = optimizer.update([parameters[k] for k in names], [slopes[k] for k in names], state)
        return dict(zip(names, stepped, strict=True)), state, value

    # Each step overwrites the parameters and the state that it is given; the caller keeps its own.
    step = compile_step(training_step, backend=backend, donate=(0, 1))
    parameters = {name: np.array(value) for name, value in parameters.items()}
    state = optimizer.init([cnp.asarray(parameters[name]) for name in names])
    seen: list[float] = []
    start = time.perf_counter()
    with tqdm(total=num_steps, unit="step", leave=False) as bar:
        for batch in batches:
            parameters, state, value = step(parameters, state, *batch)
            seen.append(float(value))
            bar.set_postfix(loss=f"{seen[-1]:.3f}", refresh=False)
            bar.update()
    return Run(parameters, seen, time.perf_counter() - start)


def describe(run: Run, backend: str) -> str:
    """Return how many steps took how long, and the first and last loss."""
    return (
        f"{len(run.losses)} steps on {backend} in {run.seconds:.1f} s: loss {run.losses[0]:.3f} -> {run.losses[-1]:.3f}"
    )


def write_curve(run: Run, path: Path | None) -> None:
    """Draw the losses if a file was asked for."""
    if path is not None:
        draw_curve(run.losses, path)
        print(f"wrote {path}")
