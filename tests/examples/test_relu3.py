"""The example of a kernel: C, derivative, times, training and picture."""

from pathlib import Path

import pytest


def test_the_example_shows_its_c_trains_and_draws(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    from examples import relu3

    picture = tmp_path / "relu3.png"
    relu3.main(["--elements", "1000", "--steps", "40", "--plot", str(picture)])
    said = capsys.readouterr().out
    assert "float relu3(float x)" in said
    assert "def relu3_vjp(x: float, dresult: float) -> float:" in said
    assert "1000 elements: torch" in said
    before, after = said.partition("a network with it: loss ")[2].splitlines()[0].split(" -> ")
    assert float(after) < 0.8 * float(before)
    assert picture.stat().st_size > 1000
    assert relu3.relu3.explain() == "relu3(x: float) -> float"
