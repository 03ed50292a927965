"""numpy.fft on tensors, beyond the rows of tests/operations: errors, what numpy decides, derivatives of complex input."""

import inspect
from typing import Any

import numpy as np
import pytest

import composit as cnp
from composit.program import count_evaluations
from composit.types import LazyTensor
from tests.composit.numpy.comparison import Words, assert_derivative, assert_same, assert_same_error

generator = np.random.default_rng(0)
REAL = generator.normal(size=(4, 5))
COMPLEX = REAL + 1j * generator.normal(size=(4, 5))


def test_every_name_of_numpys_is_there() -> None:
    assert sorted(cnp.fft.__all__) == sorted(np.fft.__all__)


@pytest.mark.parametrize("name", np.fft.__all__)
def test_signatures_are_numpys(name: str) -> None:
    assert inspect.signature(getattr(cnp.fft, name)) == inspect.signature(getattr(np.fft, name))


@pytest.mark.parametrize(
    "words",
    [
        lambda xp: xp.fft.fft(REAL, 0),
        lambda xp: xp.fft.irfft(REAL[:, :1]),
        lambda xp: xp.fft.fft(REAL, axis=2),
        lambda xp: xp.fft.rfft(COMPLEX),
        lambda xp: xp.fft.fft(REAL, norm="sideways"),
        lambda xp: xp.fft.hfft(REAL, norm="sideways"),
        lambda xp: xp.fft.fft2(REAL[0]),
        lambda xp: xp.fft.fftn(REAL, (3, 4, 5), (0, 1)),
        lambda xp: xp.fft.fftn(REAL, axes=0),
        lambda xp: xp.fft.fft(np.array(["a"])),
        lambda xp: xp.fft.fftfreq(2.5),
        lambda xp: xp.fft.rfftfreq(4, device="gpu"),
        lambda xp: xp.fft.fftshift(REAL, 2),
    ],
)
def test_errors_are_numpys_and_come_at_the_call(words: Words) -> None:
    assert_same_error(words)


def test_errors_say_what_was_given() -> None:
    with pytest.raises(ValueError, match=r"Invalid number of FFT data points \(0\) specified.: fft was given n=0"):
        cnp.fft.fft(cnp.ones(3), 0)
    with pytest.raises(ValueError, match=r"Shape and axes have different lengths.: s=\[2\] and axes=\[0, 1\]"):
        cnp.fft.fftn(cnp.ones((3, 3)), (2,), (0, 1))
    with pytest.raises(ValueError, match="Invalid norm value up; .* divided by the number of points"):
        cnp.fft.fft(cnp.ones(3), norm="up")


@pytest.mark.parametrize(
    "words",
    [
        lambda xp: xp.fft.fftn(REAL, axes=(0, 0)),
        lambda xp: xp.fft.rfftn(REAL, axes=(-1, 1, 0)),
        lambda xp: xp.fft.fftn(REAL, (-1, 3), axes=(0, 1)),
        lambda xp: xp.fft.fft2(REAL, axes=None),
        lambda xp: xp.fft.fftn(2.0, axes=()),
        lambda xp: xp.fft.fftshift(REAL, ()),
        lambda xp: xp.fft.fftshift(REAL, (0, 0)),
        lambda xp: xp.fft.fft([1, 2, 3, 4], n=np.int64(2)),
        lambda xp: xp.fft.fftfreq(np.int32(5), np.float32(0.5)),
        lambda xp: xp.fft.fft(REAL.astype(np.longdouble)),
    ],
)
def test_unusual_calls_are_numpys(words: Words) -> None:
    assert_same(words)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_deprecated_calls_are_numpys() -> None:
    assert_same(lambda xp: xp.fft.fftn(REAL, (3, 4)))
    assert_same(lambda xp: xp.fft.fftn(REAL, (None, 4), axes=(0, 1)))


def test_deprecated_calls_warn_as_numpys() -> None:
    with pytest.warns(DeprecationWarning, match="`axes` should not be `None`"):
        cnp.fft.fftn(REAL, (3, 4))


def test_the_result_goes_where_out_says() -> None:
    out = cnp.zeros(5, dtype=complex)
    result = cnp.fft.fft(cnp.asarray(REAL[0]), out=out)
    assert result is out
    np.testing.assert_array_equal(cnp.evaluate(out), np.fft.fft(REAL[0]))


def test_transforms_along_axes_are_a_node_each_and_evaluate_nothing() -> None:
    with count_evaluations() as counted:
        spectrum = cnp.fft.fft2(cnp.asarray(REAL))
    assert counted.runs == 0
    assert len(spectrum.graph) == 3


def test_numpys_own_functions_stay_lazy_on_tensors() -> None:
    result = np.fft.rfft(cnp.asarray(REAL))
    assert isinstance(result, LazyTensor)
    assert result.name == "rfft"


def test_derivatives_of_derivatives() -> None:
    assert_derivative(lambda x: cnp.real(cnp.fft.fft(x, 7, norm="ortho")), REAL)
    assert_derivative(lambda x: cnp.abs(cnp.fft.rfft2(x)) ** 2, REAL)
    assert_derivative(lambda x: cnp.fft.irfft(cnp.fft.rfft(x) * 2, 5), REAL)


@pytest.mark.parametrize("name", ["fft", "ifft", "irfft", "hfft", "fftn", "ifft2", "irfftn"])
@pytest.mark.parametrize("norm", [None, "ortho", "forward"])
def test_derivatives_of_complex_elements(name: str, norm: Any) -> None:
    expected = getattr(np.fft, name)(COMPLEX, norm=norm)
    weights = generator.normal(size=expected.shape) + (0.5j if expected.dtype.kind == "c" else 0)
    direction = generator.normal(size=(4, 5)) + 1j * generator.normal(size=(4, 5))
    x = cnp.asarray(COMPLEX)
    (gradient,) = cnp.nn.chain_rule({getattr(cnp.fft, name)(x, norm=norm): cnp.asarray(weights)}, [x])
    # A linear function: the pairing with a direction is that of the weights with the function of the direction.
    along = np.sum(weights * getattr(np.fft, name)(direction, norm=norm)).real
    np.testing.assert_allclose(np.sum(cnp.evaluate(gradient) * direction).real, along, rtol=1e-12)
