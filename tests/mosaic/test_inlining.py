"""Helpers are inlined where copies are few and called where they are many, with the same bits; code stays linear."""

import re
import sys
from collections.abc import Callable, Iterator
from itertools import product
from types import FrameType
from typing import Any

import numpy as np
import pytest

import composit as cnp
import mosaic
from composit.numpy.elementwise.table import ELEMENTWISE_FUNCTIONS
from mosaic import c
from mosaic.c.helpers import inline_function
from mosaic.codegen.elementwise import is_compiled
from mosaic.codegen.inlining import Kernel, inline_or_call, most_inlined, most_inlined_per_file, most_repeated
from tests.mosaic.c_text import c_text
from tests.sampling import one_in

DTYPES = ("float32", "float64", "int8", "int32", "int64", "uint8", "uint64", "bool")


def compiled_rows() -> Iterator[tuple[str, str]]:
    """Every elementwise function that has C, by name and dtype of its operands."""
    for function in ELEMENTWISE_FUNCTIONS:
        for name in DTYPES:
            dtype = np.dtype(name)
            try:
                loop = function._resolve((*[dtype] * function.nin, *[None] * function.nout))
            except TypeError:
                continue
            operands = loop[: function.nin]
            if function.nout == 1 and set(operands) == {dtype} and is_compiled(function.name, operands):
                yield function.name, name


ROWS = list(compiled_rows())
BY_NAME = {function.name: function for function in ELEMENTWISE_FUNCTIONS}
CALLED = ["exp", "sin", "log1p", "tanh", "erf", "sign", "clip", "fmax", "floor_divide", "remainder", "logical_xor"]


def chain(name: str, dtype: str, length: int, size: int = 1001) -> tuple[list[Any], list[Any]]:
    """The function of its own result, so often, with another operand where it takes several; and the inputs."""
    function = BY_NAME[name]
    x, z = cnp.asarray(np.ones(size, dtype)), cnp.asarray(np.ones(size, dtype))
    steps = [x]
    for _ in range(length):
        result = function(*[steps[-1], z, z][: function.nin])
        steps.append(result if result.dtype == x.dtype else result.astype(dtype))
    return steps, [x] if function.nin == 1 else [x, z]


def source_of(outputs: Any, inputs: list[Any]) -> str:
    return c_text(outputs, inputs=inputs, target="x86-64-v3")


def kernels_in(source: str) -> list[str]:
    """The text of each kernel."""
    return re.findall(r"^static void kernel_\d+\(.*?^}", source, re.MULTILINE | re.DOTALL)


def test_a_kernel_with_one_function_has_it_inlined() -> None:
    for name in ("exp", "tanh", "erf", "sin", "log"):
        steps, inputs = chain(name, "float32", 1)
        assert "_called" not in source_of(steps[-1], inputs), name


def test_a_kernel_with_many_sines_calls_them() -> None:
    steps, inputs = chain("sin", "float32", 16)
    source = source_of(steps[-1], inputs)
    assert all(re.search(r"\bsin_f32x8\(", kernel) is None for kernel in kernels_in(source))
    assert source.count("sin_f32x8_called(") == 1 + 2 * 16  # the function; the loop and the rest of the row


def test_a_cell_of_an_lstm_has_all_its_functions_inlined() -> None:
    i, f, g, o, cell = (cnp.asarray(np.ones(4096, "float32")) for _ in range(5))

    def sigmoid(x: Any) -> Any:
        return 1 / (1 + cnp.exp(-x))

    state = sigmoid(f) * cell + sigmoid(i) * cnp.tanh(g)
    assert "_called" not in source_of([state, sigmoid(o) * cnp.tanh(state)], [i, f, g, o, cell])


@pytest.mark.parametrize(("name", "dtype"), one_in(9, ROWS))
def test_code_grows_linearly_with_a_chain(name: str, dtype: str) -> None:
    short, long = (source_of(steps[-1], inputs) for steps, inputs in (chain(name, dtype, 40), chain(name, dtype, 80)))
    assert len(long) < 2.2 * len(short)
    # A statement of a kernel is one operation or a call, never a formula written out.
    lines = [line for kernel in kernels_in(long) for line in kernel.splitlines()]
    assert max(map(len, lines)) < 160
    assert len(lines) < 80 * 2 * 3 + 20 * len(kernels_in(long)) + 60


