"""The training examples in a short form: XOR whole, the others on few images or characters, MNIST's files read from a folder."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")
pytest.importorskip("tqdm")

import examples
from examples import char_lm, digits, digits_cnn, digits_vit, graph, lstm, xor
from tests.sampling import only


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


@pytest.mark.parametrize("backend", only(["numpy"], ["numpy", "mosaic"]))
def test_a_small_convolutional_network_learns_on_few_digits(backend: str) -> None:
    options = ["--epochs", "10", "--truncate", "320", "--widths", "8", "16", "--hidden", "32", "--batch-size", "16"]
    assert digits_cnn.main([*options, "--learning-rate", "0.006", "--backend", backend]) > 0.6


def test_digits_take_options_that_do_not_fit_the_data(capsys: pytest.CaptureFixture[str]) -> None:
    # Fewer images than a batch has, and one class of size for everything.
    options = ["--epochs", "1", "--truncate", "12", "--backend", "numpy"]
    digits_cnn.main([*options, "--batch-size", "64", "--widths", "2", "3", "--hidden", "4"])
    sizes = ["--patch-size", "4", "--width", "6", "--heads", "3", "--layers", "2", "--batch-size", "5"]
    digits_vit.main([*options, *sizes])
    said = capsys.readouterr().out
    assert ["1 steps on numpy" in said, "2 steps on numpy" in said] == [True, True]
    for wrong in (["--patch-size", "3"], ["--width", "10", "--heads", "4"], ["--layers", "0"], ["--epochs", "-1"]):
        with pytest.raises(SystemExit):
            digits_vit.main([*options, *wrong])
    assert "patches of 3 pixels must divide 8" in capsys.readouterr().err


@pytest.mark.parametrize("model", [digits_cnn, digits_vit, lstm])
def test_mnists_folder_is_an_option_of_all_models(model: Any, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for prefix in ("train", "t10k"):
        images, labels = rng.integers(0, 256, (6, 8, 8), np.uint8), rng.integers(0, 10, 6).astype(np.uint8)
        for name, array in (("images-idx3", images), ("labels-idx1", labels)):
            header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
            (tmp_path / f"{prefix}-{name}-ubyte").write_bytes(header + array.tobytes())
    curve = tmp_path / "loss.png"
    options = ["--mnist", str(tmp_path), "--epochs", "1", "--batch-size", "3", "--backend", "numpy"]
    assert 0 <= model.main([*options, "--curve", str(curve)]) <= 1
    assert curve.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("backend", ["numpy", "mosaic", "torch"])
def test_a_small_model_of_characters_learns_the_zen(backend: str, capsys: pytest.CaptureFixture[str]) -> None:
    sizes = ["--context", "8", "--width", "16", "--heads", "2", "--layers", "1", "--batch-size", "16"]
    options = ["--steps", "40", "--learning-rate", "0.03", "--prompt", "Now", "--sample", "12", "--seed", "1"]
    seen = char_lm.main([*sizes, *options, "--backend", backend])
    assert (len(seen), seen[-1] < 0.7 * seen[0]) == (40, True)
    summary, sample = capsys.readouterr().out.rstrip("\n").split("\n", 1)
    assert summary.startswith(f"40 steps on {backend}")
    assert sample.startswith("Now")
    assert len(sample) <= 15


def test_a_character_sees_only_those_before_it() -> None:
    parameters = char_lm.initial_parameters(5, 4, 8, 2, seed=0)
    rows = np.array([[0, 1, 2, 3], [0, 1, 4, 4]])
    first, second = np.asarray(char_lm.language_model(parameters, rows, num_layers=2, num_heads=2))
    np.testing.assert_allclose(first[:2], second[:2], rtol=1e-5)
    assert not np.allclose(first[2], second[2])


def test_the_text_of_the_characters_is_the_zen_or_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    zen = char_lm.zen_of_python()
    assert zen.startswith("The Zen of Python, by Tim Peters")
    assert capsys.readouterr().out == ""
    alphabet = char_lm.Alphabet("hello")
    assert (len(alphabet), alphabet.text(alphabet.codes("hole?"))) == (4, "hole")
    (tmp_path / "text.txt").write_text("abc" * 20)
    options = ["--steps", "2", "--context", "4", "--width", "4", "--heads", "1", "--layers", "1", "--sample", "5"]
    char_lm.main([*options, "--text", str(tmp_path / "text.txt"), "--prompt", "xyzab", "--backend", "numpy"])
    assert set(capsys.readouterr().out.splitlines()[1]) <= set("abc")
    with pytest.raises(SystemExit):
        char_lm.main([*options, "--text", str(tmp_path / "text.txt"), "--prompt", "xyz"])
    with pytest.raises(SystemExit):
        char_lm.main(["--context", "1000"])
    assert "expected more than the 1000 of a context" in capsys.readouterr().err


_WRONG_OPTIONS: tuple[tuple[Any, list[str], str], ...] = (
    (char_lm, ["--text", "no such file"], "no such file cannot be read as a text"),
    (char_lm, ["--text", sys.executable], "cannot be read as a text"),
    (char_lm, ["--temperature", "0"], "0 was given; expected a number above 0"),
    (char_lm, ["--width", "10", "--heads", "4"], "4 heads must divide the width, which is 10"),
    (char_lm, ["--prompt", "§"], "none of the characters of the prompt '§'"),
    (lstm, ["--learning-rate", "nan"], "nan was given; expected a number above 0"),
    (lstm, ["--learning-rate", "fast"], "fast was given; expected a number above 0"),
    (lstm, ["--mnist", "no such folder"], "in no such folder; expected MNIST's four files there"),
    (digits_cnn, ["--epochs", "two"], "two was given; expected an integer of at least 1"),
    (digits_cnn, ["--seed", "-1"], "expected an integer of at least 0"),
    (digits_vit, ["--curve", "loss.txt"], "loss.txt was given; expected a picture: a name that ends with"),
    (digits_vit, ["--curve", "no such folder/loss.png"], "expected a file in a folder that exists"),
    (graph, ["--picture", "linear.jpeg"], "expected a name that ends with .svg, .png, .pdf, .dot"),
    (graph, ["--curve", "."], "expected a file in a folder that exists"),
    (xor, ["--source", "step.c", "--backend", "numpy"], "the backend numpy makes no C; expected --backend mosaic"),
)


@pytest.mark.parametrize(("example", "options", "words"), _WRONG_OPTIONS, ids=[words for _, _, words in _WRONG_OPTIONS])
def test_wrong_options_end_an_example_before_it_trains(
    example: Any, options: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        example.main(options)
    assert ended.value.code == 2
    assert words in " ".join(capsys.readouterr().err.split())


def test_without_the_program_dot_the_source_of_the_picture_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "linear.svg").write_text("an older picture")
    graph.main(["--backend", "numpy", "--picture", str(tmp_path / "linear.svg")])
    assert f"wrote {tmp_path / 'linear.dot'}" in capsys.readouterr().out
    assert "matmul" in (tmp_path / "linear.dot").read_text()


@pytest.mark.parametrize("backend", ["numpy", "mosaic", "torch"])
def test_the_graph_of_a_linear_function_is_drawn_with_its_gradients(
    backend: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture, curve = tmp_path / "linear.dot", tmp_path / "loss.png"
    fitted = graph.main(["--backend", backend, "--picture", str(picture), "--curve", str(curve)])
    np.testing.assert_allclose(fitted["weight"], graph.WEIGHT, atol=0.1)
    np.testing.assert_allclose(fitted["bias"], graph.BIAS, atol=0.1)
    drawn = picture.read_text()
    for words in ("weight", "bias", "d loss / d weight", "d loss / d bias", "matmul"):
        assert words in drawn
    assert curve.read_bytes().startswith(b"\x89PNG")
    assert f"wrote {picture}" in capsys.readouterr().out


@pytest.mark.parametrize("backend", only(["numpy", "mosaic"], ["numpy", "mosaic", "torch"]))
def test_a_small_recurrent_network_learns_on_few_digits(backend: str, tmp_path: Path) -> None:
    curve = tmp_path / "loss.png"
    options = ["--epochs", "16", "--truncate", "160", "--hidden", "16", "--batch-size", "32", "--learning-rate", "0.03"]
    assert lstm.main([*options, "--backend", backend, "--curve", str(curve)]) > 0.4
    assert curve.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("module", ["xor", "graph"])
def test_an_example_runs_as_a_module(module: str, tmp_path: Path) -> None:
    options = ["--backend", "numpy", *(["--picture", str(tmp_path / "linear.dot")] if module == "graph" else [])]
    ran = subprocess.run(
        [sys.executable, "-m", f"examples.{module}", *options],
        cwd=Path(examples.__file__).parents[1],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "steps on numpy" in ran.stdout


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["numpy", "mosaic", "torch"])
@pytest.mark.parametrize(("model", "least"), [(digits_cnn, 0.98), (digits_vit, 0.95)], ids=["CNN", "ViT"])
def test_the_digits_are_read_as_well_as_promised(model: Any, least: float, backend: str) -> None:
    assert model.main(["--backend", backend]) >= least


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
