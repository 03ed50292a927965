"""Keys of a mapping of backends: what they match, and errors that say what is there."""

from __future__ import annotations

import numpy as np
import pytest

import composit as cnp
from composit.errors import OperandError, ParameterError, UnknownBackendError
from composit.mixed.selectors import Match, Pattern, operation_names
from composit.nn.operations.convolution import Convolution
from composit.nn.operations.pooling_windows import WindowMaximum
from composit.numpy.products.matrix_products import Matmul

MULTIPLY = ("multiply",)


@pytest.mark.parametrize(
    ("text", "scope", "expected"),
    [
        ("encoder", "encoder", Match.PATH),
        ("encoder", "encoder.layer.0", Match.PATH),
        ("encoder", "encoder2", None),
        ("encoder*", "encoder2.layer", Match.PATH),
        ("encoder.layer.1", "encoder.layer.1.output", Match.PATH),
        ("encoder.layer.1", "encoder.layer.10", None),
        ("encoder.layer.[02]", "encoder.layer.2", Match.PATH),
        ("encoder.layer.?", "encoder.layer.12", None),
        ("*.layer.?", "encoder.layer.7", Match.PATH),
        ("Encoder", "encoder", None),
        ("*", "", Match.PATH),
        ("encoder*.multiply", "encoder.layer.0", Match.NODE),
        ("encoder*.add", "encoder.layer.0", None),
        ("Multiply", "encoder", Match.NODE),
        ("loss", "", None),
    ],
)
def test_a_string_matches_paths_and_what_lies_inside_them(text: str, scope: str, expected: Match | None) -> None:
    assert Pattern(text).match(scope, "multiply", MULTIPLY) is expected


def test_a_string_matches_the_name_of_a_tensor_with_and_without_its_scope() -> None:
    for text in ("weights", "encoder.weights", "w*"):
        assert Pattern(text).match("encoder", "weights", MULTIPLY) is Match.NODE


@pytest.mark.parametrize(
    ("operation", "texts"),
    [
        (Convolution((1, 1), (1, 1), 1), ("conv2d", "Conv2d", "conv", "convolution")),
        (Convolution((1,), (1,), 1), ("conv1d", "Convolution")),
        (WindowMaximum((2, 2), (2, 2), (1, 1), (0, 0)), ("MaxPool2d", "max_pool2d", "maxpool", "window_maximum")),
        (Matmul(), ("matmul", "Linear")),
    ],
    ids=lambda each: type(each).__name__,
)
def test_operations_have_the_names_that_numpy_and_torch_give_them(operation, texts) -> None:
    names = operation_names(operation)
    assert [text for text in texts if Pattern(text).match("", operation.name, names) is None] == []
    assert Pattern("conv3d").match("", operation.name, names) is None


def two_layers() -> tuple[cnp.LazyTensor, cnp.LazyTensor]:
    """Return the results of two layers, the second computed from the first."""
    x = cnp.asarray(np.arange(6.0).reshape(2, 3), name="data")
    with cnp.name_scope("encoder.layer.0"):
        first = cnp.tanh(x)
    with cnp.name_scope("encoder.layer.1"):
        return first, cnp.with_name(cnp.exp(first) * 2, "scores")


def test_a_key_that_matches_nothing_is_an_error_that_says_what_there_is() -> None:
    _, scores = two_layers()
    with pytest.raises(
        ParameterError,
        match=r"'encodr.layer.1' matches nothing.*paths: encoder.layer.0, encoder.layer.1.*"
        r"names: scores.*operations: exp, multiply, tanh.*did you mean 'encoder.layer.1'",
    ):
        cnp.evaluate(scores, backend={"encodr.layer.1": "numpy", "*": "numpy"})


def test_a_key_that_names_an_input_says_that_inputs_compute_nothing() -> None:
    first, scores = two_layers()
    with pytest.raises(ParameterError, match="'data' matches inputs alone, which compute nothing"):
        cnp.evaluate(scores, backend={"data": "numpy"})
    with pytest.raises(ParameterError, match="a tensor that nothing computes"):
        cnp.evaluate(scores, backend={cnp.ones(3): "numpy"})
    later = first + 1
    with pytest.raises(ParameterError, match="the outputs are not computed from this tensor"):
        cnp.evaluate(scores, backend={later: "numpy"})


@pytest.mark.parametrize(
    ("mapping", "error", "words"),
    [
        ({}, ParameterError, "an empty mapping"),
        ({"": "numpy"}, ParameterError, "the key ''"),
        ({3: "numpy"}, OperandError, "the key 3 of type int"),
        ({None: "numpy"}, OperandError, "of type NoneType"),
        ({"*": "nowhere"}, UnknownBackendError, "'nowhere' is not known"),
        ({"*": {"*": "numpy"}}, OperandError, "expected the name of a backend"),
        ({"*": 3}, TypeError, "expected a name such as 'numpy'"),
    ],
    ids=str,
)
def test_a_mapping_that_is_none_is_an_error_at_the_call(mapping, error, words: str) -> None:
    with pytest.raises(error, match=words):
        cnp.evaluate(two_layers()[1], backend=mapping)
    with pytest.raises(error, match=words):
        cnp.nn.compile_step(lambda x: x, mapping)
