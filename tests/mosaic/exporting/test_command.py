"""`python -m composit export`: a saved program becomes a library; what is wrong is said without a traceback."""

from pathlib import Path

import pytest

import composit as cnp
from mosaic.commands import export
from tests.mosaic.exporting.libraries import digits, make


def test_a_saved_program_becomes_a_library(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scores, images = digits()
    cnp.save(tmp_path / "digits.composit", {"scores": scores}, inputs=[images])
    arguments = [str(tmp_path / "digits.composit"), str(tmp_path / "c"), "--name", "digits", "--target", "generic"]
    assert export(arguments) == 0
    assert "function   int digits_forward(const float *images, float *scores," in capsys.readouterr().out
    assert "all outputs are as recorded" in make(tmp_path / "c", "test")
    assert export(arguments) == 1
    assert "is not empty, and nothing in it is overwritten" in capsys.readouterr().err


def test_a_file_that_is_no_program_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_bytes(b"no program at all")
    assert export([str(tmp_path / "file"), str(tmp_path / "c")]) == 1
    assert "cannot be read" in capsys.readouterr().err
