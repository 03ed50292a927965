"""The backend "mosaic" of `evaluate`: every array is an input, and what is packed from one is kept with it."""

import gc
import warnings
import weakref
from pathlib import Path

import numpy as np
import pytest

import composit as cnp
import mosaic
from composit.errors import CompilerNotFoundError, ParameterError, ShapeError
from composit.evaluation import evaluate, prepare
from composit.program import program_of
from mosaic.backend import MosaicBackend
from mosaic.executable import Executable, KeptPanels
from mosaic.runtime import library
from mosaic.runtime.threads import runtime_library
from tests.mosaic.comparison import assert_same_values, tensor


def test_it_is_known_by_name() -> None:
    x = tensor(3, 4)
    assert_same_values(evaluate(cnp.exp(x), backend="mosaic"), evaluate(cnp.exp(x)))


def test_scalars_come_back_as_numpy_gives_them() -> None:
    x = tensor(3, 4)
    result = evaluate(x.sum(), backend="mosaic")
    assert type(result) is type(evaluate(x.sum()))


def test_a_program_without_operations_returns_copies() -> None:
    x = tensor(3)
    first, second = evaluate([x, x], backend="mosaic")
    first[:] = 0
    np.testing.assert_array_equal(second, evaluate(x))


def test_new_data_do_not_compile_again() -> None:
    backend = MosaicBackend()
    first, second = tensor(3, 4), tensor(3, 4, seed=1)
    programs = [program_of([cnp.exp(x)]) for x in (first, second)]
    assert prepare(programs[0], backend) is prepare(programs[1], backend)


@pytest.mark.parametrize("num_threads", [1, 2])
def test_it_runs_on_the_number_of_threads_that_was_asked_for(num_threads: int) -> None:
    run = MosaicBackend(num_threads=num_threads).prepare(program_of([cnp.exp(tensor(3, 4))]))
    assert run.executable.num_threads == num_threads


def test_a_number_of_threads_that_no_pool_has_is_refused() -> None:
    with pytest.raises(ParameterError, match="num_threads=0 was asked for"):
        MosaicBackend(num_threads=0)


def test_inputs_replaced_by_arrays() -> None:
    x = tensor(3, 4)
    array = np.ones((3, 4), "float32")
    assert_same_values(evaluate(x * 2, inputs={x: array}, backend="mosaic"), array * 2)


def kept_panels(monkeypatch: pytest.MonkeyPatch) -> tuple[list[KeptPanels], list[int]]:
    """The kept panels of every run from now on, and a list that grows with each run of a packing region."""
    kept: list[KeptPanels] = []
    runs: list[int] = []
    run_steps, run = Executable._run_steps, KeptPanels.run

    def noting_steps(self, *arguments):  # type: ignore[no-untyped-def]
        kept.append(self.panels)
        return run_steps(self, *arguments)

    def noting_runs(self, region, function, given):  # type: ignore[no-untyped-def]
        before = dict(self.latest)
        results = run(self, region, function, given)
        if self.latest != before:
            runs.append(1)
        return results

    monkeypatch.setattr(Executable, "_run_steps", noting_steps)
    monkeypatch.setattr(KeptPanels, "run", noting_runs)
    return kept, runs


def test_weights_are_packed_once_and_forgotten_with_their_array(monkeypatch: pytest.MonkeyPatch) -> None:
    kept, packings = kept_panels(monkeypatch)
    x, weight = tensor(64, 40), tensor(40, 48)
    y = cnp.tanh(x @ weight)
    results = [evaluate(y, backend="mosaic") for _ in range(3)]
    assert len(packings) == 1
    np.testing.assert_array_equal(results[0], results[2])
    assert_same_values(results[0], evaluate(y))
    del y, weight
    gc.collect()
    assert not kept[-1].latest


