"""A program that was compiled before comes from the cache, and is the same in all that can be asked of it."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import composit as cnp
import mosaic
from composit.nn.operations import convolution
from mosaic import stored_programs
from mosaic.passes.pipeline import CompiledProgram, Report, Request, compile_program
from mosaic.runtime.cache import DESCRIPTION_FILE, Cache, Key, open_caches
from mosaic.runtime.threads import runtime_library
from mosaic.tiling.layout import TileLevel
from tests.mosaic.comparison import assert_same_values, tensor

Compiled = list[Request]


@pytest.fixture
def compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Compiled:
    """What has gone through the passes, with a cache of its own."""
    requests: Compiled = []

    def counted(request: Request, report: Report) -> CompiledProgram:
        requests.append(request)
        return compile_program(request, report)

    monkeypatch.setenv("COMPOSIT_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(stored_programs, "compile_program", counted)
    return requests


def model(scale: float = 2.0, weight: np.ndarray | None = None, **settings: Any) -> tuple[Any, Any, list[Any]]:
    """Products, a folded constant, an index, an island, a uniform output: each kind of thing a description tells."""
    x, ids = tensor(3, 20), cnp.asarray(np.array([0, 4, -2]))
    table = tensor(5, 20)
    right = tensor(20, 70) if weight is None else cnp.asarray(weight)
    y = cnp.tanh((x + cnp.take(table, ids, axis=0)) @ right * np.float32(scale) + cnp.exp(table[0, 0]) * 2)
    outputs = [y, cnp.spacing(y) + 1, cnp.ones((2, 3)), y[:, ::2].sum(axis=-1)]
    return mosaic.compile(outputs, inputs=[x, ids], **settings), outputs, [x, ids]


def assert_right(compiled_model: Any, outputs: Any, inputs: list[Any]) -> None:
    results = compiled_model(*(cnp.evaluate(each) for each in inputs))
    for given, expected in zip(results, cnp.evaluate(outputs), strict=True):
        assert_same_values(given, expected)


def everything_said(compiled_model: Any) -> tuple[Any, ...]:
    return compiled_model.source, compiled_model.explain(), compiled_model.kernels, compiled_model.buffers


def test_a_stored_program_gives_equal_bits_and_reports(compiled: Compiled) -> None:
    first, outputs, inputs = model()
    second, _, _ = model()
    assert len(compiled) == 1
    assert everything_said(first) == everything_said(second)
    arrays = [cnp.evaluate(each) for each in inputs]
    assert [one.tobytes() for one in first(*arrays)] == [one.tobytes() for one in second(*arrays)]
    assert_right(second, outputs, inputs)
    assert len(second.profile(*arrays, repeat=1).kernels) == len(first.kernels)


_SCRIPT = """
import sys, hashlib
import composit as cnp
from mosaic import stored_programs
from tests.mosaic.test_stored_programs import everything_said, model

def fail(*arguments):
    raise AssertionError("the passes run")

if sys.argv[1] == "again":
    stored_programs.compile_program = fail
