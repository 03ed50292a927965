"""Algorithms of users: C functions and lowerings, registered, compared with numpy, chosen by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import composit as cnp
import mosaic
from composit.errors import AlgorithmError, CompileError, OperandError, ParameterError, UnsupportedAlgorithmError
from mosaic.algorithms import c_sizes, register, unregister
from mosaic.algorithms.registry import custom_of, is_own
from mosaic.ir.expressions import Apply, literal

TWICE = """
static void twice(const float *x, float *result, const mosaic_elements *sizes, int64_t part, int64_t num_parts) {
    for (int64_t i = part; i < sizes->count; i += num_parts) result[i] = FACTOR * (x[i] > 0 ? x[i] : 0);
}
"""
PRODUCT = """
static void product(const REAL *left, const REAL *right, REAL *result, const mosaic_product *s, int64_t part, int64_t num_parts) {
    for (int64_t b = part; b < s->batch; b += num_parts) {
        const REAL *a = left + b * s->left_step * s->rows * s->depth, *c = right + b * s->right_step * s->depth * s->columns;
        for (int64_t i = 0; i < s->rows; i++)
            for (int64_t j = 0; j < s->columns; j++) {
                REAL sum = 0;
                for (int64_t k = 0; k < s->depth; k++) sum += a[i * s->depth + k] * c[k * s->columns + j];
                result[(b * s->rows + i) * s->columns + j] = sum;
            }
    }
}
"""
POOLING = """
static void pool(const double *x, double *result, const mosaic_pooling *s, int64_t part, int64_t num_parts) {
    const int64_t *n = s->lengths, *p = s->positions, *k = s->kernel;
    for (int64_t i = 0; i < s->outer * p[0] * p[1] * p[2]; i++) {
        const int64_t c = i % p[2] * s->strides[2], b = i / p[2] % p[1] * s->strides[1];
        const int64_t a = i / (p[1] * p[2]) % p[0] * s->strides[0], outer = i / (p[0] * p[1] * p[2]);
        double found = START;
        for (int64_t t = 0; t < k[0] * k[1] * k[2]; t++) {
            const int64_t at = a + t / (k[1] * k[2]) * s->dilation[0], bt = b + t / k[2] % k[1] * s->dilation[1];
            const double each = x[((outer * n[0] + at) * n[1] + bt) * n[2] + c + t % k[2] * s->dilation[2]];
            found = JOINED;
        }
        result[i] = found;
    }
}
"""


@pytest.fixture
def registering() -> Iterator[Callable[..., mosaic.Algorithm]]:
    """Register algorithms in C that are forgotten after the test."""
    made: list[mosaic.Algorithm] = []

    def c_algorithm(*args: Any, **kwargs: Any) -> mosaic.Algorithm:
        made.append(mosaic.c_algorithm(*args, **kwargs))
        return made[-1]

    yield c_algorithm
    for each in made:
        unregister(each)


def test_a_function_in_c_computes_by_its_name_and_as_custom(registering: Callable[..., mosaic.Algorithm]) -> None:
    twice = registering("relu", "twice", TWICE.replace("FACTOR", "2"), "twice", num_parts=3)
    x = cnp.asarray(np.array([-1.0, 2.0, 3.0], "float32"))
    y = cnp.nn.relu(x * 1) + 1
    for name in ("twice", "custom"):
        model = mosaic.compile(y, inputs=[x], algorithms={"relu": name})
        np.testing.assert_array_equal(model(np.array([5.0, -6.0, 7.0], "float32")), [11, 1, 15])
    assert "static void twice(" in model.source
    assert "relu by twice" in model.explain()
    np.testing.assert_array_equal(cnp.evaluate(y, backend="mosaic", algorithms={"relu": "twice"}), [1, 5, 7])
    np.testing.assert_array_equal(cnp.evaluate(y, backend="mosaic"), [1, 3, 4])
    with pytest.raises(AlgorithmError, match=r"'twice' is wrong for Relu.*float32.*numpy in float64"):
        mosaic.check_algorithm(twice, num_cases=5, dtypes=["float32"])


def test_another_text_under_the_same_name_counts_at_once(registering: Callable[..., mosaic.Algorithm]) -> None:
    x = cnp.asarray(np.array([-1.0, 2.0], "float32"))
    for factor in (2, 3, 2):
        registering("relu", "scaled", TWICE.replace("FACTOR", str(factor)), "twice")
        value = cnp.evaluate(cnp.nn.relu(x), backend="mosaic", algorithms={"relu": "scaled"})
        np.testing.assert_array_equal(value, [0, 2 * factor])


def test_products_in_c_agree_with_numpy(registering: Callable[..., mosaic.Algorithm], tmp_path: Path) -> None:
    file = tmp_path / "products.c"
    single, double = (PRODUCT.replace("REAL", each).replace("product(", f"p_{each}(") for each in ("float", "double"))
    file.write_text(f"#include <stdint.h>\n{single}\n{double}")
    functions = {"float32": "p_float", "float64": "p_double"}
    found = mosaic.check_algorithm(registering("matmul", "mine", file, functions, num_parts=2), num_cases=30)
    assert found.num_cases + found.num_refused == 60
    assert found.num_cases > 40
    assert set(found.errors) == {"float32", "float64"}
    assert "cases agree with numpy" in str(found)


@pytest.mark.parametrize(
    ("operation", "start", "joined"),
    [("max_pool2d", "-INFINITY", "found > each ? found : each"), ("avg_pool3d", "0", "found + each")],
)
def test_pooling_in_c_agrees_with_numpy(
    operation: str, start: str, joined: str, registering: Callable[..., mosaic.Algorithm]
) -> None:
    text = "#include <math.h>\n" + POOLING.replace("START", start).replace("JOINED", joined)
    own = registering(operation, "mine", text, {"float64": "pool"})
    assert mosaic.check_algorithm(own, num_cases=20, dtypes=["float64"]).num_cases == 20
    with pytest.raises(ParameterError, match=r"takes none of 5 random cases.*in C are for float64"):
        mosaic.check_algorithm(own, num_cases=5, dtypes=["float32"])


def test_parts_that_write_to_the_same_places_are_found(registering: Callable[..., mosaic.Algorithm]) -> None:
    # Each of many parts adds 1 to each element: what comes out depends on the order and on what was there.
    text = """
    static void wrong(const double *x, double *result, const mosaic_elements *sizes, int64_t part, int64_t num_parts) {
        for (int64_t i = 0; i < sizes->count; i++) result[i] = x[i] > 0 ? x[i] + (double)(part == num_parts - 1) * 1e-9 : 0;
    }"""
    with pytest.raises(AlgorithmError):
        mosaic.check_algorithm(registering("relu", "racing", text, {"float64": "wrong"}, num_parts=2), num_cases=10)


def test_a_case_that_c_cannot_take_says_why(registering: Callable[..., mosaic.Algorithm]) -> None:
    registering("matmul", "mine", PRODUCT.replace("REAL", "float"), "product", why_not=lambda case: "it is Monday")
    x = cnp.asarray(np.ones((2, 2), "float32"))
    for output, words in (
        (x @ x, "it is Monday"),
        (cnp.astype(x, "float64") @ x, "its functions in C are for float32"),
        (cnp.ones((2, 1, 2, 2), "float32") @ cnp.ones((3, 2, 2), "float32"), "its batch is broadcast"),
    ):
        made = (
            output
            if words != "its batch is broadcast"
            else cnp.ones((2, 1, 2, 2), "float32") @ (x * cnp.ones((3, 1, 1), "float32"))
        )
        with pytest.raises(UnsupportedAlgorithmError, match=words):
            cnp.evaluate(made, backend="mosaic", algorithms={"matmul": "mine"})


def test_c_that_does_not_compile_shows_the_compilers_words(registering: Callable[..., mosaic.Algorithm]) -> None:
    registering("relu", "broken", "static void broken(const float *x) { no such words; }", "broken")
    with pytest.raises(CompileError, match="error:"):
        cnp.evaluate(cnp.nn.relu(cnp.asarray(np.ones(3, "float32"))), backend="mosaic", algorithms={"relu": "broken"})


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (("conv9d", "mine", TWICE, "twice"), ParameterError, "'conv9d' was given.*expected one of.*conv2d"),
        (("relu", "mine", TWICE, "thrice"), ParameterError, "the function 'thrice'.*does not define it"),
        (("relu", "mine", TWICE, {"int32": "twice"}), ParameterError, "for 'int32'.*expected dtypes among"),
        (("relu", "mine", TWICE, {}), OperandError, "expected the name of a C function"),
        (("relu", "mine", "twice.c", "twice"), ParameterError, r"for a file write pathlib.Path"),
        (("relu", "mine", 3, "twice"), OperandError, "the source 3 of type int"),
        (("relu", "mine", Path("nowhere.c"), "twice"), FileNotFoundError, "nowhere.c"),
        (("relu", "direct", TWICE, "twice"), ParameterError, "not taken"),
    ],
)
def test_what_is_no_algorithm_is_refused_at_the_call(arguments: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        mosaic.c_algorithm(*arguments)


def test_a_number_of_parts_is_checked(registering: Callable[..., mosaic.Algorithm]) -> None:
    registering("relu", "parts", TWICE.replace("FACTOR", "1"), "twice", num_parts=lambda *case: 0)
    with pytest.raises(ParameterError, match="num_parts gave 0"):
        cnp.evaluate(cnp.nn.relu(cnp.asarray(np.ones(3, "float32"))), backend="mosaic", algorithms={"relu": "parts"})


def test_a_lowering_in_python_is_an_algorithm() -> None:
    @mosaic.algorithm("relu", "by maximum", is_default=False)
    def by_maximum(operation: Any, context: Any) -> Any:
        """A maximum with 0."""
        (kind,) = context.types
        x = context.load(0, kind.shape, kind.dtype)
        return (context.computed(Apply("maximum", (x, literal(0, kind.dtype)), kind.dtype)),)

    try:
        assert by_maximum.summary == "A maximum with 0."
        assert mosaic.check_algorithm(by_maximum, num_cases=8).num_cases == 16
        assert mosaic.check_algorithm("by maximum", "relu", num_cases=3).operation == "relu"
    finally:
        unregister(by_maximum)
    with pytest.raises(ParameterError, match="not registered"):
        mosaic.check_algorithm(by_maximum)
    with pytest.raises(ParameterError, match="of which no random cases are known"):
        mosaic.check_algorithm("fused", "attention")


def test_mosaics_own_algorithms_are_its_own_and_none_of_them_is_custom() -> None:
    from mosaic.algorithms import operations

    every = {
        (operation, name): each for operation in operations() for name, each in mosaic.algorithms_of(operation).items()
    }
    assert [key for key, each in every.items() if not is_own(each)] == []
    assert {custom_of(operation) for operation in operations()} == {None}


def test_the_page_shows_the_structs_as_they_are() -> None:
    page = (Path(mosaic.__file__).parents[1] / "docs" / "own_algorithms.md").read_text()
    for text in (c_sizes.CONVOLUTION, c_sizes.POOLING, c_sizes.PRODUCT, c_sizes.ELEMENTS):
        assert text in page
    assert register is not None


@pytest.mark.parametrize("name", ["small-m", "gemm packed once"])
def test_cases_have_constant_operands_and_inputs(name: str) -> None:
    # The first takes a right operand that is an input, the second one that is a constant.
    found = mosaic.check_algorithm(name, "matmul", num_cases=12, dtypes=["float32"])
    assert found.num_cases > 2
    assert found.num_refused > 2
