"""The voice detector gives torch's probabilities, from the scripted model and from the weights in safetensors, on any backend."""

from __future__ import annotations

import wave
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("safetensors")
if find_spec("silero_vad") is None:  # its import would set the number of torch's threads for all tests
    pytest.skip("silero-vad is not installed", allow_module_level=True)

from examples import voice_activity
from examples.sounds import RATE, made_sounds, read_wave, write_wave
from tests.sampling import in_turn

# The goal that the example states; sums of 32-bit numbers in another order differ by less.
MOST = 1e-5


# torch says so of all scripted models; what people have in files has to be read all the same.
@pytest.mark.filterwarnings("ignore:`torch.jit.load` is deprecated:DeprecationWarning")
@pytest.mark.parametrize(("backend", "model"), in_turn(["numpy", "mosaic", "torch"], ["scripted", "python"]))
def test_made_sounds_have_torchs_probabilities(
    model: str, backend: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    curve, kept = tmp_path / "curve.png", tmp_path / "sounds.wav"
    options = ["--model", model, "--backend", backend, "--draw", str(curve), "--keep", str(kept)]
    assert voice_activity.main(options) <= MOST
    said = dict(line.split() for line in capsys.readouterr().out.splitlines() if line.startswith("  "))
    assert float(said["vowels"]) > 0.8
    assert max(float(said[name]) for name in ("silence", "tone", "noise", "chord")) < 0.3
    assert curve.read_bytes().startswith(b"\x89PNG")
    assert read_wave(kept).shape == (sum(sound.size for sound in made_sounds().values()),)


def _chord(rate: int) -> np.ndarray:
    """Return a second of tones with whole numbers of periods, so that the other rate has the same frequencies."""
    times = np.arange(rate) / rate
    return 0.2 * np.sum([np.sin(2 * np.pi * frequency * times) for frequency in (110, 262, 3000)], axis=0)


def _write_stereo(path: Path, samples: np.ndarray, rate: int) -> None:
    """Write samples as a file of 24 bits that has them in the left channel and a third of them in the right one."""
    integers = np.round(np.stack([samples, samples / 3], axis=1) * (2**23 - 1)).astype("<i4")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(3)
        file.setframerate(rate)
        file.writeframes(integers.reshape(-1).view(np.uint8).reshape(-1, 4)[:, :3].tobytes())


@pytest.mark.parametrize("rate", [8_000, 44_100])
def test_a_users_file_may_have_another_rate_width_and_number_of_channels(rate: int, tmp_path: Path) -> None:
    _write_stereo(tmp_path / "chord.wav", _chord(rate), rate)
    np.testing.assert_allclose(read_wave(tmp_path / "chord.wav"), _chord(RATE) * 2 / 3, atol=1e-6)


def test_speech_is_found_in_a_users_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _write_stereo(tmp_path / "speech.wav", made_sounds(seed=3)["vowels"], RATE)
    assert voice_activity.main(["--file", str(tmp_path / "speech.wav"), "--model", "python"]) <= MOST
    assert "speech from 0.0" in capsys.readouterr().out


def test_a_wave_file_keeps_its_samples(tmp_path: Path) -> None:
    samples = made_sounds()["noise"]
    write_wave(tmp_path / "noise.wav", samples)
    np.testing.assert_allclose(read_wave(tmp_path / "noise.wav"), samples, atol=2 / 2**15)


def test_what_is_no_wave_file_ends_with_a_message(tmp_path: Path) -> None:
    text, empty = tmp_path / "text.wav", tmp_path / "empty.wav"
    text.write_text("speech")
    write_wave(empty, np.zeros(0, np.float32))
    with pytest.raises(SystemExit, match=r"text\.wav is no wave file that Python reads"):
        voice_activity.main(["--file", str(text)])
    with pytest.raises(SystemExit, match=r"empty\.wav has no samples in it"):
        voice_activity.main(["--file", str(empty)])
    with pytest.raises(SystemExit):
        voice_activity.main(["--file", str(tmp_path / "none.wav")])
