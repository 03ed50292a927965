"""Sounds for the voice detector: spoken vowels, tones and noise made here, and wave files read and written."""

from __future__ import annotations

import wave
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

RATE = 16_000  # samples per second; what the detector expects
# A recording is never exactly 0. Where a file is, the network's convolutions cancel large numbers, and 32-bit results differ by 1e-5
# with the order of their sums.
_NOISE_FLOOR = 1e-4

Samples: TypeAlias = NDArray[np.float32]  # within -1 and 1
Floats: TypeAlias = NDArray[np.float64]

# The first three resonances of the mouth for a vowel: frequency and width in Hz, and strength.
_RESONANCES = {
    "a": ((730, 90, 1.0), (1090, 110, 0.5), (2440, 170, 0.25)),
    "e": ((530, 70, 1.0), (1840, 100, 0.4), (2480, 170, 0.2)),
    "i": ((270, 60, 1.0), (2290, 100, 0.3), (3010, 170, 0.2)),
    "u": ((300, 60, 1.0), (870, 90, 0.3), (2240, 170, 0.1)),
}


def made_sounds(seed: int = 0) -> Mapping[str, Samples]:
    """Return a second or two each of silence, tones, noise and vowels, in the order in which they are played."""
    rng = np.random.default_rng(seed)
    time = np.arange(RATE) / RATE
    chord = [np.sin(2 * np.pi * frequency * time) for frequency in (261.6, 329.6, 392.0)]
    sounds = {
        "silence": np.zeros(RATE),
        "tone": 0.3 * np.sin(2 * np.pi * 440 * time),
        "vowels": _vowels("aiueaiau", rng),
        "noise": 0.1 * rng.normal(size=RATE),
        "chord": 0.1 * np.sum(chord, axis=0),
    }
    return {
        name: (sound + _NOISE_FLOOR * rng.normal(size=sound.size)).astype(np.float32) for name, sound in sounds.items()
    }


def _vowels(text: str, rng: np.random.Generator) -> Floats:
    parts: list[Floats] = []
    for letter in text:
        breath = 0.3 * rng.normal(size=RATE * 6 // 100) * np.hanning(RATE * 6 // 100)
        parts += [_vowel(letter, pitch=float(rng.uniform(110, 130))), breath, np.zeros(RATE * 3 // 100)]
    voice = np.concatenate(parts)
    loudest = float(np.abs(voice).max())
    return 0.5 / loudest * voice


def _vowel(letter: str, pitch: float, seconds: float = 0.18) -> Floats:
    """Return a vowel: multiples of a falling pitch, each as strong as the mouth's resonances let it through."""
    time = np.arange(int(seconds * RATE)) / RATE
    frequency = pitch * (1 + 0.08 * np.sin(2 * np.pi * 3 * time) - 0.15 * time / seconds)
    phase = 2 * np.pi * np.cumsum(frequency) / RATE
    voice = np.zeros(time.size)
    for multiple in range(1, 40):
        strength = sum(most / (1 + ((multiple * frequency - c) / w) ** 2) for c, w, most in _RESONANCES[letter])
        voice += strength / multiple**0.5 * np.sin(multiple * phase)
    fading = np.minimum(1, np.minimum(time, time[::-1]) / 0.03)
    return voice * fading


def write_wave(path: Path, samples: Samples) -> None:
    """Write samples as a wave file of 16 bits."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(np.round(np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())


def read_wave(path: Path) -> Samples:
    """Return the samples of a wave file, its channels averaged, at the detector's rate.

    Raises:  ValueError: it is no wave file of integers, or has no samples
    """
    try:
        with wave.open(str(path), "rb") as file:
            width, channels, rate = file.getsampwidth(), file.getnchannels(), file.getframerate()
            data = np.frombuffer(file.readframes(file.getnframes()), np.uint8)
    except (wave.Error, EOFError) as error:
        why = str(error) or "it ends too early"
        raise ValueError(f"{path} is no wave file that Python reads ({why}); expected integers (PCM)") from error
    frames = _decoded(data[: data.size // (width * channels) * width * channels].reshape(-1, width))
    if not frames.size:
        raise ValueError(f"{path} has no samples in it")
    return _resampled(frames.reshape(-1, channels).mean(axis=1), rate).astype(np.float32)


def _decoded(data: NDArray[np.uint8]) -> Floats:
    """Return numbers within -1 and 1 for little-endian integers, one a row; those of one byte are unsigned."""
    width = data.shape[1]
    if width == 1:
        return (data[:, 0].astype(np.float64) - 128) / 128
    padded = np.zeros((data.shape[0], 4), np.uint8)
    padded[:, 4 - width :] = data  # the highest bytes of 32 bits
    return padded.view("<i4")[:, 0] / 2.0**31


def _resampled(samples: Floats, rate: int) -> Floats:
    """Return the samples at the detector's rate. Frequencies above half of that rate are dropped."""
    if rate == RATE:
        return samples
    size = max(1, round(samples.size * RATE / rate))
    return np.fft.irfft(np.fft.rfft(samples)[: size // 2 + 1], size) * (size / samples.size)
