"""The printer: golden text, exact constants, and what compilers say to it."""

import ctypes
import math
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from mosaic import c

i, j, k, x = (c.Name(name) for name in ("i", "j", "k", "x"))


def text(expression: c.Expression) -> str:
    return c.expression_text(expression)


def sample_unit() -> c.TranslationUnit:
    """A file that uses every kind of record once."""
    source, target = c.Name("source"), c.Name("target")
    body = (
        c.Comment("Sums rows; */ cannot end this comment."),
        c.loop(
            "i",
            c.Name("rows"),
            c.Declare(c.float32, "sum", c.literal(-0.0, "float")),
            c.loop("j", 8, c.AugmentedAssign(c.Name("sum"), "+", source[i * 8 + j] * c.Name("table")[j])),
            c.If(
                c.logical_and(c.Name("sum") > 0, c.not_equal(i, 3)),
                (c.Assign(target[i], c.Name("sum")),),
                (c.Assign(target[i], c.Call("negated", (c.Name("sum"),))),),
            ),
        ),
        c.Return(),
    )
    parameters = (
        c.Parameter(c.int64, "rows"),
        c.Parameter(c.const_pointer(c.float32, is_restrict=True), "source"),
        c.Parameter(c.pointer(c.float32, is_restrict=True), "target"),
    )
    negated = c.Function(
        "negated",
        c.float32,
        (c.Parameter(c.float32, "x"),),
        (c.Return(-x),),
        is_static=True,
        is_inline=True,
        attributes=("always_inline",),
    )
    table = c.Global(
        c.ArrayType(c.const(c.float32), 8),
        "table",
        c.InitializerList(tuple(c.literal(v / 10, "float") for v in range(8))),
    )
    vector = c.Typedef("f32x4", c.float32, ("vector_size(16)",))
    total = c.Function("total", c.void, parameters, body, comment="Weighted row sums.\nrows x 8 -> rows")
    return c.TranslationUnit((c.Include("stdint.h"), vector, table, negated, total), "A sample.")


golden_sample = """\
/* A sample. */

#include <stdint.h>

typedef float f32x4 __attribute__((vector_size(16)));

static const float table[8] = {0.0f, 0.1f, 0.2f, 0.3f, 0.4f, 0.5f, 0.6f, 0.7f};

static inline __attribute__((always_inline)) float negated(float x) {
    return -x;
}

/* Weighted row sums.
 * rows x 8 -> rows */
void total(int64_t rows, const float *restrict source, float *restrict target) {
    /* Sums rows; * / cannot end this comment. */
    for (int64_t i = 0; i < rows; ++i) {
        float sum = -0.0f;
        for (int64_t j = 0; j < 8; ++j) {
            sum += source[i * 8 + j] * table[j];
        }
        if (sum > 0 && i != 3) {
            target[i] = sum;
        } else {
            target[i] = negated(sum);
        }
    }
    return;
}
"""


def test_a_file_prints_as_the_approved_text() -> None:
    assert c.unit_text(sample_unit()) == golden_sample


