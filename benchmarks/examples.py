"""The training examples as a user runs them: `python -m benchmarks examples [--rounds 30] [--only PATTERN]`.

Each round trains each network once on each backend and once in torch, from the same weights on the same batches. Wall time is
that of the loop; the first run of a backend compiles its step. The first losses are compared: a loop that learns something else is
an error.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch

from benchmarks.measure import run_interleaved
from benchmarks.report import print_as_measured
from benchmarks.training.with_torch import MODELS
from examples import digits, digits_cnn, digits_vit, lstm, xor

_BACKENDS = ("mosaic", "numpy", "torch")
_TORCH = "torch's own loop"
_NUM_COMPARED, _TOLERANCE = 20, 1e-3


@dataclass(frozen=True, slots=True)
class Outcome:
    """The losses of a run, and the share of cases that are right after it."""

    losses: list[float]
    accuracy: float


@dataclass(frozen=True, slots=True)
class Example:
    """A network as its example trains it: by one of our backends, or in torch."""

    name: str
    ours: Callable[[str], Outcome]
    theirs: Callable[[], Outcome]


def run_examples(num_threads: int, num_rounds: int, only: str) -> None:
    """Print a row for each network and way to train it."""
    torch.set_num_threads(num_threads)
    chosen = [example for example in examples() if re.search(only, example.name)]
    print_as_measured(
        f"training examples, {num_threads} threads: wall times of the whole loop",
        ["example", " " * 16 + "by", "first run s", "seconds", " " * 16 + "x torch's own", "accuracy"],
        _rows(chosen, max(3, num_rounds // 10)),
    )


def _rows(chosen: Sequence[Example], num_rounds: int) -> Iterator[Sequence[str]]:
    for example in chosen:
        ways = {backend: partial(example.ours, backend) for backend in _BACKENDS} | {_TORCH: example.theirs}
        first = {name: _timed(run) for name, run in ways.items()}
        _compare(example, {name: outcome for name, (outcome, _) in first.items()})
        timings = run_interleaved(ways, num_rounds, warmups=0)
        for name, (outcome, seconds) in first.items():
            yield [
                example.name,
                name,
                f"{seconds:.2f}",
                f"{timings.seconds(name).median:.2f}",
                str(timings.ratio(name, _TORCH)),
                f"{outcome.accuracy:.1%}",
            ]


def _timed(run: Callable[[], Outcome]) -> tuple[Outcome, float]:
    start = time.perf_counter()
    outcome = run()
    return outcome, time.perf_counter() - start


def _compare(example: Example, outcomes: dict[str, Outcome]) -> None:
    wanted = np.array(outcomes[_TORCH].losses[:_NUM_COMPARED])
    for name, outcome in outcomes.items():
        # Rounding grows from step to step; over 20 steps it stays far below this.
        worst = float(np.max(np.abs(np.array(outcome.losses[:_NUM_COMPARED]) - wanted)))
        if not worst <= _TOLERANCE:
            raise AssertionError(f"{example.name}: losses by {name} differ from torch's by {worst:.2e}")


def examples() -> list[Example]:
    """Return the networks with the settings that their examples have by default."""
    return [
        Example("XOR", _xor, _xor_in_torch),
        Example("digits, CNN", partial(_digits, digits_cnn), partial(_digits_in_torch, digits_cnn, MODELS["cnn"])),
        Example("digits, ViT", partial(_digits, digits_vit), partial(_digits_in_torch, digits_vit, MODELS["vit"])),
        Example("digits, LSTM", partial(_digits, lstm), partial(_digits_in_torch, lstm, MODELS["lstm"])),
    ]


def _xor(backend: str, num_steps: int = 500) -> Outcome:
    parameters, losses, _ = xor.train(backend, num_steps, seed=0)
    return Outcome(losses, _xor_accuracy(parameters))


def _xor_accuracy(parameters: Any) -> float:
    guesses = np.argmax(np.asarray(xor.scores(parameters, xor.INPUTS)), axis=1)
    return float(np.mean(guesses == xor.LABELS))


def _xor_in_torch(num_steps: int = 500, learning_rate: float = 0.5) -> Outcome:
    parameters = {name: torch.tensor(value, requires_grad=True) for name, value in xor.initial_parameters(0).items()}
    inputs, labels, losses = torch.tensor(xor.INPUTS), torch.tensor(xor.LABELS), []
    optimizer = torch.optim.SGD(parameters.values(), lr=learning_rate)
    p = parameters
    for _ in range(num_steps):
        optimizer.zero_grad()
        hidden = torch.tanh(inputs @ p["hidden weight"] + p["hidden bias"])
        loss = torch.nn.functional.cross_entropy(hidden @ p["output weight"] + p["output bias"], labels)
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    return Outcome(losses, _xor_accuracy(_as_arrays(parameters)))


def _digits(example: Any, backend: str) -> Outcome:  # Any: the module of an example on digits
    trained = digits.train(example.set_up(["--backend", backend]))
    return Outcome(trained.run.losses, trained.accuracy)


def _digits_in_torch(example: Any, model: Callable[..., Any]) -> Outcome:  # Any: as _digits
    setup = example.set_up([])
    batches = list(setup.batches())
    parameters = {name: torch.tensor(value, requires_grad=True) for name, value in setup.parameters.items()}
    optimizer = torch.optim.AdamW(parameters.values(), lr=setup.given.learning_rate, weight_decay=digits.WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, setup.given.learning_rate, total_steps=len(batches), cycle_momentum=False
    )
    losses = []
    for images, labels in batches:
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(parameters, torch.from_numpy(images)), torch.from_numpy(labels))
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(float(loss.detach()))
    return Outcome(losses, digits.accuracy(setup.model, _as_arrays(parameters), setup.digits, "numpy"))


def _as_arrays(parameters: dict[str, torch.Tensor]) -> dict[str, Any]:
    return {name: value.detach().numpy() for name, value in parameters.items()}