def test_panels_end_with_their_program_without_a_garbage_collection(monkeypatch: pytest.MonkeyPatch) -> None:
    kept, packings = kept_panels(monkeypatch)
    x, weight = tensor(64, 40), tensor(40, 48)
    run = MosaicBackend().prepare(program_of([cnp.tanh(x @ weight)]))
    right = evaluate(weight)
    right.flags.writeable = False
    run([evaluate(x), right])
    assert packings
    ((_, (panels, *_)),) = kept[-1].latest.values()
    dead = weakref.ref(panels)
    kept.clear()
    gc.disable()
    try:
        del run, panels
        assert dead() is None
    finally:
        gc.enable()


def test_an_array_that_may_change_is_packed_each_time() -> None:
    x, weight = tensor(64, 40), cnp.asarray(np.ones((40, 48), "float32"))
    run = MosaicBackend().prepare(program_of([x @ weight]))
    left, right = evaluate(x), np.ones((40, 48), "float32")
    run([left, right])
    right[:] = 2
    np.testing.assert_allclose(run([left, right])[0], left @ right, rtol=1e-4, atol=1e-4)


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache where nothing lies that would make a compiler unnecessary."""
    monkeypatch.setenv("COMPOSIT_CACHE_DIR", str(tmp_path / "cache"))


@pytest.mark.usefixtures("empty_cache")
def test_without_a_compiler_numpy_runs_the_program_after_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "/nowhere/cc")
    x = cnp.zeros((3, 4), dtype="float32")
    array = evaluate(tensor(3, 4))
    with pytest.warns(UserWarning, match="no C compiler|CC names"):
        model = mosaic.compile([cnp.exp(x) + tensor(4), x.sum(axis=0)], inputs=[x])
    first, second = model(array)
    assert_same_values(first, np.exp(array) + evaluate(tensor(4)))
    assert_same_values(second, array.sum(axis=0))
    place = np.empty((3, 4), "float32")
    assert model(array, out=[place, np.empty(4, "float32")])[0] is place
    assert "kernel_0" in model.source
    with pytest.raises(ShapeError, match=r"\(2, 4\)"):
        model(array[:2])
    with pytest.raises(CompilerNotFoundError, match="no kernels to time"):
        model.profile(array)


@pytest.mark.usefixtures("empty_cache")
def test_where_nothing_may_be_executed_numpy_runs_the_program_after_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    runtime_library()
    monkeypatch.setattr(library, "_may_execute", lambda descriptor: False)
    x = cnp.zeros((3, 4), dtype="float32")
    with pytest.warns(UserWarning, match=r"there is no place for compiled code: .*not be executed.*mounted noexec"):
        model = mosaic.compile(cnp.exp(x) + 5, inputs=[x])
    np.testing.assert_array_equal(model(np.zeros((3, 4), "float32")), np.full((3, 4), 6, "float32"))
    assert cnp.evaluate(x + 5, backend="mosaic").tolist() == [[5.0] * 4] * 3


@pytest.mark.usefixtures("empty_cache")
def test_the_warning_comes_once_whatever_becomes_of_filters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "/nowhere/another/cc")
    x = cnp.zeros(3)
    with warnings.catch_warnings(record=True) as seen:
        for number in range(3):
            warnings.simplefilter("always")
            mosaic.compile(x + number, inputs=[x])
    assert len([each for each in seen if "no C compiler" in str(each.message)]) == 1


def test_an_error_names_the_line_of_the_program_that_runs_and_not_of_an_equal_one() -> None:
    table, ids = tensor(5, 3), cnp.asarray(np.array([0, 1]))
    wrong = {ids: np.array([0, 7])}
    first = cnp.take(table, ids, axis=0)
    evaluate(first, inputs={ids: np.array([1, 0])}, backend="mosaic")
    for _ in range(2):
        second = cnp.take(table, cnp.asarray(np.array([1, 1])), axis=0)  # this line
        third = cnp.take(table, ids, axis=0)  # that line
        assert second.shape == third.shape
        with pytest.raises(IndexError, match="that line"):
            evaluate(third, inputs=wrong, backend="mosaic")
