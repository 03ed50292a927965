"""precision="bfloat16": rounded operands, float32 sums, only where it was asked for."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import composit as cnp
import mosaic
from composit.errors import ParameterError, UnsupportedAlgorithmError
from composit.program import build_program
from composit.value import value_of
from mosaic.ir.views import Buffer, BufferKind, dense_view
from mosaic.targets import detect, for_bfloat16
from mosaic.targets.detection import _cpuinfo, _parse_features, _read
from mosaic.targets.table import with_bfloat16
from mosaic.tiling.pairs import PairPacking, bits_of
from tests.mosaic.c_text import c_text
from tests.sampling import one_in

HERE = [
    each.name
    for each in with_bfloat16
    if _parse_features(_read(_cpuinfo)).issuperset(each.required_features) and each.march == detect().march
]
here = pytest.mark.skipif(not HERE, reason="this processor multiplies no bfloat16: there is an error, tested below")


def rounded(array: np.ndarray) -> np.ndarray:
    """The nearest bfloat16, as float32."""
    return (bits_of(array).astype(np.uint32) << np.uint32(16)).view(np.float32)


def test_numbers_are_rounded_to_the_nearest_and_ties_to_even() -> None:
    given_values = np.array([1.0, 1.00390625, 1.01171875, 1.0 + 2.0**-7, -0.0, np.inf, -np.inf, 3.4e38], "float32")
    expected = np.array([1.0, 1.0, 1.015625, 1.0 + 2.0**-7, -0.0, np.inf, -np.inf, np.inf], "float32")
    result = rounded(given_values)
    np.testing.assert_array_equal(result, expected)
    assert np.signbit(result[4])
    assert np.isnan(rounded(np.array([0x7F800001], np.uint32).view(np.float32)))[0]


@pytest.mark.parametrize("shape", [(32, 32), (33, 31), (1, 40), (70, 65), (64, 5)])
def test_panels_hold_pairs_of_rows_and_zeros(shape: tuple[int, int]) -> None:
    matrix = np.random.default_rng(7).standard_normal(shape).astype("float32")
    packing = PairPacking(dense_view(Buffer(BufferKind.CONSTANT, 0, matrix.size, matrix.dtype), shape), 32, 0)
    panels = np.full(packing.shape, 7, np.uint16)
    packing.fill(panels.reshape(-1), matrix)
    whole = np.zeros((packing.shape[1] * 2, packing.shape[0] * 32), np.uint16)
    whole[: shape[0], : shape[1]] = bits_of(matrix)
    expected = whole.reshape(packing.shape[1], 2, packing.shape[0], 32).transpose(2, 0, 3, 1)
    np.testing.assert_array_equal(panels, expected)


@here
@pytest.mark.parametrize("target", one_in(2, HERE))
@given(
    rows=st.integers(1, 70),
    depth=st.integers(1, 100),
    columns=st.integers(1, 80),
    batch=st.sampled_from([(), (3,), (2, 2)]),
    is_constant=st.booleans(),
    is_transposed=st.booleans(),
)
@settings(max_examples=12, deadline=None)
def test_products_are_those_of_rounded_operands(
    target: str, rows: int, depth: int, columns: int, batch: tuple[int, ...], is_constant: bool, is_transposed: bool
) -> None:
    generator = np.random.default_rng(rows * depth + columns)
    a = generator.standard_normal((*batch, rows, depth)).astype("float32")
    b = generator.standard_normal((columns, depth) if is_transposed else (depth, columns)).astype("float32")
    left, right = cnp.asarray(a), cnp.asarray(b)
    output = cnp.maximum(left @ (right.T if is_transposed else right) + 0.5, 0)
    inputs = [left] if is_constant else [left, right]
    compiled = mosaic.compile(output, inputs=inputs, target=target, precision="bfloat16")
    assert [each.algorithm.name for each in compiled.algorithms] == ["gemm bfloat16"]
    value = compiled(*([a] if is_constant else [a, b]))
    matrix = b.T if is_transposed else b
    exact = rounded(a).astype("float64") @ rounded(matrix).astype("float64")
    np.testing.assert_allclose(value, np.maximum(exact + 0.5, 0), rtol=1e-5, atol=1e-5)
    # What the algorithm states of its error, against the operands as they were.
    magnitudes = np.abs(a).astype("float64") @ np.abs(matrix)
    difference = np.abs(value - np.maximum(a.astype("float64") @ matrix + 0.5, 0))
    assert (difference <= 2.0**-7 * 1.01 * magnitudes + 1e-6).all()


@here
def test_attention_stays_float32_and_layers_do_not() -> None:
    generator = np.random.default_rng(8)
    x = cnp.asarray(generator.standard_normal((2, 4, 40, 32)).astype("float32"))
    weight = cnp.asarray(generator.standard_normal((32, 32)).astype("float32"))
    hidden = x @ weight
    scores = cnp.nn.softmax(hidden @ cnp.swapaxes(hidden, -1, -2), axis=-1)
    output = scores @ x
    compiled = mosaic.compile(output, inputs=[x], precision="bfloat16")
    assert [each.algorithm.name for each in compiled.algorithms] == ["gemm bfloat16", "gemm", "gemm", "fused"]
    np.testing.assert_allclose(compiled(cnp.evaluate(x)), cnp.evaluate(output), rtol=0.2, atol=0.1)


@here
def test_the_bits_do_not_depend_on_threads_and_a_pickled_model_computes_the_same() -> None:
    generator = np.random.default_rng(9)
    x = cnp.asarray(generator.standard_normal((130, 200)).astype("float32"))
    output = x @ generator.standard_normal((200, 300)).astype("float32")
    one, two = (mosaic.compile(output, inputs=[x], precision="bfloat16", num_threads=count) for count in (1, 2))
    value = cnp.evaluate(x)
    np.testing.assert_array_equal(one(value), two(value))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(one))(value), one(value))


@here
def test_the_backend_takes_a_precision() -> None:
    generator = np.random.default_rng(10)
    a, b = (cnp.asarray(generator.standard_normal((40, 40)).astype("float32")) for _ in range(2))
    value = cnp.evaluate(a @ b, backend=mosaic.MosaicBackend(precision="bfloat16"))
    exact = rounded(cnp.evaluate(a)).astype("float64") @ rounded(cnp.evaluate(b)).astype("float64")
    np.testing.assert_allclose(value, exact, rtol=1e-5, atol=1e-5)
    assert np.abs(value - cnp.evaluate(a @ b)).max() > 1e-3


@here
def test_backends_of_different_precision_are_told_apart() -> None:
    x = cnp.asarray(np.ones(3, "float32"))
    output = cnp.nn.relu(x)  # with the same choices for both
    plain, rounding = (
        mosaic.MosaicBackend(algorithms="guess", precision=precision) for precision in ("float32", "bfloat16")
    )
    program = build_program([value_of(output)], ()).program
    assert plain.for_program(program, ()) is not rounding.for_program(program, ())


def test_nothing_is_rounded_unless_asked_for() -> None:
    a, b = cnp.ones((40, 40), dtype="float32"), cnp.ones((40, 40), dtype="float32")
    assert "bf16" not in mosaic.compile(a @ b, inputs=[a]).source
    with pytest.raises(UnsupportedAlgorithmError, match="precision='bfloat16' was not asked for"):
        mosaic.compile(a @ b, inputs=[a], algorithms={"matmul": "gemm bfloat16"})


def test_a_precision_that_there_is_not_is_an_error() -> None:
    a = cnp.ones((4, 4), dtype="float32")
    with pytest.raises(ParameterError, match="precision: 'float16' was given; expected 'float32', or 'bfloat16'"):
        mosaic.compile(a @ a, inputs=[a], precision="float16")
    with pytest.raises(ParameterError, match="precision: 'half' was given"):
        mosaic.MosaicBackend(precision="half")
    with pytest.raises(ParameterError, match="neither AMX-BF16 nor AVX512-BF16"):
        mosaic.compile(a @ a, inputs=[a], target="generic", precision="bfloat16")


@pytest.mark.parametrize("target", with_bfloat16, ids=lambda each: each.name)
def test_c_is_emitted_for_other_processors(target: mosaic.targets.Target) -> None:
    a, b = cnp.ones((40, 40), dtype="float32"), cnp.ones((40, 40), dtype="float32")
    instruction = {"tiles": "tdpbf16ps", "pairs": "vdpbf16ps"}[target.bfloat16]
    assert instruction in c_text(a @ b, inputs=[a, b], target=target.name)
    assert for_bfloat16(target) is target
