"""When does somebody speak? Silero's voice detector, captured from its own weights, by numpy or in machine code.

    python -m examples.voice_activity [--file speech.wav] [--model scripted|python] [--backend numpy|mosaic|torch] [--draw curve.png]

The network (package silero-vad) reads 32 ms at a time and carries its state on. Its package has it as a scripted model, whose Python
code is not there any more, and as weights alone, in safetensors, for which the code is below. Either is captured at one chunk; its
graph then runs through the whole file, and its probabilities are compared with torch's. Without --file, the example makes a wave
file of silence, tones, noise and vowels.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import accumulate
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional

import composit.numpy as cnp
import flashlight
import mosaic
from examples.sounds import RATE, Samples, made_sounds, read_wave, write_wave

CHUNK, CONTEXT, HIDDEN = 512, 64, 128  # samples read at a time, samples of the chunk before, and numbers of the state

Floats: TypeAlias = NDArray[np.float32]
# Takes a chunk, the last samples of the one before, and the state; returns the probability and both for the next chunk.
Step: TypeAlias = Callable[..., Sequence[Any]]  # Any: arrays or torch tensors


class Detector(nn.Module):
    """The network that the safetensors file has the weights of: a spectrum, four convolutions and a recurrent cell."""

    def __init__(self) -> None:
        super().__init__()
        self.stft_conv = nn.Conv1d(1, 258, kernel_size=256, stride=128, bias=False)
        self.conv1 = nn.Conv1d(129, 128, kernel_size=3, padding=1)
        self.conv2 = nn.Conv1d(128, 64, kernel_size=3, stride=2, padding=1)
        self.conv3 = nn.Conv1d(64, 64, kernel_size=3, stride=2, padding=1)
        self.conv4 = nn.Conv1d(64, HIDDEN, kernel_size=3, padding=1)
        self.lstm_cell = nn.LSTMCell(HIDDEN, HIDDEN)
        self.final_conv = nn.Conv1d(HIDDEN, 1, kernel_size=1)

    def forward(self, chunk: torch.Tensor, context: torch.Tensor, state: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return the probability (1, 1) of speech in a chunk (1, 512), the context (1, 64) and state (2, 1, 128) for the next."""
        samples = torch.cat([context, chunk], dim=1)
        waves = self.stft_conv(functional.pad(samples, (0, CONTEXT), mode="reflect").unsqueeze(1))
        real, imaginary = waves.chunk(2, dim=1)
        x = (real**2 + imaginary**2).sqrt()
        for layer in (self.conv1, self.conv2, self.conv3, self.conv4):
            x = layer(x).relu()
        hidden, cell = self.lstm_cell(x.squeeze(-1), (state[0], state[1]))
        probability = self.final_conv(hidden.relu().unsqueeze(-1)).sigmoid()
        return probability.squeeze(1), samples[:, -CONTEXT:], torch.stack([hidden, cell])


@dataclass(frozen=True, slots=True)
class Network:
    """A network with what it computes for one chunk, as torch runs it and as the trace captured it.

    in_torch:        torch's step
    inputs, outputs: tensors of the trace: chunk, context and state; probability, context and state
    """

    in_torch: Step
    inputs: Sequence[torch.Tensor]
    outputs: Sequence[torch.Tensor]


def model_file(name: str) -> Path:
    """Return a file of the package silero-vad, which is not imported: its import sets the number of torch's threads to 1."""
    spec = find_spec("silero_vad")
    if spec is None or spec.submodule_search_locations is None:
        sys.exit("the package silero-vad is not installed; pip install silero-vad")
    return Path(spec.submodule_search_locations[0], "data", name)


def start() -> tuple[torch.Tensor, torch.Tensor]:
    """Return the context and the state before the first chunk."""
    return torch.zeros(1, CONTEXT), torch.zeros(2, 1, HIDDEN)


def python_network() -> Network:
    """Return the network of the code above with the weights of the safetensors file."""
    model = Detector().eval()
    model.load_state_dict(load_file(model_file("silero_vad_16k.safetensors")))
    inputs = (torch.zeros(1, CHUNK), *start())
    with flashlight.tracer.trace():
        outputs = model(*inputs)
    return Network(model, inputs, outputs)


def scripted_network() -> Network:
    """Return the scripted network, which keeps context and state in attributes between two calls."""
    model: Any = torch.jit.load(model_file("silero_vad.jit"), map_location="cpu").eval()

    def in_torch(chunk: torch.Tensor, context: torch.Tensor, state: torch.Tensor) -> tuple[torch.Tensor, ...]:
        model._context, model._state = context, state
        return model(chunk, RATE), model._context, model._state

    inputs = (torch.zeros(1, CHUNK), *start())
    in_torch(*inputs)  # notes the rate and the size of the batch; the first call would reset the state
    with flashlight.tracer.trace():
        outputs = in_torch(*inputs)
    return Network(in_torch, inputs, outputs)


