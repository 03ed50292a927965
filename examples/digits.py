"""What the examples on handwritten digits share: the data, the training, the accuracy.

The data are scikit-learn's 1,797 digits of 8 x 8 pixels, or MNIST's four IDX files (perhaps gzipped) from a folder.
"""

from __future__ import annotations

import argparse
import gzip
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import composit.numpy as cnp
from composit.nn import compile_step, losses, optimizers
from examples.training import (
    Parameters,
    Run,
    describe,
    parser_of,
    positive,
    positive_number,
    run_steps,
    write_curve,
)

Model = Callable[[Parameters, Any], Any]

WEIGHT_DECAY = 0.05


@dataclass(frozen=True, slots=True)
class Digits:
    """Images (count, rows, columns) from 0 to 1 in float32, and the digits that they show."""

    train_images: Any
    train_labels: Any
    test_images: Any
    test_labels: Any


def load_digits(folder: Path | None, truncate: int | None) -> Digits:
    """Return scikit-learn's digits, every fifth for the test, or MNIST's from a folder; at most `truncate` of each set."""
    digits = _bundled() if folder is None else _from_idx(folder)
    return Digits(
        digits.train_images[:truncate],
        digits.train_labels[:truncate],
        digits.test_images[:truncate],
        digits.test_labels[:truncate],
    )


def _bundled() -> Digits:
    from sklearn.datasets import load_digits as load

    images, labels = load(return_X_y=True)
    images = (images.reshape(-1, 8, 8) / 16.0).astype(np.float32)
    is_test = np.arange(len(images)) % 5 == 4
    return Digits(images[~is_test], labels[~is_test], images[is_test], labels[is_test])


def _from_idx(folder: Path) -> Digits:
    def pair(prefix: str) -> tuple[Any, Any]:
        images = read_idx(folder, f"{prefix}-images-idx3-ubyte")
        return (images / np.float32(255)).astype(np.float32), read_idx(folder, f"{prefix}-labels-idx1-ubyte").astype(
            np.int64
        )

    return Digits(*pair("train"), *pair("t10k"))


def read_idx(folder: Path, name: str) -> Any:
    """Return the array of bytes in an IDX file: two zeros, the type 8, the number of axes, their lengths, the elements.

    Raises:  FileNotFoundError, ValueError: the file is not there, or is no IDX file of bytes
    """
    path = next((each for each in (folder / name, folder / f"{name}.gz") if each.exists()), None)
    if path is None:
        raise FileNotFoundError(
            f"read_idx: neither {name} nor {name}.gz is in {folder}; expected MNIST's four files there"
        )
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    if data[:3] != b"\x00\x00\x08":
        raise ValueError(
            f"read_idx: {path} begins with {data[:4]!r}; expected an IDX file of bytes, which begins with 00 00 08"
        )
    shape = np.frombuffer(data, ">u4", data[3], 4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * data[3]).reshape(shape)


def standard_parser(description: str | None, epochs: int, learning_rate: float) -> argparse.ArgumentParser:
    """Return a parser with the options that all examples on digits have."""
    parser = parser_of(description)
    parser.add_argument("--epochs", type=positive, default=epochs, help=f"passes over the data ({epochs})")
    parser.add_argument("--batch-size", type=positive, default=64, help="images per step (64)")
    parser.add_argument(
        "--learning-rate",
        type=positive_number,
        default=learning_rate,
        help=f"the highest, of a cycle ({learning_rate:g})",
    )
    parser.add_argument("--truncate", type=positive, help="use at most so many images of each set")
    parser.add_argument("--mnist", type=Path, help="folder of MNIST's IDX files; without it scikit-learn's digits")
    return parser


def chosen_digits(parser: argparse.ArgumentParser, given: argparse.Namespace) -> Digits:
    """Return the digits that the options ask for; ends the program with a message if they cannot be read."""
    try:
        return load_digits(given.mnist, given.truncate)
    except (OSError, ValueError) as error:  # no such folder or file, or no IDX file
        parser.error(f"--mnist: {error}")
    except ImportError:
        parser.error(
            "scikit-learn, which has the digits, is not installed: pip install composit[examples], or --mnist FOLDER"
        )


@dataclass(frozen=True, slots=True)
class Setup:
    """A network with its first parameters, the data, and the options that were given."""

    model: Model
    parameters: Parameters
    digits: Digits
    given: argparse.Namespace

    @property
    def batch_size(self) -> int:
        """Images per step: at most as many as there are."""
        return min(int(self.given.batch_size), len(self.digits.train_images))

    @property
    def num_steps(self) -> int:
        """How many batches there are in all epochs; images that fill no batch are left out of an epoch."""
        return int(self.given.epochs) * (len(self.digits.train_images) // self.batch_size)

    def batches(self) -> Iterator[tuple[Any, Any]]:
        """Give images and labels in batches of one size, in a new order in each epoch."""
        digits, size = self.digits, self.batch_size
        rng = np.random.default_rng(self.given.seed)
        for _ in range(self.given.epochs):
            order = rng.permutation(len(digits.train_images))
            for start in range(0, len(order) - size + 1, size):
                batch = order[start : start + size]
                yield digits.train_images[batch], digits.train_labels[batch]


@dataclass(frozen=True, slots=True)
class Trained:
    """A run, and the share of test images that are right after it."""

    run: Run
    accuracy: float


def train(setup: Setup) -> Trained:
    """Train by AdamW with a rate that rises and falls once; each step is one compiled program."""
    given, model = setup.given, setup.model
    rate = optimizers.one_cycle(given.learning_rate, max(setup.num_steps, 2))
    optimizer = optimizers.adamw(rate, weight_decay=WEIGHT_DECAY)

    def loss(parameters: Parameters, images: Any, labels: Any) -> Any:
        return losses.cross_entropy(model(parameters, images), labels)

    run = run_steps(loss, setup.parameters, setup.batches(), setup.num_steps, optimizer, given.backend)
    return Trained(run, accuracy(model, run.parameters, setup.digits, given.backend))


def accuracy(model: Model, parameters: Parameters, digits: Digits, backend: str) -> float:
    """Return the share of test images whose highest score is that of their digit."""
    predict = compile_step(lambda parameters, images: cnp.argmax(model(parameters, images), axis=-1), backend=backend)
    guesses = [
        predict(parameters, part) for part in np.array_split(digits.test_images, max(1, len(digits.test_images) // 256))
    ]
    return float(np.mean(np.concatenate(guesses) == digits.test_labels))


def train_and_report(setup: Setup) -> float:
    """Train, print what was reached, draw the curve if it was asked for, and return the accuracy."""
    trained = train(setup)
    print(f"{describe(trained.run, setup.given.backend)}, {trained.accuracy:.1%} of the test images right")
    write_curve(trained.run, setup.given.curve)
    return trained.accuracy
