"""Every function that generated C calls is defined above the call, whichever helpers are inlined and whichever called."""

import contextlib
import random
import re
from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import numpy as np
import pytest

import composit as cnp
from composit.errors import UnsupportedOperationError
from composit.handle import TensorHandle
from composit.numpy.elementwise.table import ELEMENTWISE_FUNCTIONS
from mosaic import c
from mosaic.c.helpers import inline_function
from mosaic.codegen import inlining
from mosaic.codegen.inlining import Kernel, inline_or_call, largest_inlined, most_inlined
from mosaic.targets import named_targets
from tests.mosaic.c_text import c_text
from tests.mosaic.test_inlining import DTYPES, ROWS, chain
from tests.properties.related_programs import related_program
from tests.sampling import one_in

BY_NAME = {function.name: function for function in ELEMENTWISE_FUNCTIONS}
REDUCTIONS = ("sum", "prod", "max", "min", "mean", "any", "all", "argmax", "argmin", "cumsum")
ATTRIBUTE = re.compile(r"__attribute__\(\(.*?\)\)+ ?")
CALL = re.compile(r"\b(\w+)\(")
HELPER = re.compile(r"^(?!__builtin)\w+_[fiu]\d+x\d+(_called)?$")


def undefined_calls(source: str) -> set[str]:
    """The helpers that a file calls where no line above has defined them. What C libraries have is not ours to define."""
    defined: set[str] = set()
    undefined: set[str] = set()
    for line in source.splitlines():
        names = [name for name in CALL.findall(ATTRIBUTE.sub("", line)) if HELPER.search(name)]
        if line.startswith("static "):
            defined |= set(names)
        undefined |= set(names) - defined
    return undefined


def num_called(source: str) -> int:
    """How many functions the file has for helpers that are called."""
    return len({name for name in CALL.findall(source) if name.endswith("_called")})


def one_of_each(dtype: str) -> tuple[list[Any], list[Any]]:
    """Every function that has C, and reductions, of operands of a dtype; and the inputs."""
    functions = [BY_NAME[name] for name, of in ROWS if of == dtype]
    inputs = [cnp.asarray(np.ones((9, 37), dtype)) for _ in range(max(function.nin for function in functions))]
    outputs = [function(*inputs[: function.nin]) for function in functions]
    outputs += [getattr(cnp, name)(inputs[0], axis=axis) for name in REDUCTIONS for axis in (0, 1)]
    outputs += [output.astype(other) for output in outputs[:1] for other in DTYPES]
    return outputs, inputs


def source_for(target: str, outputs: Sequence[Any], inputs: Sequence[Any]) -> str:
    return c_text(outputs, inputs=inputs, target=target)


@pytest.fixture
def with_all_called(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every helper that is worth a call is called, by kernels and by other helpers."""
    monkeypatch.setattr(inlining, "most_inlined", 0)
    monkeypatch.setattr(inlining, "largest_inlined", inlining.smallest_called)


def test_the_check_finds_a_call_without_a_definition() -> None:
    before = "static f32x8 f_f32x8_called(f32x8 x) {\n    return f_f32x8(x);\n}\n"
    after = "static f32x8 f_f32x8(f32x8 x) {\n    return x;\n}\n"
    assert undefined_calls(before + after) == {"f_f32x8"}
    assert undefined_calls(after + before) == set()


@pytest.mark.parametrize(
    ("target", "dtype"), one_in(3, product(named_targets, ["float32", "float64", "int32", "int64"]))
)
def test_a_long_chain_of_extrema_has_all_that_it_calls(target: str, dtype: str) -> None:
    for name in ("maximum", "minimum"):
        steps, inputs = chain(name, dtype, 300)
        source = source_for(target, steps[-1:], inputs)
        assert undefined_calls(source) == set()


@pytest.mark.parametrize(("target", "dtype"), one_in(3, product(named_targets, DTYPES)))
@pytest.mark.usefixtures("with_all_called")
def test_each_function_may_be_called(target: str, dtype: str) -> None:
    source = source_for(target, *one_of_each(dtype))
    assert num_called(source) > 3
    assert undefined_calls(source) == set()


@pytest.mark.parametrize("first_seed", one_in(4, range(0, 60, 15)))
@pytest.mark.parametrize("target", named_targets)
@pytest.mark.usefixtures("with_all_called")
def test_random_programs_have_all_that_they_call(target: str, first_seed: int) -> None:
    sources = [source for seed in range(first_seed, first_seed + 15) for source in sources_of(seed, target)]
    assert len(sources) > 25
    assert sum(map(num_called, sources)) > 25
    assert [undefined for undefined in map(undefined_calls, sources) if undefined] == []


def sources_of(seed: int, target: str) -> Iterator[str]:
    """The file for each value of a random program; what numpy computes in part, or what has no elements, has none."""
    program = related_program(random.Random(seed))
    made = {name: cnp.asarray(value) for name, value in program.inputs.items()}
    with np.errstate(all="ignore"):
        lazy = program.run(cnp, made, _reraise)
    for line in program.lines:
        output = lazy[line.name]
        if not isinstance(output, TensorHandle):
            continue  # 1 op 1 is numpy's own
        inputs = [tensor for tensor in made.values() if tensor.node in output.graph.nodes]
        with contextlib.suppress(UnsupportedOperationError):  # the caller counts what is left
            yield c_text(output, inputs=inputs, target=target)


def _reraise(line: Any, error: BaseException) -> None:
    raise error


f32x8 = c.NamedType("f32x8")
x = c.Name("x")


def function_of(name: str, *body: c.Statement) -> c.Function:
    return inline_function(name, f32x8, (c.Parameter(f32x8, "x"),), body)


def operations(count: int) -> tuple[c.Statement, ...]:
    return tuple(c.AugmentedAssign(x, "+", x * x) for _ in range(count))


def with_two_definitions(name: str, *body: c.Statement) -> c.CompiledIf:
    """A helper that has one definition for this compiler, and another for all others."""
    inner = c.CompiledIf("defined(B)", (function_of(name, *body),), (function_of(name, *body),))
    return c.CompiledIf("defined(A)", (function_of(name, *body),), (inner,))


def text_of(items: Sequence[c.TopLevel]) -> str:
    return c.unit_text(c.TranslationUnit(tuple(items)))


def test_a_helper_with_several_definitions_is_called_by_one_function() -> None:
    choice = with_two_definitions("choice", *operations(20), c.Return(x))
    calls = tuple(c.Assign(x, c.Name("choice")(x)) for _ in range(most_inlined))
    items, kernels = inline_or_call((choice,), [Kernel(c.Function("kernel_0", c.void, (), calls), 1)])
    text = text_of((*items, *kernels))
    assert undefined_calls(text) == set()
    assert text.count("noinline") == 1
    assert text.index("#endif\n\nstatic") < text.index("choice_called(f32x8 x)")
    assert items[0] == choice


def test_each_definition_of_a_helper_calls_what_is_too_large_for_a_copy() -> None:
    large = function_of("large", *operations(largest_inlined), c.Return(x))
    choice = with_two_definitions("choice", c.Return(c.Name("large")(x)))
    text = text_of(inline_or_call((large, choice), [])[0])
    assert undefined_calls(text) == set()
    assert text.count("return large_called(x);") == 3