def step_of(network: Network, backend: str) -> Step:
    """Return the captured step as a function of arrays."""
    if backend == "mosaic":
        return mosaic.compile(list(network.outputs), inputs=list(network.inputs))

    def step(*arrays: Floats) -> Sequence[Any]:
        values: Sequence[Any] = cnp.evaluate(
            list(network.outputs), inputs=dict(zip(network.inputs, arrays, strict=True)), backend=backend
        )
        return values

    return step


def probabilities(step: Step, chunks: Sequence[Any], context: Any, state: Any) -> Floats:
    """Return the probability of speech in each chunk."""
    found = np.empty(len(chunks), np.float32)
    for position, chunk in enumerate(chunks):
        probability, context, state = step(chunk, context, state)
        found[position] = probability[0, 0]
    return found


def compare(network: Network, samples: Samples, backend: str) -> tuple[Floats, float]:
    """Return the probabilities by the backend, and their largest difference from torch's; print both times."""
    chunks = np.pad(samples, (0, -samples.size % CHUNK)).reshape(-1, 1, CHUNK)
    step = step_of(network, backend)
    zeros = [each.numpy() for each in start()]
    step(chunks[0], *zeros)  # what is prepared at the first call is not measured
    started = time.perf_counter()
    found = probabilities(step, list(chunks), *zeros)
    between = time.perf_counter()
    expected = probabilities(network.in_torch, list(torch.from_numpy(chunks)), *start())
    ended = time.perf_counter()
    took = [seconds / len(chunks) * 1e3 for seconds in (between - started, ended - between)]
    print(f"{len(chunks)} chunks of 32 ms: {took[0]:.2f} ms each on {backend}, {took[1]:.2f} ms in torch")
    return found, float(np.abs(found - expected).max())


def speech(found: Floats, threshold: float = 0.5) -> Iterator[tuple[float, float]]:
    """Yield where speech begins and ends, in seconds; pauses of less than 0.1 s are speech."""
    heard = np.flatnonzero(found > threshold)
    for part in np.split(heard, np.flatnonzero(np.diff(heard) * CHUNK > RATE // 10) + 1):
        if part.size:
            yield part[0] * CHUNK / RATE, (part[-1] + 1) * CHUNK / RATE


def draw(samples: Samples, found: Floats, path: Path) -> None:
    """Write a picture of the samples and the curve of the probabilities; needs matplotlib."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4), layout="constrained")
    upper, lower = figure.subplots(2, sharex=True)
    upper.plot(np.arange(samples.size) / RATE, samples, linewidth=0.5)
    upper.set_ylabel("samples")
    lower.plot((np.arange(found.size) + 0.5) * CHUNK / RATE, found)
    lower.set(xlabel="seconds", ylabel="probability of speech", ylim=(0, 1))
    figure.savefig(path)
    print(f"wrote {path}")


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--file", type=Path, help="a wave file (PCM, any rate and number of channels)")
    parser.add_argument("--model", default="scripted", choices=["scripted", "python"])
    parser.add_argument("--backend", default="mosaic", choices=["numpy", "mosaic", "torch"])
    parser.add_argument(
        "--draw", type=Path, metavar="FILE", help="write the curve of the probabilities to this picture"
    )
    parser.add_argument("--keep", type=Path, metavar="FILE", help="keep the wave file that is made without --file")
    options = parser.parse_args(arguments)
    if options.file is not None and not options.file.is_file():
        parser.error(f"there is no file {options.file}")
    for path in (options.draw, options.keep):
        if path is not None and not path.absolute().parent.is_dir():
            parser.error(f"there is no directory {path.parent} to write {path.name} to")
    return options


def read_samples(options: argparse.Namespace) -> Samples:
    """Return the samples of the user's file, or of one that is made here."""
    try:
        if options.file is not None:
            return read_wave(options.file)
        with tempfile.TemporaryDirectory() as folder:
            path = options.keep or Path(folder, "sounds.wav")
            write_wave(path, np.concatenate(list(made_sounds().values())))
            return read_wave(path)
    except ValueError as error:
        sys.exit(str(error))


def print_made_sounds(found: Floats) -> None:
    """Print the mean probability of each sound that is made here."""
    sounds = made_sounds()
    ends = [size // CHUNK for size in accumulate(sound.size for sound in sounds.values())]
    for name, first, end in zip(sounds, [0, *ends], ends, strict=False):
        print(f"  {name:8} {found[first:end].mean():.2f}")


def main(arguments: Sequence[str] | None = None) -> float:
    """Find speech in a file, print where it is, and return the largest difference from torch's probabilities."""
    options = parse(arguments)
    samples = read_samples(options)
    with torch.inference_mode():
        network = scripted_network() if options.model == "scripted" else python_network()
        found, difference = compare(network, samples, options.backend)
    for first, last in speech(found):
        print(f"speech from {first:.2f} s to {last:.2f} s")
    if options.file is None:
        print_made_sounds(found)
    print(f"largest difference from torch: {difference:.1e}")
    if options.draw is not None:
        draw(samples, found, options.draw)
    return difference


if __name__ == "__main__":
    main()
    sys.exit(0)