@pytest.mark.parametrize(("dtype", "name"), one_in(4, product(["float32", "float64"], CALLED)))
def test_calls_and_copies_have_the_same_bits(dtype: str, name: str) -> None:
    few, few_inputs = chain(name, dtype, 1, size=203)
    many, many_inputs = chain(name, dtype, 90, size=203)
    inlined = mosaic.compile(few[1], inputs=few_inputs)
    called = mosaic.compile([many[1], many[-1]], inputs=many_inputs)
    assert "_called" not in inlined.source
    assert name == "logical_xor" or "_called" in called.source
    x = np.random.default_rng(0).standard_normal(203).astype(dtype) * 9
    x[:6] = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1e30]
    arrays = [x, x[::-1].copy()][: len(few_inputs)]
    assert inlined(*arrays).tobytes() == called(*arrays)[0].tobytes()


f32x8 = c.NamedType("f32x8")


def helper(name: str, num_operations: int) -> c.Function:
    """An inlined function of so many operations."""
    x = c.Name("x")
    steps = tuple(c.AugmentedAssign(x, "+", x * x) for _ in range(num_operations))
    return inline_function(name, f32x8, (c.Parameter(f32x8, "x"),), (*steps, c.Return(x)))


def kernel(name: str, calls: dict[str, int], num_tasks: int = 1) -> Kernel:
    """A kernel that calls helpers so often."""
    v = c.Name("v")
    body = tuple(c.Assign(v, c.Name(each)(v)) for each, count in calls.items() for _ in range(count))
    return Kernel(c.Function(name, c.void, (), body), num_tasks)


def called_by(function: c.Function) -> set[str]:
    """The helpers a function calls where it might have copies."""
    return set(re.findall(r"(\w+)_called\(", c.unit_text(c.TranslationUnit((function,)))))


def names_of(items: tuple[c.TopLevel, ...]) -> list[str]:
    return [item.name for item in items if isinstance(item, c.Function)]


def test_the_largest_helpers_are_called_first() -> None:
    helpers = (helper("small", 20), helper("large", 200))
    items, (function,) = inline_or_call(helpers, [kernel("k", {"small": 10, "large": 3})])
    assert called_by(function) == {"large"}
    assert names_of(items) == ["small", "large", "large_called"]


def test_operators_are_never_called() -> None:
    _, (function,) = inline_or_call((helper("pair", 2),), [kernel("k", {"pair": 5000})])
    assert called_by(function) == set()


def test_a_helper_too_large_for_any_copy_is_called_by_other_helpers_too() -> None:
    inner = helper("inner", most_inlined)
    x = c.Name("x")
    outer = inline_function("outer", f32x8, (c.Parameter(f32x8, "x"),), (c.Return(c.Name("inner")(x)),))
    items, (function,) = inline_or_call((inner, outer), [kernel("k", {"outer": 2})])
    assert names_of(items) == ["inner", "inner_called", "outer"]
    assert called_by(function) == set()