compiled, _, inputs = model()
results = compiled(*(cnp.evaluate(each) for each in inputs))
print(hashlib.sha256(repr([everything_said(compiled), [one.tobytes() for one in results]]).encode()).hexdigest())
"""


def test_filters_stored_for_winograd_come_from_the_cache(compiled: Compiled) -> None:
    x, filters = tensor(1, 8, 12, 12), tensor(40, 8, 3, 3, seed=1)
    outputs = convolution(x, filters)
    results = [
        mosaic.compile(outputs, inputs=[x], algorithms={"conv2d": "winograd"})(cnp.evaluate(x)) for _ in range(2)
    ]
    assert len(compiled) == 1
    assert results[0].tobytes() == results[1].tobytes()


def test_a_second_process_runs_no_passes(compiled: Compiled) -> None:
    said = []
    for when in ("first", "again"):
        command = [sys.executable, "-c", _SCRIPT, when]
        finished = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        assert finished.returncode == 0, finished.stderr
        said.append(finished.stdout)
    assert said[0] == said[1]
    model()
    assert not compiled


def test_other_values_of_constants_use_the_same_program(compiled: Compiled) -> None:
    model()
    weight = np.random.default_rng(7).normal(size=(20, 70)).astype("float32")
    assert_right(*model(weight=weight))
    assert_right(*model(weight=np.asfortranarray(weight)))
    assert len(compiled) == 1


def test_constants_that_share_an_array_do_not_bind_those_that_do_not(compiled: Compiled) -> None:
    x, array = cnp.zeros(3), np.arange(3.0)
    for first, second in ((array, array), (array, array + 1)):
        y = x * cnp.asarray(first) + cnp.asarray(second)
        np.testing.assert_array_equal(mosaic.compile(y, inputs=[x])(np.ones(3)), first + second)
    assert len(compiled) == 1


@pytest.mark.parametrize(
    "other",
    [
        lambda: model(scale=3.0),
        lambda: model(fuse=False),
        lambda: model(reuse_buffers=False),
        lambda: model(target="x86-64-v3"),
        lambda: model(weight=np.ones((20, 71), "float32")),
    ],
    ids=["scalar", "fuse", "reuse_buffers", "target", "shape"],
)
def test_what_the_code_depends_on_is_in_the_key(compiled: Compiled, other: Callable[[], Any]) -> None:
    model()
    assert_right(*other())
    assert len(compiled) == 2


def test_the_order_of_inputs_and_what_is_constant_are_in_the_key(compiled: Compiled) -> None:
    x, y = tensor(4), tensor(4)
    arrays = {id(x): np.full(4, 5, "float32"), id(y): np.full(4, 3, "float32")}
    for inputs in ([x, y], [y, x]):
        given = mosaic.compile(x - y, inputs=inputs)(*(arrays[id(each)] for each in inputs))
        np.testing.assert_array_equal(given, 2)
    np.testing.assert_array_equal(mosaic.compile(x - y, inputs=[x])(arrays[id(x)]), 5 - cnp.evaluate(y))
    assert len(compiled) == 3


def test_a_tile_scheme_is_in_the_key(compiled: Compiled) -> None:
    x, weight = tensor(40, 32), tensor(32, 64)
    expected = cnp.evaluate(x @ weight)
    for scheme in (None, {weight: TileLevel((32, 32))}):
        assert_same_values(mosaic.compile(x @ weight, inputs=[x], tile_scheme=scheme)(cnp.evaluate(x)), expected)
    assert len(compiled) == 2


def test_without_a_compiler_what_any_made_is_found(compiled: Compiled, monkeypatch: pytest.MonkeyPatch) -> None:
    first, _, _ = model()
    monkeypatch.setenv("CC", "/nowhere/cc")
    second, outputs, inputs = model()
    assert len(compiled) == 1
    assert everything_said(first) == everything_said(second)
    assert_right(second, outputs, inputs)


def test_a_program_that_lost_its_entry_is_linked_without_a_compiler(
    compiled: Compiled, monkeypatch: pytest.MonkeyPatch
) -> None:
    model()
    shutil.rmtree(open_caches()[0].root / "v1" / "programs")
    monkeypatch.setenv("CC", "/nowhere/cc")
    assert_right(*model())
    assert len(compiled) == 2


def test_another_compiler_compiles_again(compiled: Compiled, monkeypatch: pytest.MonkeyPatch) -> None:
    model()
    monkeypatch.setenv("CC", "cc -g")
    assert_right(*model())
    assert len(compiled) == 2


def test_a_stored_program_whose_library_lacks_a_function_is_compiled_again(
    compiled: Compiled, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(Cache, "publish_program", publish_the_runtime_library)
        model()
    assert_right(*model())
    assert_right(*model())
    assert len(compiled) == 2


def publish_the_runtime_library(cache: Cache, key: Key, description: str, library: Path, source: str) -> None:
    """Store the wrong library with a program."""
    publish_program(cache, key, description, runtime_library().path, source)


publish_program = Cache.publish_program


@pytest.mark.parametrize("text", ["{}", "not JSON"])
def test_an_altered_entry_is_compiled_again(compiled: Compiled, text: str) -> None:
    model()
    (description,) = (open_caches()[0].root / "v1" / "programs").glob(f"*/{DESCRIPTION_FILE}")
    description.write_text(text)
    assert_right(*model())
    assert_right(*model())
    assert len(compiled) == 2


@pytest.mark.parametrize("text", ["{}", "not JSON", '{"buffers": [[1]]}'])
def test_an_entry_with_another_content_is_compiled_again(
    compiled: Compiled, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(stored_programs, "to_json", lambda _: text)
        model()
    assert_right(*model())
    assert_right(*model())
    assert len(compiled) == 2


def test_a_users_function_is_not_looked_up(compiled: Compiled) -> None:
    @cnp.nn.wrap_as_operation()
    def doubled(x: np.ndarray) -> np.ndarray:
        return x * 2

    x = tensor(4)
    for _ in range(2):
        model = mosaic.compile(doubled(x) + 1, inputs=[x])
        np.testing.assert_array_equal(model(np.ones(4, "float32")), 3)
    assert len(compiled) == 2
    assert open_caches()[0].summary().num_programs == 0


def test_a_lowering_from_elsewhere_is_not_looked_up(compiled: Compiled, monkeypatch: pytest.MonkeyPatch) -> None:
    def elsewhere(operation: Any, context: Any) -> Any:
        return stored_programs.lower(operation, context)

    x = tensor(4)
    monkeypatch.setattr(elsewhere, "dispatch", lambda kind: elsewhere, raising=False)
    monkeypatch.setattr(stored_programs, "lower", elsewhere)
    for _ in range(2):
        mosaic.compile(x + 1, inputs=[x])
    assert len(compiled) == 2
    assert open_caches()[0].summary().num_programs == 0
