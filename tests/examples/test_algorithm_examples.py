"""The programs that choose algorithms of torch models, in a short form."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

from examples.algorithms import custom_operator, func_with_input_shape, manual_conv2d, train, vgg16

# Values of about 1, sums of some hundred products; Winograd's are further away than others.
_NEAR = 2e-5


def test_one_convolution_is_chosen_by_hand(capsys: pytest.CaptureFixture[str]) -> None:
    assert manual_conv2d.main(["implicit gemm"]) < _NEAR
    assert capsys.readouterr().out.count("algorithm='implicit gemm'") == 1


def test_a_function_chooses_by_shapes(capsys: pytest.CaptureFixture[str]) -> None:
    assert func_with_input_shape.main() < _NEAR
    assert capsys.readouterr().out.splitlines()[:2] == ["0: winograd", "3: default"]


def test_an_operator_of_ones_own_takes_the_place_of_convolutions(capsys: pytest.CaptureFixture[str]) -> None:
    assert custom_operator.main() < _NEAR
    assert capsys.readouterr().out.count("ShiftedSums()") == 2


def test_a_swapped_model_learns() -> None:
    before, after = train.main(["30"])
    assert after > max(before, 0.7)


def test_vgg16_is_converted_whole(capsys: pytest.CaptureFixture[str]) -> None:
    assert vgg16.main(["--divisor", "16", "--size", "32", "--batch", "2"]) < _NEAR
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("conv2d by")]
    assert len(said) == 13
    assert any("named by '0'" in line for line in said)
