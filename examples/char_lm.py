"""A small transformer learns a text character by character, and writes it: the Zen of Python, or a file of yours.

    python -m examples.char_lm [--backend numpy|mosaic|torch] [--steps 500] [--curve loss.png] [--text FILE] [--prompt "Beautiful"]

Each character is a token that sees those before it; the loss is the cross entropy of the character that follows. The Zen comes
with every Python (`import this`), and is so short that the model soon knows it by heart.
"""

from __future__ import annotations

import argparse
import codecs
import contextlib
import importlib
import io
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from composit.nn import compile_step, losses, operations, optimizers
from examples.training import Parameters, describe, parser_of, positive, positive_number, run_steps, write_curve
from examples.transformer import affine, blocks, initial_affine, initial_blocks, initial_norm, normed

Codes = NDArray[np.int64]


def zen_of_python() -> str:
    """Return the Zen of Python by Tim Peters, which the module `this` prints when it is imported."""
    with contextlib.redirect_stdout(io.StringIO()):
        this = importlib.import_module("this")
    return codecs.decode(str(this.s), "rot13")


class Alphabet:
    """The characters of a text, and their numbers."""

    def __init__(self, text: str) -> None:
        self._characters = sorted(set(text))
        self._numbers = {character: number for number, character in enumerate(self._characters)}

    def __len__(self) -> int:
        return len(self._characters)

    def codes(self, text: str) -> Codes:
        """Return the numbers of the text's characters; one that the alphabet does not have is left out."""
        return np.array([self._numbers[each] for each in text if each in self._numbers], np.int64)

    def text(self, codes: Sequence[int]) -> str:
        """Return the characters with these numbers."""
        return "".join(self._characters[code] for code in codes)


def initial_parameters(alphabet_size: int, context: int, width: int, num_layers: int, seed: int) -> Parameters:
    """Return rows of normal numbers for characters and places, and the parameters of blocks and scores."""
    rng = np.random.default_rng(seed)
    parameters: Parameters = {
        "characters": rng.normal(size=(alphabet_size, width)).astype(np.float32),
        "places": (0.1 * rng.normal(size=(context, width))).astype(np.float32),
    }
    parameters |= initial_norm("last", width) | initial_affine(rng, "scores", width, alphabet_size)
    return parameters | initial_blocks(rng, width, num_layers)


def language_model(parameters: Parameters, codes: Any, *, num_layers: int, num_heads: int) -> Any:
    """Return (batch, context, alphabet) scores of the characters that follow each of (batch, context) characters."""
    tokens = operations.embedding(codes, parameters["characters"]) + parameters["places"]
    tokens = blocks(parameters, tokens, num_layers=num_layers, num_heads=num_heads, causal=True)
    return affine(parameters, "scores", normed(parameters, "last", tokens))


def pieces(codes: Codes, context: int, batch_size: int, num_steps: int, seed: int) -> Iterator[tuple[Codes, Codes]]:
    """Give batches of pieces of the text, drawn at random, and the same pieces one character later."""
    rng = np.random.default_rng(seed)
    windows = np.lib.stride_tricks.sliding_window_view(codes, context + 1)
    for _ in range(num_steps):
        chosen = windows[rng.integers(len(windows), size=batch_size)]
        yield chosen[:, :-1], chosen[:, 1:]


def continued(model: Any, parameters: Parameters, start: Codes, count: int, given: argparse.Namespace) -> list[int]:
    """Return `start` and `count` more characters, drawn one by one; each sees as much as the model was trained on."""
    rng = np.random.default_rng(given.seed)
    predict = compile_step(model, backend=given.backend)
    written = [int(code) for code in start]
    for _ in range(count):
        seen = written[-given.context :]
        # What stands behind the last character does not matter: no character sees it.
        row = np.array([seen + [0] * (given.context - len(seen))], np.int64)
        scores = predict(parameters, row)[0, len(seen) - 1] / given.temperature
        weights = np.exp(scores - scores.max(), dtype=np.float64)
        written.append(int(rng.choice(len(weights), p=weights / weights.sum())))
    return written


def main(arguments: Sequence[str] | None = None) -> list[float]:
    """Train on the text, print the loss and a sample, and return the losses."""
    given, parser = _options(arguments)
    text = zen_of_python() if given.text is None else given.text
    alphabet = Alphabet(text)
    codes, start = alphabet.codes(text), alphabet.codes(given.prompt)
    if len(codes) <= given.context:
        parser.error(f"the text has {len(codes)} characters; expected more than the {given.context} of a context")
    if given.width % given.heads:
        parser.error(f"{given.heads} heads must divide the width, which is {given.width}")
    if not len(start):
        parser.error(f"the text has none of the characters of the prompt {given.prompt!r}; expected one that it has")
    model = partial(language_model, num_layers=given.layers, num_heads=given.heads)

    def loss(parameters: Parameters, before: Any, after: Any) -> Any:
        return losses.cross_entropy(model(parameters, before).reshape(-1, len(alphabet)), after.reshape(-1))

    optimizer = optimizers.adamw(optimizers.one_cycle(given.learning_rate, max(given.steps, 2)), weight_decay=0.01)
    parameters = initial_parameters(len(alphabet), given.context, given.width, given.layers, given.seed)
    batches = pieces(codes, given.context, given.batch_size, given.steps, given.seed)
    run = run_steps(loss, parameters, batches, given.steps, optimizer, given.backend)
    print(describe(run, given.backend))
    print(alphabet.text(continued(model, run.parameters, start, given.sample, given)))
    write_curve(run, given.curve)
    return run.losses


def _text_of(path: str) -> str:
    """Return the text of the file that an option names."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise argparse.ArgumentTypeError(f"{path} cannot be read as a text: {error}") from error


def _options(arguments: Sequence[str] | None) -> tuple[argparse.Namespace, argparse.ArgumentParser]:
    parser = parser_of(__doc__)
    parser.add_argument("--text", type=_text_of, help="a file to learn; without it the Zen of Python")
    parser.add_argument("--steps", type=positive, default=500, help="training steps (500)")
    parser.add_argument("--batch-size", type=positive, default=16, help="pieces of text per step (16)")
    parser.add_argument("--context", type=positive, default=32, help="characters that a character can see (32)")
    parser.add_argument("--learning-rate", type=positive_number, default=1e-2, help="the highest, of a cycle (0.01)")
    parser.add_argument("--width", type=positive, default=64, help="numbers per token (64)")
    parser.add_argument("--heads", type=positive, default=4, help="heads of attention (4)")
    parser.add_argument("--layers", type=positive, default=2, help="blocks (2)")
    parser.add_argument("--prompt", default="The Zen of Python", help="where the sample begins")
    parser.add_argument("--sample", type=positive, default=200, help="characters to write (200)")
    parser.add_argument("--temperature", type=positive_number, default=0.5, help="below 1 for what is likelier (0.5)")
    return parser.parse_args(arguments), parser


if __name__ == "__main__":
    main()
    sys.exit(0)
