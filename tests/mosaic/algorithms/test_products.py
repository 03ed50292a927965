"""Algorithms of matrix products: the same values, and C of their own."""

import re

import numpy as np
import pytest

import composit as cnp
import mosaic
from tests.mosaic.c_text import c_text

TILED = ("gemm", "small-m", "gemm packed at run time")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "shapes", [((3, 70), (70, 50)), ((60, 33), (33, 47)), ((2, 3, 40, 17), (17, 19)), ((2, 30, 9), (2, 9, 5))]
)
@pytest.mark.parametrize("name", TILED)
def test_each_algorithm_gives_numpys_values(name: str, shapes: tuple[tuple[int, ...], ...], dtype: str) -> None:
    generator = np.random.default_rng(3)
    a, b = (cnp.asarray(generator.standard_normal(shape).astype(dtype)) for shape in shapes)
    value = cnp.evaluate(a @ b, backend="mosaic", algorithms={"matmul": name})
    tolerance = 1e-5 if dtype == "float32" else 1e-13
    np.testing.assert_allclose(value, cnp.evaluate(a) @ cnp.evaluate(b), rtol=tolerance, atol=tolerance * 10)


def test_a_transposed_operand_is_read_in_place_after_a_copy() -> None:
    generator = np.random.default_rng(4)
    a, b = (cnp.asarray(generator.standard_normal(shape)) for shape in ((5, 64), (48, 64)))
    value = cnp.evaluate(a @ b.T, backend="mosaic", algorithms={"matmul": "small-m"})
    np.testing.assert_allclose(value, cnp.evaluate(a) @ cnp.evaluate(b).T, rtol=1e-13)


@pytest.mark.parametrize("shapes", [((1, 70), (70, 50)), ((30, 70), (70, 1)), ((70,), (70, 50)), ((30, 70), (70,))])
def test_gemv_takes_vectors_and_is_the_default_for_them(shapes: tuple[tuple[int, ...], ...]) -> None:
    generator = np.random.default_rng(6)
    a, b = (cnp.asarray(generator.standard_normal(shape).astype("float32")) for shape in shapes)
    compiled = mosaic.compile(a @ b, inputs=[a, b])
    assert [each.algorithm.name for each in compiled.algorithms] == ["gemv"]
    for name in ("gemv", "gemm"):
        value = mosaic.compile(a @ b, inputs=[a, b], algorithms={"matmul": name})(cnp.evaluate(a), cnp.evaluate(b))
        np.testing.assert_allclose(value, cnp.evaluate(a) @ cnp.evaluate(b), rtol=1e-4, atol=1e-5)


def _code(text: str) -> str:
    return re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)


def test_the_c_of_the_algorithms_differs() -> None:
    a, b = cnp.ones((64, 96), dtype="float32"), cnp.ones((96, 80), dtype="float32")
    texts = {_code(c_text(a @ b, inputs=[a, b], algorithms={"matmul": name})) for name in ("small-m", TILED[2])}
    few, b = cnp.ones((1, 96), dtype="float32"), cnp.ones((80, 96), dtype="float32")
    texts |= {_code(c_text(few @ b.T, inputs=[few, b], algorithms={"matmul": name})) for name in ("gemm", "gemv")}
    assert len(texts) == 4


def test_integers_have_sums() -> None:
    a, b = cnp.asarray(np.arange(6).reshape(2, 3)), cnp.asarray(np.arange(12).reshape(3, 4))
    compiled = mosaic.compile(a @ b, inputs=[a, b])
    assert [each.algorithm.name for each in compiled.algorithms] == ["sums"]