def test_the_sample_compiles_without_warnings_and_runs(tmp_path: Path) -> None:
    compiler = shutil.which("gcc") or shutil.which("cc")
    assert compiler is not None
    source, library = tmp_path / "sample.c", tmp_path / "sample.so"
    source.write_text(c.unit_text(sample_unit()))
    flags = ["-std=c11", "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    subprocess.run([compiler, *flags, "-o", str(library), str(source)], check=True)
    values = np.arange(32, dtype=np.float32)
    result = np.empty(4, np.float32)
    pointer = np.ctypeslib.ndpointer(np.float32)
    function = ctypes.CDLL(str(library)).total
    function.argtypes = [ctypes.c_int64, pointer, pointer]
    function.restype = None
    function(4, values, result)
    expected = values.reshape(4, 8) @ (np.arange(8) / 10).astype(np.float32)
    expected[3] *= -1
    np.testing.assert_allclose(result, expected, rtol=1e-6)  # eight roundings


def test_index_arithmetic_is_folded_while_building() -> None:
    assert text(0 + i) == "i"
    assert text(1 * i) == "i"
    assert text(i * 0) == "0"
    assert text((i + 3) + 4) == "i + 7"
    assert text((i + 3) - 3) == "i"
    assert text(i * 4 * 16 + j) == "i * 64 + j"
    assert text(c.literal(7) / 2) == "3"
    assert text(i / 1) == "i"
    assert text(i % 1) == "0"
    assert text(c.minimum(4, 3)) == "3"
    assert text(c.address_of(x[0])) == "x"


def test_floating_arithmetic_is_never_folded() -> None:
    zero, one = c.literal(0.0, "float"), c.literal(1.0, "float")
    assert text(zero + x) == "0.0f + x"
    assert text(x * one) == "x * 1.0f"


def test_parentheses_stand_only_where_they_are_needed() -> None:
    assert text((i + j) * k) == "(i + j) * k"
    assert text(i + j * k) == "i + j * k"
    assert text(i - (j - k)) == "i - (j - k)"
    assert text(x + (j + k)) == "x + (j + k)"
    assert text(-(i + j)) == "-(i + j)"
    assert text(c.Unary("-", -i)) == "-(-i)"
    assert text((i + j)[k]) == "(i + j)[k]"
    assert text(c.Cast(c.float32, i + j)) == "(float)(i + j)"
    assert text(c.Conditional(i < j, i, j) + 1) == "(i < j ? i : j) + 1"


def test_a_chain_of_conditions_is_not_indented_ever_deeper() -> None:
    chain = c.If(i < 1, (c.Break(),), (c.If(i < 2, (c.Continue(),), (c.Return(),)),))
    expected = "if (i < 1) {\n    break;\n} else if (i < 2) {\n    continue;\n} else {\n    return;\n}\n"
    assert c.statement_text(chain) == expected


def test_a_conditional_bound_of_a_loop_is_parenthesised() -> None:
    printed = c.statement_text(c.loop("i", c.minimum(j, k), c.Continue()))
    assert printed.startswith("for (int64_t i = 0; i < (j < k ? j : k); ++i) {")


def test_mixed_operators_that_compilers_warn_about_are_parenthesised() -> None:
    assert text(c.logical_or(c.logical_and(i, j), k)) == "(i && j) || k"
    assert text(c.logical_and(i < j, j < k)) == "i < j && j < k"
    assert text((i + j) << k) == "(i + j) << k"
    assert text((i & j) | k) == "(i & j) | k"
    assert text(c.equal(i & j, k)) == "(i & j) == k"
    assert text(c.equal(i < j, k)) == "(i < j) == k"


@pytest.mark.parametrize("value", [0.1, 1.0, 1e-45, 3.4028235e38, 2.0**-149, -0.0, 16777217.0, 1 / 3])
def test_float_constants_read_back_as_the_same_bits(value: float) -> None:
    for ctype, dtype in (("float", np.float32), ("double", np.float64)):
        printed = text(c.literal(value, ctype)).removesuffix("f")
        assert dtype(printed).tobytes() == dtype(value).tobytes()


def test_constants_without_a_decimal_form_print_as_builtins() -> None:
    assert text(c.literal(math.nan, "float")) == '__builtin_nanf("")'
    assert text(c.literal(-math.inf, "double")) == "-__builtin_inf()"
    assert text(c.literal(math.inf, "float")) == "__builtin_inff()"
    assert text(c.literal(-(2**63), "int64_t")) == "-9223372036854775807LL - 1"
    assert text(c.literal(2**40)) == "1099511627776LL"


def test_constants_of_opposite_zeros_are_different_records() -> None:
    assert c.literal(0.0) != c.literal(-0.0)
    assert c.literal(math.nan) == c.literal(math.nan)


def test_declarations_nest_inside_out() -> None:
    task = c.Pointer(c.FunctionType(c.void, (c.pointer(c.void), c.int64)))
    assert c.declaration_text(task, "task") == "void (*task)(void *, int64_t)"
    assert c.declaration_text(c.ArrayType(c.ArrayType(c.float32, 4), 7), "a") == "float a[7][4]"
    assert c.declaration_text(c.Pointer(c.ArrayType(c.float32, 4)), "p") == "float (*p)[4]"
    assert c.declaration_text(c.Pointer(c.const(c.float32), True, True)) == "const float *const restrict"


def test_an_expression_has_no_truth_value_in_python() -> None:
    with pytest.raises(TypeError, match="no truth value in Python"):
        bool(i < j)


def test_a_name_that_is_no_identifier_is_refused() -> None:
    for name in ("a b", "for", "1x", "x->y", ""):
        with pytest.raises(ValueError, match="is not a C identifier"):
            c.Name(name)


def test_a_constant_of_an_unknown_type_is_refused() -> None:
    with pytest.raises(ValueError, match="no constant of type 'f32x16'"):
        c.literal(1.0, "f32x16")
    with pytest.raises(ValueError, match="expected an integer"):
        c.literal(1.5, "int64_t")


def test_a_record_without_text_is_refused() -> None:
    with pytest.raises(TypeError, match="no C text"):
        c.expression_text(c.Expression())
    with pytest.raises(TypeError, match="no C text"):
        c.statement_text(c.Statement())
    with pytest.raises(TypeError, match="no C text"):
        c.declaration_item_text(c.TopLevel())
    with pytest.raises(TypeError, match="no C type"):
        c.declaration_text(c.CType())


def test_long_signatures_and_tables_are_broken_over_lines() -> None:
    parameters = tuple(c.Parameter(c.const_pointer(c.float32), f"operand_{n}") for n in range(8))
    printed = c.declaration_item_text(c.Function("long_one", c.void, parameters, None))
    assert printed.splitlines()[:2] == ["void long_one(", "    const float *operand_0,"]
    values = c.InitializerList(tuple(c.literal(n) for n in range(100)))
    printed = c.declaration_item_text(c.Global(c.ArrayType(c.int_, 100), "values", values))
    assert all(len(line) <= 120 for line in printed.splitlines())
    assert printed.startswith("static int values[100] = {\n    0, 1, 2,")
