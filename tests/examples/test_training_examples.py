"""The training examples in a short form: XOR whole, the digits on few images, MNIST's files read from a folder."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sklearn")
pytest.importorskip("tqdm")

from examples import digits, digits_cnn, digits_vit, xor


@pytest.mark.parametrize("backend", ["numpy", "mosaic", "torch"])
def test_the_network_learns_xor(backend: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    curve = tmp_path / "loss.png"
    assert xor.main(["--backend", backend, "--curve", str(curve)]) == 0
    assert curve.read_bytes().startswith(b"\x89PNG")
    said = capsys.readouterr().out
    assert said.count("right") == 4
    assert f"500 steps on {backend}" in said


def test_xor_writes_its_step_as_c(tmp_path: Path) -> None:
    xor.main(["--steps", "2", "--source", str(tmp_path / "step.c")])
    assert "tanh" in (tmp_path / "step.c").read_text()


def test_the_backends_learn_xor_alike() -> None:
    losses = [xor.train(backend, 20, seed=3)[1] for backend in ("numpy", "mosaic", "torch")]
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-4)
    np.testing.assert_allclose(losses[2], losses[0], rtol=1e-4)


def test_a_small_vision_transformer_learns_on_few_digits(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--epochs", "6", "--truncate", "320", "--width", "16", "--layers", "1", "--learning-rate", "0.02"]
    assert digits_vit.main([*options, "--backend", "numpy"]) > 0.3
    assert "30 steps on numpy" in capsys.readouterr().out


@pytest.mark.parametrize("backend", ["numpy", "mosaic"])
def test_a_small_convolutional_network_learns_on_few_digits(backend: str) -> None:
    options = ["--epochs", "10", "--truncate", "320", "--widths", "8", "16", "--hidden", "32", "--batch-size", "16"]
    assert digits_cnn.main([*options, "--learning-rate", "0.006", "--backend", backend]) > 0.6


def test_mnists_files_are_read(tmp_path: Path) -> None:
    images, labels = np.arange(2 * 28 * 28, dtype=np.uint8).reshape(2, 28, 28), np.array([3, 7], np.uint8)
    for prefix in ("train", "t10k"):
        header = b"\x00\x00\x08\x03" + np.array(images.shape, ">u4").tobytes()
        (tmp_path / f"{prefix}-images-idx3-ubyte").write_bytes(header + images.tobytes())
        with gzip.open(tmp_path / f"{prefix}-labels-idx1-ubyte.gz", "wb") as file:
            file.write(b"\x00\x00\x08\x01" + np.array(labels.shape, ">u4").tobytes() + labels.tobytes())
    read = digits.load_digits(tmp_path, truncate=1)
    np.testing.assert_allclose(read.train_images, images[:1] / 255, rtol=1e-6)
    assert read.test_labels.tolist() == [3]
    (tmp_path / "train-images-idx3-ubyte").write_bytes(b"nonsense")
    with pytest.raises(ValueError, match="expected an IDX file of bytes"):
        digits.load_digits(tmp_path, None)
    with pytest.raises(FileNotFoundError, match="expected MNIST's four files"):
        digits.load_digits(tmp_path / "elsewhere", None)
