"""Graphs in files: what is loaded computes the same; broken files raise an error of ours, and nothing in a file is run."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import composit as cnp
from composit.errors import (
    FileFormatError,
    OperandError,
    ParameterError,
    UnreachedInputError,
    UnsupportedOperationError,
)
from composit.files.blocks import read_blocks, write_blocks
from composit.files.saving import LoadedProgram
from composit.nn.core import wrap_as_operation
from tests.operations.samples import SAMPLES
from tests.sampling import one_in


def _both_ways(outputs: Any, inputs: Any, path: Path) -> LoadedProgram:
    cnp.save(path, outputs, inputs=inputs)
    loaded = cnp.load(path)
    assert isinstance(loaded, LoadedProgram)
    return loaded


def _vector(name: str = "x") -> Any:
    return cnp.with_name(cnp.asarray([1.0, 2.0, 3.0]), name)


def _network() -> tuple[Any, Any, list[Any]]:
    """A loss, its input and its gradients."""
    generator = np.random.default_rng(0)
    x = cnp.with_name(cnp.asarray(generator.normal(size=(4, 8)).astype("float32")), "images")
    weights = [
        cnp.with_name(cnp.asarray(generator.normal(size=s).astype("float32")), f"w{s[1]}") for s in ((8, 6), (6, 3))
    ]
    with cnp.name_scope("layers"):
        hidden = cnp.tanh(x @ weights[0])
    loss = cnp.sum(cnp.nn.softmax(hidden @ weights[1]) ** 2) * 0.5
    return loss, x, cnp.chain_rule({loss: loss}, weights)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # some samples ask for infinities
@pytest.mark.parametrize("part", one_in(8, range(8)))
def test_every_operation_comes_back_with_its_parameters(part: int, tmp_path: Path) -> None:
    for sample in SAMPLES[part::8]:
        tensors = [cnp.asarray(each) if isinstance(each, np.ndarray) else each for each in sample.operands()]
        result = sample.compute(cnp, *tensors)
        results = list(result) if isinstance(result, tuple | list) else [result]
        outputs = [each for each in results if hasattr(each, "__lazy_tensor__")]
        if not outputs:
            continue
        for given, again in zip(outputs, _both_ways(outputs, [], tmp_path / "sample").outputs, strict=True):
            assert again.node.operation.name == given.node.operation.name
            before, after = cnp.evaluate(given), cnp.evaluate(again)
            assert type(after) is type(before)
            assert after.dtype == before.dtype
            np.testing.assert_array_equal(after, before, err_msg=sample.name)


def test_a_derivative_and_its_names_come_back(tmp_path: Path) -> None:
    loss, x, gradients = _network()
    loaded = _both_ways({"loss": loss, "gradients": tuple(gradients)}, [x], tmp_path / "network.composit")
    assert list(loaded.inputs) == ["images"]
    assert isinstance(loaded.outputs["gradients"], tuple)
    new = np.linspace(-1, 1, 32, dtype="float32").reshape(4, 8)
    expected = cnp.evaluate({"loss": loss, "gradients": tuple(gradients)}, inputs={x: new})
    found = cnp.evaluate(loaded.outputs, inputs={loaded.inputs["images"]: new})
    assert found["loss"] == expected["loss"]
    for given, again in zip(expected["gradients"], found["gradients"], strict=True):
        np.testing.assert_array_equal(again, given)
    scopes = {node.scope for node in loaded.outputs["loss"].graph.nodes}
    labels = {node.label for node in loaded.outputs["loss"].graph.nodes}
    assert "layers" in scopes
    assert {"images", "w6", "w3"} <= labels
    assert len(loaded.outputs["loss"].graph) == len(loss.graph)


def test_a_loaded_graph_is_differentiated_and_saved_again(tmp_path: Path) -> None:
    loss, x, _ = _network()
    loaded = _both_ways(loss, {"x": x}, tmp_path / "first")
    again = _both_ways(loaded.outputs, loaded.inputs, tmp_path / "second")
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()
    (gradient,) = cnp.chain_rule({again.outputs: again.outputs}, [again.inputs["x"]])
    np.testing.assert_array_equal(cnp.evaluate(gradient), cnp.evaluate(cnp.chain_rule({loss: loss}, [x])[0]))


def test_inner_values_may_be_inputs_and_their_ancestors_stay_behind(tmp_path: Path) -> None:
    x = _vector()
    inner = cnp.exp(x)
    loaded = _both_ways(inner + 1, {"inner": inner}, tmp_path / "cut")
    assert len(loaded.outputs.graph) == 3
    np.testing.assert_array_equal(
        cnp.evaluate(loaded.outputs, inputs={loaded.inputs["inner"]: np.zeros(3)}), np.ones(3)
    )


def test_a_scan_comes_back_with_its_step(tmp_path: Path) -> None:
    x = _vector()
    total, every = cnp.nn.scan(lambda carry, element: (carry * 0.5 + element, carry), cnp.asarray(0.0), x)
    loaded = _both_ways([total, every], [x], tmp_path / "scan")
    for given, again in zip(cnp.evaluate(total, every), cnp.evaluate(*loaded.outputs), strict=True):
        np.testing.assert_array_equal(again, given)


def test_errstates_stay_with_their_nodes(tmp_path: Path) -> None:
    x = cnp.asarray([0.0])
    with np.errstate(divide="ignore"):
        y = 1 / x
    cnp.evaluate(_both_ways(y, [x], tmp_path / "state").outputs)  # a warning would be an error


def test_results_of_numpys_own_functions_are_saved_unless_they_depend_on_an_input(tmp_path: Path) -> None:
    x = _vector()
    kept = cnp.unique(cnp.asarray([3.0, 3.0, 1.0]))
    loaded = _both_ways(x[:2] + kept, [x], tmp_path / "unique")
    np.testing.assert_array_equal(cnp.evaluate(loaded.outputs), [2.0, 5.0])
    with pytest.raises(
        ParameterError, match=r"(?s)save: the operation unique calls a Python function.*test_saving\.py"
    ):
        cnp.save(tmp_path / "unique", cnp.unique(x), inputs=[x])


def test_a_users_function_is_refused_by_name(tmp_path: Path) -> None:
    @wrap_as_operation()
    def doubled(array: Any) -> Any:
        return array * 2

    with pytest.raises(
        ParameterError, match=r"(?s)operation doubled calls a Python function.*give its result.*test_saving"
    ):
        cnp.save(tmp_path / "user", doubled(_vector()), inputs=[])


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        (lambda x: ("no tensor", [x], {}), OperandError, "holds no tensor; expected a tensor"),
        (lambda x: (x + 1, x, {}), OperandError, r"expected a list of tensors.*inputs=\[x\]"),
        (lambda x: (x + 1, [_vector()], {}), UnreachedInputError, "no output depends on"),
        (lambda x: (x + 1, [x, x], {}), ParameterError, "of which two are one tensor"),
        (lambda x: (x + 1, {"": x}, {}), ParameterError, "expected a name that is a string, not empty"),
        (lambda x: (x + 1, [x], {"guards": "never"}), ParameterError, "expected 'check' or 'ignore'"),
        (lambda x: (x + 1, [x], {"metadata": {"a": 1}}), ParameterError, "expected texts by name"),
        (lambda x: (x + 1, [x], {"allow_pickle": False}), ParameterError, "leave inputs= away to write an array"),
        (lambda x: (x * float(x[0]), [x], {}), UnsupportedOperationError, r"(?s)Python read values.*guards='ignore'"),
        (lambda x: (cnp.asarray([None]), [], {}), ParameterError, "holds Python objects"),
    ],
)
def test_what_cannot_be_saved_is_said_at_the_call(tmp_path: Path, given: Any, error: type, words: str) -> None:
    outputs, inputs, options = given(_vector())
    with pytest.raises(error, match=words):
        cnp.save(tmp_path / "wrong", outputs, inputs=inputs, **options)
    assert not list(tmp_path.iterdir())


def test_without_inputs_save_and_load_are_numpys(tmp_path: Path) -> None:
    cnp.save(tmp_path / "array.npy", _vector())
    np.testing.assert_array_equal(np.load(tmp_path / "array.npy"), [1, 2, 3])
    np.testing.assert_array_equal(cnp.evaluate(cnp.load(tmp_path / "array.npy")), [1, 2, 3])


def test_other_readers_find_the_arrays_by_name(tmp_path: Path) -> None:
    load_file = pytest.importorskip("safetensors.numpy").load_file
    x = _vector()
    cnp.save(
        tmp_path / "file", x * cnp.with_name(cnp.asarray([2.0, 3.0, 4.0]), "weight"), inputs=[x], metadata={"a": "b"}
    )
    np.testing.assert_array_equal(load_file(tmp_path / "file")["weight"], [2, 3, 4])
    assert cnp.load(tmp_path / "file").metadata == {"a": "b"}


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    loss, x, gradients = _network()
    cnp.save(tmp_path / "network", [loss, *gradients], inputs=[x])
    return tmp_path / "network"


def test_changed_and_cut_files_raise_an_error_that_names_the_file(stored: Path) -> None:
    whole, generator = stored.read_bytes(), np.random.default_rng(0)
    good, messages = cnp.evaluate(*cnp.load(stored).outputs), list[str]()
    for turn in range(300):
        broken = bytearray(whole[: generator.integers(9, len(whole))] if turn % 3 == 0 else whole)
        for place in generator.integers(9, len(broken), turn % 4 if turn % 3 == 0 else 1 + turn % 4):
            broken[place] ^= 1 << generator.integers(8)
        stored.write_bytes(broken)
        try:
            loaded = cnp.load(stored)
        except FileFormatError as error:
            messages.append(str(error))
        else:  # a bit of the header that says nothing to us, such as the name of an array's dtype
            for given, again in zip(good, cnp.evaluate(*loaded.outputs), strict=True):
                np.testing.assert_array_equal(again, given)
    assert len(messages) > 200
    assert all("network" in each for each in messages)


def _with_program(path: Path, text: bytes) -> None:
    """Write another program into the file, with the checksum that fits."""
    blocks, metadata = read_blocks(path)
    program = {"composit.program.json": np.frombuffer(text, np.uint8)}
    write_blocks(path, {**blocks, **program}, {"a": metadata["format"]})


def test_programs_changed_on_purpose_raise_too(stored: Path) -> None:
    text = read_blocks(stored)[0]["composit.program.json"].tobytes()
    generator = np.random.default_rng(1)
    characters = b'0123456789-[]{},":.aefnrstux '
    seen = 0
    for _ in range(400):
        changed = bytearray(text)
        for place in generator.integers(0, len(text), 1 + int(generator.integers(3))):
            changed[place] = characters[generator.integers(len(characters))]
        _with_program(stored, bytes(changed))
        try:
            cnp.load(stored)
        except FileFormatError:
            seen += 1
    assert seen > 200


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda content: content.update(version=99), "version 99 of the format"),
        (
            lambda content: content["operations"].__setitem__(-1, ["os:system", {}]),
            "no operation is called 'os:system'",
        ),
        (lambda content: content["operations"].__setitem__(-1, ["composit.none:X", {}]), "has no module"),
        (lambda content: content["types"].__setitem__(0, [[2**40, 2**40], "<f8", False, None]), "array is too big"),
        (lambda content: content["types"].__setitem__(0, [[2], "|O", False, None]), "holds Python objects"),
        (lambda content: content["arrays"][0].__setitem__(2, [10**9]), "are no array of shape"),
        (lambda content: content["program"]["operands"].__setitem__(0, 10**6), "is no number below"),
        (lambda content: content.pop("outputs"), "KeyError"),
    ],
)
def test_what_is_wrong_with_a_program_is_said(stored: Path, change: Any, words: str) -> None:
    content = json.loads(read_blocks(stored)[0]["composit.program.json"].tobytes())
    change(content)
    _with_program(stored, json.dumps(content).encode())
    with pytest.raises(FileFormatError, match=words):
        cnp.load(stored)


def test_a_header_longer_than_the_file_takes_no_memory(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes((2**40).to_bytes(8, "little") + b"{}")
    with pytest.raises(FileFormatError, match="its header would have 1099511627776 bytes, and the file has 10"):
        cnp.load(tmp_path / "file")


def test_calls_grow_with_the_number_of_nodes(tmp_path: Path) -> None:
    def num_calls(length: int) -> int:
        x = tensor = _vector()
        for number in range(length):
            tensor = cnp.sin(tensor) if number % 2 else tensor * 1.5
        events: list[str] = []
        sys.setprofile(lambda frame, event, argument: events.append(event))
        try:
            cnp.save(tmp_path / "chain", tensor, inputs=[x])
            cnp.load(tmp_path / "chain")
        finally:
            sys.setprofile(None)
        return len(events)

    num_calls(10)
    few, many = num_calls(100), num_calls(1_000)
    assert many < 11 * few
