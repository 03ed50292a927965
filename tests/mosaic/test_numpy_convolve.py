"""np.convolve and np.correlate in C: windows within, and ends whose sums grow and shrink."""

from itertools import product
from typing import Any

import numpy as np
import pytest

import composit.numpy as cnp
import mosaic
from tests.sampling import one_in

DTYPES = ["float32", "float64", "int8", "int64", "uint8", "bool"]
MODES = ["full", "same", "valid"]
LENGTHS = [(1, 1), (2, 1), (1, 2), (5, 3), (3, 5), (4, 4), (40, 7), (7, 40), (200, 33), (1000, 1), (300, 300)]


def vectors(lengths: tuple[int, int], dtype: str) -> list[Any]:
    generator = np.random.default_rng(sum(lengths))
    values = [generator.normal(size=length) * 3 for length in lengths]
    return [abs(each).astype(dtype) if dtype.startswith("u") else each.astype(dtype) for each in values]


def both(xp: Any, a: Any, v: Any) -> list[Any]:
    return [getattr(xp, name)(a, v, mode) for name in ("convolve", "correlate") for mode in MODES]


@pytest.mark.parametrize(("dtype", "fuse"), one_in(5, product(DTYPES, [True, False])))
def test_all_modes_are_numpys(dtype: str, fuse: bool) -> None:
    for lengths in LENGTHS if fuse else LENGTHS[:8]:
        arrays = vectors(lengths, dtype)
        x, y = map(cnp.asarray, arrays)
        model = mosaic.compile(both(cnp, x, y), inputs=[x, y], fuse=fuse)
        assert "numpy" not in model.explain()
        # BLAS adds in another order: errors are those of sums of as many terms.
        scale = np.convolve(*map(abs, arrays)).max() * np.finfo(dtype).eps * 4 if dtype.startswith("f") else 0
        for given, expected in zip(model(*arrays), both(np, *arrays), strict=True):
            np.testing.assert_allclose(given, expected, rtol=0, atol=scale, strict=True)


def test_an_infinity_meets_no_zeros_at_the_ends() -> None:
    a, v = np.array([np.inf, 1.0, 2.0, 3.0, 4.0, -np.inf]), np.array([1.0, 2.0, 3.0])
    x, y = cnp.asarray(a), cnp.asarray(v)
    for given, expected in zip(mosaic.compile(both(cnp, x, y), inputs=[x, y])(a, v), both(np, a, v), strict=True):
        np.testing.assert_array_equal(given, expected)
        assert not np.isnan(given).any()


def test_views_and_what_stands_around() -> None:
    array = vectors((60, 60), "float64")[0].reshape(10, 6)
    x = cnp.asarray(array)

    def program(xp: Any, a: Any) -> Any:
        return xp.tanh(xp.convolve(a[::-2, 3] * 2, xp.exp(a[1]), "same")) + a[:, 0].sum()

    for fuse in (True, False):
        model = mosaic.compile(program(cnp, x), inputs=[x], fuse=fuse)
        np.testing.assert_allclose(model(array), program(np, array), rtol=1e-12)
        assert "numpy" not in model.explain()


def test_derivatives_are_compiled_too() -> None:
    a, v = vectors((50, 7), "float64")
    x, y = cnp.asarray(a), cnp.asarray(v)
    loss = cnp.sum(cnp.convolve(x, y, "same") ** 2)
    gradients = cnp.nn.chain_rule({loss: loss}, [x, y])
    for given, expected in zip(mosaic.compile(gradients, inputs=[x, y])(a, v), cnp.evaluate(gradients), strict=True):
        np.testing.assert_allclose(given, expected, rtol=1e-12)


def test_lanes_run_along_the_windows_where_there_are_many() -> None:
    x, y = (cnp.asarray(each) for each in vectors((1000, 5), "float32"))
    (stage,) = [stage for stage in mosaic.stages(cnp.correlate(x, y), inputs=[x, y]) if stage.name == "fuse_rows"]
    assert stage.text.startswith(
        "for one row of 996:\n    temporary_0[996] = add over 5 of multiply(input_0[996, 5 by 1, 1]"
    )