def test_many_copies_of_one_helper_are_called_and_two_of_a_large_one_are_not() -> None:
    kernels = [kernel("few", {"f": 9}), kernel("many", {"f": 12})]
    _, (few, many) = inline_or_call((helper("f", most_repeated // 16),), kernels)
    assert called_by(few) == set()
    assert called_by(many) == {"f"}
    _, (twice,) = inline_or_call((helper("g", most_inlined // 5),), [kernel("twice", {"g": 2})])
    assert called_by(twice) == set()


@pytest.mark.parametrize("name", ["remainder", "floor_divide", "fmod"])
@pytest.mark.parametrize("dtype", ["int8", "int32", "uint8"])
def test_division_of_integers_counts_its_lanes(name: str, dtype: str) -> None:
    steps, inputs = chain(name, dtype, 16)
    for kernel in kernels_in(source_of(steps[-1], inputs)):
        assert re.search(rf"\b{name}_[iu]\d+x\d+\(", kernel) is None


def test_a_file_of_many_kernels_inlines_where_most_work_is() -> None:
    helpers = (helper("f", 100),)
    count = 2 * most_inlined_per_file // 100
    kernels = [kernel(f"k{number}", {"f": 1}, num_tasks=number) for number in range(count)]
    _, functions = inline_or_call(helpers, kernels)
    with_copies = [number for number, function in enumerate(functions) if not called_by(function)]
    assert 0 < len(with_copies) <= most_inlined_per_file // 100
    assert with_copies == list(range(count - len(with_copies), count))


def test_a_short_loop_around_a_copy_stays_a_loop() -> None:
    def looped(turns: int, name: str) -> Kernel:
        v = c.Name("v")
        loop = c.loop("i", turns, c.Assign(v, c.Name(name)(v)))
        return Kernel(c.Function("k", c.void, (), (loop,)), 1)

    def pragmas(one: Kernel) -> tuple[str, ...]:
        _, (function,) = inline_or_call((helper("polynomial", 40), helper("operator", 2)), [one])
        assert function.body is not None
        (loop,) = function.body
        assert isinstance(loop, c.For)
        return loop.pragmas

    assert pragmas(looped(3, "polynomial")) == ("GCC unroll 1",)
    assert pragmas(looped(3, "operator")) == ()
    assert pragmas(looped(1000, "polynomial")) == ()


def wide(count: int, combine: Callable[[list[Any]], Any]) -> tuple[Any, list[Any]]:
    inputs = [cnp.asarray(np.ones(64, "float32")) for _ in range(count)]
    return combine(inputs), inputs


def total(inputs: list[Any]) -> Any:
    return sum(inputs[1:], inputs[0])


@pytest.mark.parametrize("combine", [total, cnp.concatenate, lambda inputs: [cnp.exp(x) for x in inputs]])
def test_code_grows_linearly_with_inputs(combine: Callable[[list[Any]], Any]) -> None:
    short, long = (source_of(*wide(count, combine)) for count in (100, 200))
    assert len(long) < 2.2 * len(short)


def statements_run(program: Callable[[int], tuple[Any, list[Any]]], count: int) -> int:
    """How many lines of our own passes run while C is written: a count of work, not of time."""
    outputs, inputs = program(count)
    lines = 0

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal lines
        lines += event == "line"
        return trace if "/mosaic/" in frame.f_code.co_filename else None

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        c_text(outputs, inputs=inputs, target="x86-64-v3")
    finally:
        sys.settrace(before)
    return lines


PROGRAMS = {
    "a chain": lambda count: (lambda steps, inputs: (steps[-1], inputs))(*chain("exp", "float32", count)),
    "a sum of inputs": lambda count: wide(count, total),
    "a concatenation": lambda count: wide(count, cnp.concatenate),
    "outputs of their own": lambda count: wide(count, lambda inputs: [cnp.exp(x) for x in inputs]),
    "a sum of scaled inputs": lambda count: wide(count, lambda inputs: total([cnp.exp(x) * 2 for x in inputs])),
    "sums of neighbours": lambda count: wide(
        count, lambda inputs: [a + b for a, b in zip(inputs, [*inputs[1:], inputs[0]], strict=True)]
    ),
}


@pytest.mark.parametrize("program", PROGRAMS)
def test_our_own_passes_are_linear_in_nodes_and_inputs(program: str) -> None:
    statements_run(PROGRAMS[program], 20)  # fills the caches of helpers
    assert statements_run(PROGRAMS[program], 96) < 2.3 * statements_run(PROGRAMS[program], 48)


def test_a_program_of_hundreds_of_regions_is_loaded_twice() -> None:
    x = cnp.asarray(np.arange(12.0))
    y = x
    for _ in range(140):
        y = cnp.partition(y, 5, axis=-1) + x  # numpy partitions, between two regions
    z = y
    for _ in range(140):
        z = cnp.partition(z, 5, axis=-1) + x
    expected = cnp.evaluate([y, z])
    for output, values in ((z, expected[1]), (y, expected[0]), (z, expected[1])):
        np.testing.assert_array_equal(mosaic.compile(output, inputs=[x])(np.arange(12.0)), values)
