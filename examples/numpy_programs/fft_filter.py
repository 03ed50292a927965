"""A low-pass filter by the fast Fourier transform, and the tones that a signal is made of."""

from typing import Any

import composit.numpy as np

SAMPLE_RATE = 512
DURATION = 2.0
TONES = {5.0: 1.0, 12.0: 0.6, 30.0: 0.3}
CUTOFF = 20.0


def make_signal(generator: Any) -> tuple[Any, Any]:
    """Return times and a sum of tones with noise."""
    times = np.arange(0, DURATION, 1 / SAMPLE_RATE)
    signal = np.zeros_like(times)
    for frequency, amplitude in TONES.items():
        signal += amplitude * np.sin(2 * np.pi * frequency * times)
    return times, signal + 0.4 * generator.standard_normal(times.size)


def low_pass(signal: Any, cutoff: float) -> Any:
    """Return the signal without its frequencies above the cutoff."""
    spectrum = np.fft.rfft(signal)
    frequencies = np.fft.rfftfreq(signal.size, d=1 / SAMPLE_RATE)
    spectrum[frequencies > cutoff] = 0
    return np.fft.irfft(spectrum, n=signal.size)


def strongest_tones(signal: Any, count: int) -> tuple[Any, Any]:
    """Return the frequencies and amplitudes of the highest peaks of the spectrum, by frequency."""
    window = np.hanning(signal.size)
    amplitudes = np.abs(np.fft.rfft(signal * window)) * 2 / window.sum()
    frequencies = np.fft.rfftfreq(signal.size, d=1 / SAMPLE_RATE)
    inner = amplitudes[1:-1]
    is_peak = (inner > amplitudes[:-2]) & (inner > amplitudes[2:])
    peaks = np.flatnonzero(is_peak) + 1
    best = peaks[np.argsort(amplitudes[peaks])[::-1][:count]]
    best = np.sort(best)
    return frequencies[best], amplitudes[best]


def autocorrelation(signal: Any) -> Any:
    """Return the circular autocorrelation by the Wiener-Khinchin theorem, 1 at lag 0."""
    power = np.abs(np.fft.fft(signal - signal.mean())) ** 2
    correlation = np.fft.ifft(power).real
    return correlation / correlation[0]


def spectrogram(signal: Any, length: int) -> Any:
    """Return the power of half-overlapping windows, one row per window."""
    starts = np.arange(0, signal.size - length + 1, length // 2)
    frames = signal[starts[:, np.newaxis] + np.arange(length)]
    return np.abs(np.fft.rfft(frames * np.hamming(length), axis=-1)) ** 2


def main() -> dict[str, Any]:
    """Filter a noisy signal and find its tones."""
    generator = np.random.default_rng(11)
    times, signal = make_signal(generator)
    smooth = low_pass(signal, CUTOFF)
    frequencies, amplitudes = strongest_tones(signal, len(TONES))
    correlation = autocorrelation(smooth)
    power = spectrogram(signal, 128)

    print(f"{times.size} samples; standard deviation {signal.std():.3f}, filtered {smooth.std():.3f}")
    for frequency, amplitude in zip(frequencies, amplitudes, strict=True):
        print(f"  {frequency:5.1f} Hz with amplitude {amplitude:.2f}")
    # Parseval: the power is the same in time and in frequency.
    parseval = np.sum(signal**2) - np.sum(np.abs(np.fft.fft(signal)) ** 2) / signal.size
    print("Parseval holds:", abs(parseval) < 1e-9)
    centered = np.fft.fftshift(np.abs(np.fft.fft(smooth)))
    return {
        "smooth": smooth,
        "frequencies": frequencies,
        "amplitudes": amplitudes,
        "correlation": correlation,
        "loudest": power.argmax(axis=1),
        "centered": centered,
    }


if __name__ == "__main__":
    main()
