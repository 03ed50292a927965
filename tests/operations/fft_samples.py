"""Rows for numpy.fft. The transforms are numpy's own, so they are equal to the last bit."""

from __future__ import annotations

from tests.operations.sample import Sample, integers, normal


def _complex(*shape: int):
    return lambda generator: generator.normal(size=shape) + 1j * generator.normal(size=shape)


def _along_an_axis(name: str):
    """Real operands of even, odd, cut and filled lengths, all scalings; complex and narrow ones."""
    rows = [
        Sample(
            f"fft.{name} of {n} points, {norm}",
            lambda xp, x, n=n, norm=norm: _parts(xp, getattr(xp.fft, name)(x, n, axis=-2, norm=norm)),
            (normal(5, 3),),
            True,
        )
        for n, norm in ((None, None), (4, "ortho"), (8, "forward"), (1, "backward"))
    ]
    rows.append(Sample(f"fft.{name} of float32", lambda xp, x: getattr(xp.fft, name)(x), (normal(6, dtype="f"),)))
    rows.append(Sample(f"fft.{name} of float16", lambda xp, x: getattr(xp.fft, name)(x), (normal(6, dtype="e"),)))
    rows.append(Sample(f"fft.{name} of integers", lambda xp, x: getattr(xp.fft, name)(x), (integers(0, 9, 2, 5),)))
    return rows


def _parts(xp, spectrum):
    """Real and imaginary parts: differences are taken of real results."""
    return (xp.real(spectrum), xp.imag(spectrum)) if spectrum.dtype.kind == "c" else (spectrum,)


def _along_axes(name: str):
    return (
        Sample(
            f"fft.{name}",
            lambda xp, x: _parts(xp, getattr(xp.fft, name)(x)),
            (normal(2, 3, 4),),
            True,
        ),
        Sample(
            f"fft.{name} of given lengths",
            lambda xp, x: _parts(xp, getattr(xp.fft, name)(x, (3, 5), axes=(2, 0), norm="ortho")),
            (normal(2, 3, 4),),
            True,
        ),
    )


FFT = (
    *(row for name in ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft") for row in _along_an_axis(name)),
    *(
        row
        for name in ("fft2", "ifft2", "fftn", "ifftn", "rfft2", "irfft2", "rfftn", "irfftn")
        for row in _along_axes(name)
    ),
    *(
        Sample(f"fft.{name} of complex numbers", lambda xp, x, name=name: getattr(xp.fft, name)(x), (_complex(3, 4),))
        for name in ("fft", "ifft", "irfft", "hfft", "fft2", "irfftn")
    ),
    Sample("fft.irfft of one point", lambda xp, x: xp.fft.irfft(x, 1), (normal(3),), True),
    Sample("fft.fftshift", lambda xp, x: xp.fft.fftshift(x), (normal(3, 4),), True),
    Sample("fft.ifftshift", lambda xp, x: xp.fft.ifftshift(x, -1), (normal(4, 3),), True),
    Sample("fft.fftfreq", lambda xp: xp.fft.fftfreq(7, 0.1), (), is_fresh=True),
    Sample("fft.rfftfreq", lambda xp: xp.fft.rfftfreq(8), (), is_fresh=True),
)
