"""Calling compiled functions: what goes in, what comes out, what is refused."""

import threading
from collections.abc import Callable
from pathlib import Path
from timeit import repeat

import numpy as np
import pytest

from composit.errors import CompileError, DtypeError, InternalError, ShapeError
from composit.operation import tensor_type
from mosaic.runtime import array_layout
from mosaic.runtime.array_layout import verify_layout
from mosaic.runtime.compilation import compile_library
from mosaic.runtime.execute import PreparedFunction
from mosaic.runtime.library import load_library
from mosaic.targets import Target
from tests.mosaic.runtime.programs import ADD_SOURCE, num_mapped_bytes, run_source

X = np.arange(4, dtype=np.float32)
Y = np.full(4, 10, np.float32)
EXPECTED = [10, 11, 12, 13]
MATRIX = tensor_type((2, 3), "float64")

# Fills the arena with its input again and again and counts what it does not find there afterwards.
ARENA_SOURCE = run_source(
    """
    const float x = *(const float *)inputs[0];
    volatile float *scratch = (volatile float *)arena;
    long num_wrong = 0;
    for (int round = 0; round < 200; round++) {
        for (int i = 0; i < 4096; i++) scratch[i] = x;
        for (int i = 0; i < 4096; i++) num_wrong += scratch[i] != x;
    }
    *(long *)outputs[0] = num_wrong;
    """
)


class OnlyDLPack:
    """An array of another library that offers nothing else."""

    def __init__(self, array: np.ndarray) -> None:
        self._array = array

    def __dlpack__(self, **arguments: object) -> object:
        return self._array.__dlpack__()

    def __dlpack_device__(self) -> tuple[int, int]:
        return self._array.__dlpack_device__()


@pytest.fixture
def add(prepare: Callable[..., PreparedFunction]) -> PreparedFunction:
    return prepare(ADD_SOURCE)


def unaligned(array: np.ndarray) -> np.ndarray:
    memory = np.zeros(array.nbytes + 1, np.uint8)
    result = memory[1:].view(array.dtype)
    result[:] = array
    return result


@pytest.mark.parametrize(
    "given",
    [
        X,
        X[::-1][::-1],
        np.repeat(X, 2)[::2],
        unaligned(X),
        OnlyDLPack(X),
        np.ma.masked_array(X),
        X.astype(np.dtype("float32", metadata={"unit": "m"})),
    ],
    ids=["plain", "view", "strided", "unaligned", "dlpack", "subclass", "other dtype object"],
)
def test_every_layout_gives_the_same_result(given: object, add: PreparedFunction) -> None:
    (result,) = add.run([given, Y])
    assert type(result) is np.ndarray
    assert (result.dtype, result.tolist()) == (np.float32, EXPECTED)


def test_results_are_fresh_at_each_call(add: PreparedFunction) -> None:
    (first,), (second,) = add.run([X, Y]), add.run([X, X])
    assert not np.shares_memory(first, second)
    assert (first.tolist(), second.tolist()) == (EXPECTED, [0, 2, 4, 6])


def test_read_only_inputs_are_taken(add: PreparedFunction) -> None:
    frozen = X.copy()
    frozen.flags.writeable = False
    assert add.run([frozen, Y])[0].tolist() == EXPECTED


def test_python_numbers_are_not_converted_silently(add: PreparedFunction) -> None:
    with pytest.raises(DtypeError, match="dtype float64"):
        add.run([X.tolist(), Y])


def test_an_interpreter_with_another_layout_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    verify_layout()
    verify_layout.cache_clear()
    monkeypatch.setattr(array_layout, "address_of_fields", lambda array: id(array) + 8)
    with pytest.raises(InternalError, match=r"C reads .*needs CPython and numpy 2"):
        verify_layout()


def test_a_wrong_shape_is_named_and_refused(add: PreparedFunction) -> None:
    with pytest.raises(ShapeError, match=r"input 1 \(right\) has shape \(5,\).*compiled for \(4,\).*compile again"):
        add.run([X, np.zeros(5, np.float32)])


def test_a_wrong_dtype_is_named_and_refused(add: PreparedFunction) -> None:
    with pytest.raises(
        DtypeError, match=r"input 0 \(left\) has dtype float64.*compiled for float32.*astype\('float32'\)"
    ):
        add.run([X.astype(np.float64), Y])


@pytest.mark.parametrize("arrays", [[], [X], [X, Y, Y]])
def test_a_wrong_number_of_arrays_is_refused(arrays: list[np.ndarray], add: PreparedFunction) -> None:
    with pytest.raises(TypeError, match=rf"{len(arrays)} arrays were given as inputs.*has 2"):
        add.run(arrays)


