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
from examples.training import Parameters, Run, describe, parser_of, positive, run_steps, write_curve

Model = Callable[[Parameters, Any], Any]


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
        "--learning-rate", type=float, default=learning_rate, help=f"the highest, of a cycle ({learning_rate:g})"
    )
    parser.add_argument("--truncate", type=positive, help="use at most so many images of each set")
    parser.add_argument("--mnist", type=Path, help="folder of MNIST's IDX files; without it scikit-learn's digits")
    return parser


@dataclass(frozen=True, slots=True)
class Trained:
    """A run, and the share of test images that are right after it."""

    run: Run
    accuracy: float


def train(model: Model, parameters: Parameters, digits: Digits, given: argparse.Namespace) -> Trained:
    """Train by AdamW with a rate that rises and falls once; each step is one compiled program."""
    batch_size = min(given.batch_size, len(digits.train_images))
    num_batches = len(digits.train_images) // batch_size
    num_steps = given.epochs * num_batches
    optimizer = optimizers.adamw(optimizers.one_cycle(given.learning_rate, max(num_steps, 2)), weight_decay=0.05)

    def loss(parameters: Parameters, images: Any, labels: Any) -> Any:
        return losses.cross_entropy(model(parameters, images), labels)

    batches = _batches(digits, given.epochs, batch_size, num_batches, given.seed)
    run = run_steps(loss, parameters, batches, num_steps, optimizer, given.backend)
    return Trained(run, accuracy(model, run.parameters, digits, given.backend))


def _batches(
    digits: Digits, num_epochs: int, batch_size: int, num_batches: int, seed: int
) -> Iterator[tuple[Any, Any]]:
    """Give images and labels in batches of one size, in a new order in each epoch."""
    rng = np.random.default_rng(seed)
    for _ in range(num_epochs):
        order = rng.permutation(len(digits.train_images))
        for batch in np.split(order[: num_batches * batch_size], num_batches):
            yield digits.train_images[batch], digits.train_labels[batch]


def accuracy(model: Model, parameters: Parameters, digits: Digits, backend: str) -> float:
    """Return the share of test images whose highest score is that of their digit."""
    predict = compile_step(lambda parameters, images: cnp.argmax(model(parameters, images), axis=-1), backend=backend)
    guesses = [
        predict(parameters, part) for part in np.array_split(digits.test_images, max(1, len(digits.test_images) // 256))
    ]
    return float(np.mean(np.concatenate(guesses) == digits.test_labels))


def report(trained: Trained, given: argparse.Namespace) -> None:
    """Print what was reached, and draw the curve if it was asked for."""
    print(f"{describe(trained.run, given.backend)}, {trained.accuracy:.1%} of the test images right")
    write_curve(trained.run, given.curve)
