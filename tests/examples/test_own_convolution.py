"""The example of a convolution of one's own: it agrees with numpy, and a model uses it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import mosaic
from mosaic.algorithms import unregister


@pytest.fixture
def example() -> Iterator[object]:
    from examples import own_convolution

    mosaic.algorithms.register(own_convolution.OWN)
    yield own_convolution
    unregister(own_convolution.OWN)


def test_the_example_agrees_with_numpy_and_is_used(example, capsys: pytest.CaptureFixture[str]) -> None:
    example.main(["--cases", "12"])
    checked, difference, used = capsys.readouterr().out.strip().splitlines()
    assert "line by line of conv2d: 24 cases agree with numpy" in checked
    assert float(difference.split()[-1]) < 1e-4
    assert "conv2d by line by line, named by 'first'" in used