def test_after_a_refused_call_the_next_one_works(add: PreparedFunction) -> None:
    with pytest.raises(ShapeError):
        add.run([X, np.zeros(5, np.float32)])
    assert add.run([X, Y])[0].tolist() == EXPECTED


def test_out_receives_the_result(add: PreparedFunction) -> None:
    place = np.zeros(4, np.float32)
    add.run_into([X, Y], [place])
    assert place.tolist() == EXPECTED


def test_out_may_be_strided_unaligned_or_an_input(add: PreparedFunction) -> None:
    strided, shifted, own = np.zeros(8, np.float32)[::2], unaligned(Y), X.copy()
    for place, left in ((strided, X), (shifted, X), (own, own)):
        add.run_into([left, Y], [place])
        assert place.tolist() == EXPECTED


def test_out_that_cannot_hold_the_result_is_refused(add: PreparedFunction) -> None:
    frozen = Y.copy()
    frozen.flags.writeable = False
    with pytest.raises(TypeError, match=r"out\[0\] is read-only"):
        add.run_into([X, Y], [frozen])
    with pytest.raises(TypeError, match=r"out\[0\] is of type builtins.list"):
        add.run_into([X, Y], [[0.0] * 4])
    with pytest.raises(DtypeError, match=r"out\[0\] has dtype int32"):
        add.run_into([X, Y], [np.zeros(4, np.int32)])
    with pytest.raises(TypeError, match=r"out has 2 arrays; expected one for each of the 1 outputs"):
        add.run_into([X, Y], [Y, Y])


def test_constants_reach_the_program(prepare: Callable[..., PreparedFunction]) -> None:
    source = run_source("for (int i = 0; i < 4; i++) ((float *)outputs[0])[i] = ((const float *)constants)[i];")
    assert prepare(source, inputs=(), constants=X.view(np.uint8)).run([])[0].tolist() == X.tolist()


def test_empty_and_rank_0_arrays_pass(prepare: Callable[..., PreparedFunction]) -> None:
    source = run_source("*(double *)outputs[1] = 2 * *(const double *)inputs[1];")
    types = (tensor_type((0, 3), "float64"), tensor_type((), "float64"))
    empty, number = prepare(source, types, types).run([np.zeros((0, 3)), np.array(4.0)])
    assert (empty.shape, number.shape, float(number)) == ((0, 3), (), 8.0)


def test_two_python_threads_may_call_one_model(prepare: Callable[..., PreparedFunction]) -> None:
    types = (tensor_type((), "float32"),), (tensor_type((), "int64"),)
    function = prepare(ARENA_SOURCE, *types, arena_bytes=4 * 4096)
    counts: list[int] = []

    def call(value: float) -> None:
        given = np.array(value, np.float32)
        counts.extend(int(function.run([given])[0]) for _ in range(20))

    threads = [threading.Thread(target=call, args=(value,)) for value in (1.0, 2.0, 3.0)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts == [0] * 60


def test_arenas_go_back_with_the_function(prepare: Callable[..., PreparedFunction]) -> None:
    before = num_mapped_bytes()
    function = prepare(arena_bytes=256 << 20)
    function.run([X, Y])
    function.run([X, Y])
    assert 256 << 20 <= num_mapped_bytes() - before < 400 << 20, "one arena serves both calls"
    del function
    assert num_mapped_bytes() - before < 128 << 20


def test_a_profile_has_one_time_per_kernel(prepare: Callable[..., PreparedFunction]) -> None:
    source = run_source(
        """
        const long long start = runtime->clock_ns();
        *(float *)outputs[0] = 1;
        if (runtime->kernel_ns) { runtime->kernel_ns[0] += runtime->clock_ns() - start + 1; runtime->kernel_ns[1] = 7; }
        """
    )
    function = prepare(source, inputs=())
    first, second = function.profile([], num_kernels=2)
    assert (first >= 1, second) == (True, 7)
    function.run([])


def test_a_library_without_the_function_is_an_error(target: Target) -> None:
    library = load_library(compile_library("int other = 1;", target=target))
    with pytest.raises(CompileError, match=r"mosaic_run was asked of .*does not export it"):
        library.run_function()


def test_a_file_that_is_no_library_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "library.so"
    path.write_text("not a library")
    with pytest.raises(CompileError, match=r"the dynamic loader says.*cache --clear"):
        load_library(path)


@pytest.mark.benchmark
def test_a_tiny_call_costs_at_most_12_of_numpys_own(add: PreparedFunction) -> None:
    arrays = (X, Y)
    ratios = []
    for _ in range(15):
        ours = min(repeat(lambda: add.run(arrays), number=5000, repeat=2))
        numpys = min(repeat(lambda: X + Y, number=5000, repeat=2))
        ratios.append(ours / numpys)
    assert np.median(ratios) <= 12.0
