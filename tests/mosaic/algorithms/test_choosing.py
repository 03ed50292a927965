"""`algorithms=`: what keys name, which one counts, what is an error."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import composit as cnp
import mosaic
from composit.errors import ParameterError, UnsupportedAlgorithmError
from composit.numpy import LazyTensor

Model = tuple[LazyTensor, LazyTensor, list[LazyTensor]]


def two_products() -> Model:
    """Two layers in scopes `encoder` and `head`; weights are constants."""
    generator = np.random.default_rng(5)
    x = cnp.asarray(generator.standard_normal((6, 40)).astype("float32"))
    with cnp.name_scope("encoder"):
        first = x @ generator.standard_normal((40, 48)).astype("float32")
    with cnp.name_scope("head"):
        second = first @ generator.standard_normal((48, 32)).astype("float32")
    return x, second, [first, second]


def names(model: Model, algorithms: Any) -> list[str]:
    """The algorithm of each product."""
    x, output, _ = model
    compiled = mosaic.compile(output, inputs=[x], algorithms=algorithms)
    expected = cnp.evaluate(output)
    np.testing.assert_allclose(compiled(cnp.evaluate(x)), expected, rtol=1e-4, atol=1e-4)
    return [choice.algorithm.name for choice in compiled.algorithms]


ONCE = "gemm packed once"


@pytest.mark.parametrize(
    ("algorithms", "expected"),
    [
        (None, ["gemm", "gemm"]),
        ("guess", ["gemm", "gemm"]),
        ({"matmul": ONCE}, [ONCE, ONCE]),
        ({"linear": ONCE}, [ONCE, ONCE]),
        ({"Linear": ONCE}, [ONCE, ONCE]),
        ({"matmul": ["gemm", ONCE]}, ["gemm", ONCE]),
        ({"encoder": ONCE}, [ONCE, "gemm"]),
        ({"he*": ONCE}, ["gemm", ONCE]),
        ({"matmul": ONCE, "head": "gemm"}, [ONCE, "gemm"]),
        ({"*": "gemm", "head": ONCE}, ["gemm", "gemm"]),
        ({"head": ONCE, "*": "gemm"}, ["gemm", ONCE]),
        ({"matmul": lambda node: ONCE if node.scope == "head" else "gemm"}, ["gemm", ONCE]),
        ({"matmul": lambda node, shape: ONCE if shape == (6, 40) else "gemm"}, [ONCE, "gemm"]),
    ],
)
def test_keys_name_operations_and_the_most_specific_counts(algorithms: Any, expected: list[str]) -> None:
    assert names(two_products(), algorithms) == expected


def test_a_tensor_counts_before_a_path() -> None:
    model = two_products()
    first = model[2][0]
    assert names(model, {"*": "gemm", first: ONCE}) == [ONCE, "gemm"]


@pytest.mark.parametrize(
    ("algorithms", "words"),
    [
        ({"matmul": "smallm"}, "did you mean 'small-m'"),
        ({"matmull": "gemm"}, "names nothing here.*matmul"),
        ({"decoder": "gemm"}, "names nothing here"),
        ({"matmul": ["gemm"]}, "1 names were given.*2 operations"),
        ({"matmul": 3}, "of type int was given for 'matmul'"),
        ({"matmul": lambda node: None}, "is no algorithm of matmul"),
        ({3.5: "gemm"}, "is not the result of an operation with algorithms"),
        (7, "of type int was given"),
        ("fastest", "of type str was given"),
        ({"encoder": "winograd"}, "is no algorithm of matmul"),
    ],
)
def test_what_names_nothing_is_an_error(algorithms: Any, words: str) -> None:
    x, output, _ = two_products()
    with pytest.raises(ParameterError, match=words):
        mosaic.compile(output, inputs=[x], algorithms=algorithms)


def test_an_algorithm_that_cannot_says_why_and_what_can() -> None:
    x, output, _ = two_products()
    with pytest.raises(
        UnsupportedAlgorithmError, match=r"'small-m' was asked for matmul .* in encoder.*constant.*'gemm'"
    ):
        mosaic.compile(output, inputs=[x], algorithms={"matmul": "small-m"})
    with pytest.raises(UnsupportedAlgorithmError, match="no algorithm of your own"):
        mosaic.compile(output, inputs=[x], algorithms={"matmul": "custom"})


def test_choices_are_saved_and_replayed_bit_for_bit(tmp_path: Path) -> None:
    x, output, _ = two_products()
    compiled = mosaic.compile(output, inputs=[x], algorithms={"head": ONCE})
    path = tmp_path / "choices.json"
    compiled.algorithms.save(path)
    again = mosaic.compile(output, inputs=[x], algorithms=str(path))
    assert [each.algorithm.name for each in again.algorithms] == ["gemm", ONCE]
    assert again.source == compiled.source
    value = np.ones((6, 40), "float32")
    np.testing.assert_array_equal(again(value), compiled(value))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda content: content.update(target="other"), "for other"),
        (lambda content: content["choices"].pop(), "holds 1 choices"),
        (lambda content: content["choices"][0].update(path="elsewhere"), "path 'elsewhere'"),
        (lambda content: content["choices"][0].update(algorithm="mine"), "names 'mine'"),
        (lambda content: content.pop("format"), "holds no choices"),
    ],
)
def test_choices_of_another_program_are_an_error(
    change: Callable[[dict[str, Any]], object], words: str, tmp_path: Path
) -> None:
    x, output, _ = two_products()
    path = tmp_path / "choices.json"
    mosaic.compile(output, inputs=[x]).algorithms.save(path)
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    with pytest.raises(ParameterError, match=words):
        mosaic.compile(output, inputs=[x], algorithms=path)


def test_explain_tells_reason_estimate_and_after_profile_the_times() -> None:
    x, output, _ = two_products()
    compiled = mosaic.compile(output, inputs=[x], algorithms={"head": ONCE})
    text = compiled.explain()
    assert "matmul by gemm, the default" in text
    assert f"matmul by {ONCE}, named by 'head'" in text
    assert "* gemm: estimated" in text
    assert "small-m: cannot: the right operand is constant" in text
    assert "measured" not in text
    compiled.profile(np.ones((6, 40), "float32"), repeat=1)
    assert "measured" in compiled.explain()


def test_measured_keeps_its_choice() -> None:
    model = two_products()
    first = names(model, "measured")
    assert all(names(two_products(), "measured") == first for _ in range(4))


def test_a_pickled_model_keeps_its_algorithms() -> None:
    x, output, _ = two_products()
    compiled = mosaic.compile(output, inputs=[x], algorithms={"head": ONCE})
    again = pickle.loads(pickle.dumps(compiled))
    assert str(again.algorithms) == str(compiled.algorithms)
    assert ONCE in again.explain()


def test_the_backend_takes_algorithms_per_program() -> None:
    """Two programs of one structure, told apart by scopes, which are no part of a program's digest."""
    a = cnp.asarray(np.random.default_rng(1).standard_normal((6, 40)).astype("float32"))
    b = cnp.asarray(np.random.default_rng(2).standard_normal((40, 48)).astype("float32"))
    outputs = []
    for scope in ("one", "two"):
        with cnp.name_scope(scope):
            outputs.append(a @ b)
    backend = mosaic.MosaicBackend(algorithms={"one": "gemm packed at run time"})
    np.testing.assert_allclose(
        cnp.evaluate(outputs[0], backend=backend), cnp.evaluate(outputs[0]), rtol=1e-4, atol=1e-5
    )
    with pytest.raises(ParameterError, match="'one' names nothing here"):
        cnp.evaluate(outputs[1] + 0, backend=backend)


def test_evaluate_takes_algorithms_where_the_backend_has_some() -> None:
    _, output, (first, _) = two_products()
    chosen = {first: "gemm packed at run time", "head": "small-m"}
    value = cnp.evaluate(output, backend="mosaic", algorithms=chosen)
    np.testing.assert_allclose(value, cnp.evaluate(output), rtol=1e-4, atol=1e-4)
    with pytest.raises(ParameterError, match="backend='numpy', which has one way"):
        cnp.evaluate(output, algorithms=chosen)
