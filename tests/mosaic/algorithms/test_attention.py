"""Attention fused or unfused, by the user's word, and what explain says of it."""

import numpy as np
import pytest

import composit as cnp
import mosaic
from composit.errors import UnsupportedAlgorithmError
from composit.numpy import LazyTensor


def attention(x: LazyTensor) -> tuple[LazyTensor, LazyTensor]:
    """The result, and its weights."""
    scores = (x * 0.5) @ cnp.swapaxes(x, -1, -2)
    weights = cnp.nn.softmax(scores, axis=-1)
    return weights @ x, weights


def sample() -> LazyTensor:
    return cnp.asarray(np.random.default_rng(1).standard_normal((2, 4, 33, 16)).astype("float32"))


def kinds(compiled: mosaic.CompiledModel) -> list[str]:
    return [each.algorithm.name for each in compiled.algorithms if each.occurrence.operation == "attention"]


@pytest.mark.parametrize(("name", "products_of_a_kernel"), [("fused", 2), ("unfused", 1), ("guess", 2)])
def test_the_name_decides_how_many_products_a_kernel_has(name: str, products_of_a_kernel: int) -> None:
    x = sample()
    output, _ = attention(x)
    compiled = mosaic.compile(output, inputs=[x], algorithms={"attention": name})
    assert kinds(compiled) == ["fused" if name == "guess" else name]
    assert max(kernel.operations.count("matmul") for kernel in compiled.kernels) == products_of_a_kernel
    np.testing.assert_allclose(compiled(cnp.evaluate(x)), cnp.evaluate(output), rtol=1e-5, atol=1e-5)
    assert f"attention by {'fused' if name == 'guess' else name}" in compiled.explain()


def test_weights_that_are_an_output_cannot_be_fused() -> None:
    x = sample()
    outputs = attention(x)
    assert kinds(mosaic.compile(outputs, inputs=[x])) == ["unfused"]
    with pytest.raises(UnsupportedAlgorithmError, match="'fused' was asked for attention .* other readers"):
        mosaic.compile(outputs, inputs=[x], algorithms={"attention": "fused"})
    with pytest.raises(UnsupportedAlgorithmError, match="'fused' was asked for attention"):
        cnp.evaluate(*outputs, backend="mosaic", algorithms={"attention": "fused"})


def test_a_row_that_is_too_long_is_named() -> None:
    x = cnp.zeros((2, 4100, 8), dtype="float32")
    output, _ = attention(x)
    with pytest.raises(UnsupportedAlgorithmError, match="a row of 4100 scores is longer than the 4096"):
        mosaic.compile(output, inputs=[x], algorithms={"attention": "fused"})
    assert kinds(mosaic.compile(output, inputs=[x])) == ["unfused"]


def test_products_without_rows_between_them_are_no_attention() -> None:
    x = sample()
    assert not kinds(mosaic.compile(x @ cnp.swapaxes(x, -1, -2), inputs=[x]))
    y = cnp.ones((5, 5), dtype="float32")
    assert not kinds(mosaic.compile(cnp.nn.softmax(y @ y, axis=-1) @ y, inputs=[y]))
