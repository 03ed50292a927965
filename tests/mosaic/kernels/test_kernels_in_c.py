"""Kernels in C: the values of numpy, the errors of asserts, and the text."""

import math

import numpy as np
import pytest

import composit.numpy as cnp
import mosaic
from composit.apply import apply
from composit.errors import KernelAssertionError
from composit.kernels import register
from composit.kernels.operation import KernelCall
from tests.composit.kernels.examples import EXAMPLES, drawn
from tests.composit.kernels.random_programs import compiled, written


def all_results(dtype: str) -> list[cnp.ndarray]:
    """Return the values and first and second derivatives of all examples, to be compiled as one program."""
    results: list[cnp.ndarray] = []
    for function in EXAMPLES:
        arguments = [each.astype(dtype) if each.dtype.kind == "f" else each for each in drawn(function, 300)]
        unit = register(function).unit
        kinds = [each.value for each in unit.unit.entry.results]
        ones = [np.ones(300, dtype)] * kinds.count("float")
        calls = [(unit, []), (unit.vjp(), ones), (unit.jvp, ones[:1]), (unit.vjp().vjp(), [*ones, ones[0]])]
        for each, more in calls:
            made = apply(KernelCall(each), *arguments, *more)
            results += made if isinstance(made, tuple) else (made,)
    return results


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-11), ("float32", 2e-3)])
def test_values_and_derivatives_are_those_of_numpy(dtype: str, tolerance: float) -> None:
    results = all_results(dtype)
    with np.errstate(all="ignore"):
        expected = cnp.evaluate(*results)
    computed = cnp.evaluate(*results, backend="mosaic")
    for one, other in zip(computed, expected, strict=True):
        assert one.dtype == other.dtype
        # An element whose condition is decided by the last bit of a function goes another way.
        near = np.isclose(one, other, rtol=tolerance, atol=tolerance * max(1, np.abs(other).max()), equal_nan=True)
        assert near.mean() >= (1 if dtype == "float64" else 0.98)


def test_random_programs_compute_the_same() -> None:
    rng = np.random.default_rng(3)
    arguments = rng.uniform(-2, 2, 200), rng.uniform(-2, 2, 200), rng.integers(0, 5, 200)
    results = []
    for seed in range(1000, 1006):
        unit = register(compiled(written(seed), f"in C {seed}")).unit
        results += [apply(KernelCall(unit), *arguments), *apply(KernelCall(unit.vjp()), *arguments, 1.0)]
    expected, computed = cnp.evaluate(*results), cnp.evaluate(*results, backend="mosaic")
    for one, other in zip(computed, expected, strict=True):
        assert np.isclose(one, other, rtol=1e-9, atol=1e-9).mean() > 0.98


def test_a_kernel_without_loops_is_fused_with_its_neighbours() -> None:
    @register
    def hinge(x: float) -> float:
        if x < 0:
            return 0.1 * x
        return x

    x = cnp.asarray(np.linspace(-1, 1, 100))
    model = mosaic.compile(hinge(x * 2) + 1, inputs=[x])
    (stage,) = [each for each in mosaic.stages(hinge(x * 2) + 1, inputs=[x]) if each.name == "fuse_rows"]
    assert str(stage).count("\nfor ") + str(stage).startswith("for ") == 1
    np.testing.assert_array_equal(
        model(x.numpy() if hasattr(x, "numpy") else np.linspace(-1, 1, 100)), cnp.evaluate(hinge(x * 2) + 1)
    )


def test_operands_that_broadcast_or_lie_otherwise_are_read_in_order() -> None:
    @register
    def counted(x: float, n: int) -> float:
        for i in range(n):
            x = x * 0.5 + i
        return x

    x = cnp.asarray(np.arange(12.0).reshape(3, 4)).T
    y = counted(x, np.arange(3, dtype=np.int32)) + counted(x, 2)
    np.testing.assert_array_equal(cnp.evaluate(y, backend="mosaic"), cnp.evaluate(y))
    assert cnp.evaluate(counted(1.0, np.int64(3)), backend="mosaic") == cnp.evaluate(counted(1.0, np.int64(3)))
    assert cnp.evaluate(counted(np.ones((0, 2)), 1), backend="mosaic").shape == (0, 2)


def test_an_assert_raises_with_its_line() -> None:
    @register
    def checked(x: float) -> float:
        assert x < 5, "too large"
        assert x > 0, "x must be positive"
        return math.log(x)

    assert cnp.evaluate(checked(np.array([1.0])), backend="mosaic") == 0.0
    with pytest.raises(
        KernelAssertionError, match=r"x must be positive\n  File .*test_kernels_in_c.py\", line \d+, in checked"
    ):
        cnp.evaluate(checked(np.array([1.0, -1.0])), backend="mosaic")


def test_many_elements_in_many_tasks_are_all_computed() -> None:
    @register
    def halvings(x: float) -> int:
        count = 0
        while x > 1:
            x /= 2
            count += 1
        return count

    x = np.random.default_rng(0).uniform(0, 1e6, 20_001)
    np.testing.assert_array_equal(cnp.evaluate(halvings(x), backend="mosaic"), cnp.evaluate(halvings(x)))


def test_the_text_of_the_c_is_that_of_the_function() -> None:
    @register
    def relu3(x: float) -> float:
        if x < 0.0:
            return 0.0
        if x < 1.0:
            return x**3 / 3.0
        return x - 2.0 / 3.0

    assert relu3.c_source == (
        "#include <stdint.h>\n#include <math.h>\n\n"
        "static inline __attribute__((unused)) double relu3(double x) {\n"
        "    if (x < 0.0) {\n        return 0.0;\n    }\n    if (x < 1.0) {\n        return x * x * x / 3.0;\n    }\n"
        "    return x - 0.6666666666666666;\n}\n"
    )
    assert "float relu3_vjp(float x, float dresult)" in relu3.c_text("float32", derivative=True)
