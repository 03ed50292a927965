"""`mosaic.compile` as people use it: containers, inputs, errors, guards, threads, islands, reports."""

import copy
import pickle
import subprocess
import sys
import threading
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import composit as cnp
import mosaic
from composit.errors import DtypeError, GuardError, ParameterError, ShapeError, UnreachedInputError
from composit.nn.core import wrap_as_operation
from tests.mosaic.comparison import assert_same_values, tensor
from tests.sampling import in_turn


def small_model(**settings: Any) -> tuple[Any, Any]:
    """A model of one input, and what it should return for 3 x 4 ones."""
    x = cnp.zeros((3, 4), dtype="float32")
    weight = tensor(4, 5)
    output = cnp.tanh(x @ weight)
    return mosaic.compile(output, inputs=[x], **settings), np.tanh(np.ones((3, 4), "f4") @ cnp.evaluate(weight))


def test_a_call_takes_new_values_and_keeps_constants() -> None:
    model, expected = small_model()
    assert_same_values(model(np.ones((3, 4), "float32")), expected)


def test_outputs_come_back_in_their_containers() -> None:
    x = cnp.zeros(3)
    model = mosaic.compile({"sum": x + 1, "others": [x * 2, (x, 5)]}, inputs=[x])
    result = model(np.arange(3.0))
    np.testing.assert_array_equal(result["sum"], [1, 2, 3])
    np.testing.assert_array_equal(result["others"][0], [0, 2, 4])
    np.testing.assert_array_equal(result["others"][1][0], [0, 1, 2])
    assert result["others"][1][1] == 5


def test_results_share_memory_with_nothing() -> None:
    x = cnp.zeros(3)
    model = mosaic.compile([x, x], inputs=[x])
    given = np.ones(3)
    first, second = model(given)
    first[:] = 7
    np.testing.assert_array_equal(given, 1)
    np.testing.assert_array_equal(second, 1)
    np.testing.assert_array_equal(model(given)[0], 1)


def test_results_of_islands_share_memory_with_nothing() -> None:
    @wrap_as_operation()
    def same(array: np.ndarray) -> np.ndarray:
        return array

    x, given = cnp.zeros(3), np.ones(3)
    for value in (same(x), cnp.lib.stride_tricks.sliding_window_view(x, 3), x.view("int64")):
        model = mosaic.compile(value, inputs=[x])
        model(given)[...] = 7
        np.testing.assert_array_equal(given, 1)
        np.testing.assert_array_equal(model(given), cnp.evaluate(value, inputs={x: given}))


def test_out_is_filled_and_returned() -> None:
    model, expected = small_model()
    place = np.empty((3, 5), "float32")
    assert model(np.ones((3, 4), "float32"), out=[place]) is place
    assert_same_values(place, expected)


def test_outputs_are_scalars_where_numpy_gives_scalars() -> None:
    x, given = cnp.zeros(4), np.arange(4.0)
    outputs = {
        "scalars": [x.sum(), x[1], cnp.argmax(x)],
        "arrays": (x[1, ...], x.sum(keepdims=True), x.reshape(2, 2)[0]),
    }
    found = mosaic.compile(outputs, inputs=[x])(given)
    expected = cnp.evaluate(outputs, inputs={x: given})
    for kind in outputs:
        assert [type(one) for one in found[kind]] == [type(one) for one in expected[kind]]
        for one, other in zip(found[kind], expected[kind], strict=True):
            np.testing.assert_array_equal(one, other)


def test_a_scalar_is_written_to_the_array_that_is_given() -> None:
    x, place = cnp.zeros(4), np.zeros(())
    assert mosaic.compile(x.sum(), inputs=[x])(np.arange(4.0), out=place) is place
    assert place == 6.0


def test_guarded_outputs_are_scalars_too() -> None:
    x = cnp.ones(4)
    total = x.sum() if x[0] > 0 else x
    assert type(mosaic.compile(total, inputs=[x])(np.ones(4))) is np.float64


def test_an_array_that_is_not_contiguous_is_read_as_it_is() -> None:
    model, _ = small_model()
    array = np.arange(24, dtype="float32").reshape(4, 6)[:, ::2].T
    np.testing.assert_array_equal(model(array), model(np.ascontiguousarray(array)))


def test_an_inner_value_may_be_an_input() -> None:
    x = cnp.ones(3)
    y = cnp.exp(x)
    model = mosaic.compile(y * 2, inputs=[y])
    np.testing.assert_array_equal(model(np.arange(3.0)), [0, 2, 4])


def test_inputs_come_in_the_order_in_which_they_were_given() -> None:
    x, y = cnp.zeros(2), cnp.zeros(2)
    for inputs in ([x, y], [y, x]):
        model = mosaic.compile(x - y, inputs=inputs)
        given = [np.ones(2) if each is x else np.zeros(2) for each in inputs]
        np.testing.assert_array_equal(model(*given), 1)


def test_a_wrong_shape_names_both_shapes() -> None:
    model, _ = small_model()
    with pytest.raises(ShapeError, match=r"\(2, 4\).*\(3, 4\)"):
        model(np.ones((2, 4), "float32"))


def test_a_wrong_dtype_names_both_dtypes() -> None:
    model, _ = small_model()
    with pytest.raises(DtypeError, match=r"float64.*float32"):
        model(np.ones((3, 4)))


def test_a_wrong_number_of_arrays_is_an_error() -> None:
    model, _ = small_model()
    with pytest.raises(TypeError, match="2 arrays"):
        model(np.ones((3, 4), "f4"), np.ones(3))
    with pytest.raises(TypeError, match="out has 2 arrays"):
        model(np.ones((3, 4), "f4"), out=[np.ones(3), np.ones(3)])


def test_an_input_that_nothing_reaches_is_an_error() -> None:
    x, y = cnp.zeros(2), cnp.zeros(2)
    with pytest.raises(UnreachedInputError, match="no output depends"):
        mosaic.compile(x + 1, inputs=[x, y])


def test_an_input_given_twice_is_an_error() -> None:
    x = cnp.zeros(2)
    with pytest.raises(ParameterError, match="each tensor once"):
        mosaic.compile(x + 1, inputs=[x, x])


def test_an_unknown_way_to_treat_guards_is_an_error() -> None:
    x = cnp.zeros(2)
    with pytest.raises(ParameterError, match="'check' or 'ignore'"):
        mosaic.compile(x + 1, inputs=[x], guards="maybe")


def branching() -> tuple[Any, Any]:
    """A program whose graph depends on a value that Python read."""
    x = cnp.asarray(np.array([1.0, 2.0]))
    return x, x * 2 if (x.sum() > 0) else x * 3


def test_a_branch_that_would_go_the_other_way_is_an_error_with_its_line() -> None:
    x, y = branching()
    model = mosaic.compile(y, inputs=[x])
    np.testing.assert_array_equal(model(np.array([2.0, 3.0])), [4, 6])
    with pytest.raises(GuardError, match=r"x\.sum\(\) > 0"):
        model(np.array([-2.0, -3.0]))


def test_guards_can_be_ignored() -> None:
    x, y = branching()
    model = mosaic.compile(y, inputs=[x], guards="ignore")
    np.testing.assert_array_equal(model(np.array([-2.0, -3.0])), [-4, -6])


def test_an_index_out_of_bounds_is_an_error_with_its_line() -> None:
    table, ids = tensor(5, 3), cnp.asarray(np.array([0, 1]))
    model = mosaic.compile(cnp.take(table, ids, axis=0), inputs=[ids])
    np.testing.assert_array_equal(model(np.array([4, -5])), cnp.evaluate(table)[[4, -5]])
    for wrong in (5, -6):
        with pytest.raises(IndexError, match=r"take: an index is out of bounds(.|\n)*cnp\.take\(table, ids"):
            model(np.array([0, wrong]))


def test_operations_without_a_lowering_run_through_numpy() -> None:
    x = cnp.abs(tensor(6, 5, dtype="float64")) + 1
    y = cnp.exp(-cnp.spacing(x + 1)) * cnp.spacing(x)
    model = mosaic.compile(y, inputs=[x])
    assert_same_values(model(cnp.evaluate(x)), cnp.evaluate(y))
    assert model.explain().count("numpy island") == 2


def test_dtypes_that_c_has_not_run_through_numpy() -> None:
    x = tensor(4)
    y = [x * 2j, x.astype("float16") + np.float16(1)]
    model = mosaic.compile(y, inputs=[x])
    for given, expected in zip(model(cnp.evaluate(x)), cnp.evaluate(y), strict=True):
        np.testing.assert_array_equal(given, expected)


def odd_arrays() -> dict[str, np.ndarray]:
    """Arrays of dtypes that generated C does not compute with."""
    return {
        "complex": np.array([1 + 2j, 3]),
        "half": np.array([1.5, 2], "float16"),
        "another byte order": np.array([1.5, 2], ">f8"),
        "text": np.array(["ab", "c"]),
        "text of any length": np.array(["ab", "d" * 40], np.dtypes.StringDType()),
        "dates": np.array(["2020-01-01", "NaT"], "M8[D]"),
        "records": np.array([(1, 2.5), (3, 4.5)], [("a", "i4"), ("b", "f8")]),
        "objects": np.array([None, "a"], object),
    }


def seen(x: Any) -> list[Any]:
    return [x, x[::-1], cnp.stack([x, x]).T, cnp.concatenate([x, x[:1]])]


@pytest.mark.parametrize(("name", "others"), in_turn(odd_arrays(), [False, True]))
def test_values_of_dtypes_that_c_has_not_pass_by_what_is_compiled(name: str, others: bool) -> None:
    array = odd_arrays()[name]
    x, y = cnp.asarray(array), cnp.asarray(np.arange(6.0).reshape(2, 3))
    for value in seen(x):
        model = mosaic.compile([value, cnp.exp(y)], inputs=[x, y] if others else [y])
        first, second = model(*[array] * others, np.zeros((2, 3)))
        assert_same_values(first, cnp.evaluate(value))
        np.testing.assert_array_equal(second, np.ones((2, 3)))
        assert_same_values(cnp.evaluate((value, y + 1), backend="mosaic")[0], cnp.evaluate(value))


def test_an_island_that_writes_to_an_operand_given_twice_gets_one_array() -> None:
    x = cnp.asarray(np.arange(4.0))
    y = x * 2
    y.put([0, -1, 0], y)
    expected = np.arange(4.0) + 1
    expected.put([0, -1, 0], expected)
    for backend in ("mosaic", "torch"):
        assert_same_values(cnp.evaluate(y, inputs={x: (np.arange(4.0) + 1) / 2}, backend=backend), expected)


def test_numpys_scalars_reach_islands_as_scalars() -> None:
    x = cnp.asarray(np.arange(3, dtype="int32"))
    number = cnp.zeros((), int) + 1
    y = x.copy()
    cnp.place(y, x > 0, number + 0)  # numpy casts no array of int64 to int32
    assert_same_values(mosaic.compile(y, inputs=[x])(np.arange(3, dtype="int32")), np.array([0, 1, 1], "int32"))


def test_what_numpy_raises_in_an_island_names_the_line() -> None:
    x = cnp.asarray(np.array([2, 3]))
    model = mosaic.compile(cnp.power(x, x), inputs=[x])
    with pytest.raises(ValueError, match="negative integer powers") as caught:
        model(np.array([2, -3]))
    assert any("cnp.power(x, x)" in note for note in caught.value.__notes__)


def test_two_threads_may_call_one_model() -> None:
    x = cnp.zeros((64, 64), dtype="float32")
    weight = tensor(64, 64)
    model = mosaic.compile(cnp.tanh(cnp.tanh(x @ weight) @ weight), inputs=[x])
    arrays = [np.full((64, 64), value, "float32") for value in (0.1, 0.2, 0.3)]
    expected = [model(array) for array in arrays]
    wrong = []

    def work(index: int) -> None:
        for _ in range(50):
            if not np.array_equal(model(arrays[index]), expected[index]):
                wrong.append(index)

    workers = [threading.Thread(target=work, args=(index,)) for index in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong


def test_the_bits_do_not_depend_on_the_number_of_threads() -> None:
    x = cnp.zeros((200, 300), dtype="float32")
    h = cnp.tanh(x @ tensor(300, 400))
    y = [h.sum(axis=0), h.sum(axis=1), h / h.max(axis=-1, keepdims=True), h.sum()]
    array = cnp.evaluate(tensor(200, 300))
    results = [mosaic.compile(y, inputs=[x], num_threads=threads)(array) for threads in (1, 2, 3)]
    for other in results[1:]:
        for first, second in zip(results[0], other, strict=True):
            assert first.tobytes() == second.tobytes()


def test_a_report_of_buffers_and_kernels() -> None:
    model, _ = small_model(fuse=False)
    assert [record.operations for record in model.kernels] == [("matmul",), ("tanh",)]
    assert model.kernels[0].num_flops == 2 * 3 * 4 * 5
    buffers = model.buffers
    assert buffers.lower_bound_bytes <= buffers.arena_bytes <= buffers.bytes_without_reuse
    assert "arena" in str(buffers)


def test_a_profile_names_every_kernel() -> None:
    model, _ = small_model()
    profile = model.profile(np.ones((3, 4), "float32"), repeat=2)
    assert len(profile.kernels) == len(model.kernels)
    assert "GFLOP/s" in str(profile)
    assert profile.elapsed_ns >= 0


def test_an_explanation_has_a_line_for_every_node() -> None:
    x = tensor(3, 4)
    folded = cnp.asarray(np.ones(4, "float32")) * 3
    model = mosaic.compile(cnp.exp(x.T.T * folded), inputs=[x])
    text = model.explain()
    for words in ("input", "constant", "folded", "a view of its operand", "kernel 0", "a scalar in the code"):
        assert words in text


def test_progress_goes_from_nothing_to_done() -> None:
    seen: list[tuple[str, float]] = []
    small_model(progress=lambda stage, fraction: seen.append((stage, fraction)))
    assert [fraction for _, fraction in seen] == sorted(fraction for _, fraction in seen)
    assert seen[-1] == ("done", 1.0)


def test_progress_true_writes_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    small_model(progress=True)
    assert capsys.readouterr().err.endswith("\n")


def test_memory_is_shared_between_intermediate_results() -> None:
    x = y = tensor(64, 64)
    for weight in [tensor(64, 64, seed=seed) for seed in range(8)]:
        y = cnp.tanh(y @ weight)
    shared, separate = (mosaic.compile(y, inputs=[x], reuse_buffers=reuse) for reuse in (True, False))
    assert shared.buffers.arena_bytes <= 1.1 * shared.buffers.lower_bound_bytes
    assert shared.buffers.arena_bytes < separate.buffers.arena_bytes
    np.testing.assert_array_equal(shared(cnp.evaluate(x)), separate(cnp.evaluate(x)))


def test_a_pickled_model_is_the_same_where_it_is_loaded() -> None:
    x, weight = cnp.zeros((3, 4), dtype="float32"), tensor(4, 5)
    hidden = cnp.tanh(x @ weight)
    # numpy partitions, C adds.
    outputs = {"rows": cnp.partition(hidden, 2, axis=1) + weight[0], "all": hidden.sum()}
    model = mosaic.compile(outputs, inputs=[x], num_threads=1)
    stored = pickle.dumps(model)
    program = (
        "import pickle, sys; model, x = pickle.load(sys.stdin.buffer); sys.stdout.buffer.write(pickle.dumps(model(x)))"
    )
    given = np.ones((3, 4), "float32")
    message = pickle.dumps((model, given))
    answer = subprocess.run([sys.executable, "-c", program], input=message, capture_output=True, check=True).stdout
    expected = model(given)
    for found in (pickle.loads(answer), pickle.loads(stored)(given), copy.deepcopy(model)(given)):
        np.testing.assert_array_equal(found["rows"], expected["rows"])
        assert type(found["all"]) is np.float32
        assert found["all"] == expected["all"]
    loaded = pickle.loads(stored)
    assert (loaded.source, repr(loaded)) == (model.source, repr(model))
    assert (loaded.explain(), loaded.buffers) == (model.explain(), model.buffers)


def test_a_pickled_model_refuses_a_machine_that_cannot_run_it() -> None:
    model, _ = small_model()
    elsewhere = replace(model.options.target, name="other", required_features=("made_up",))
    executable = replace(model._executable, target=elsewhere)
    with pytest.raises(ParameterError, match="code for other was asked for and this machine lacks made_up"):
        pickle.loads(pickle.dumps(executable))


def test_a_model_with_guards_says_what_to_pickle_instead() -> None:
    x = cnp.asarray(np.ones(4))
    model = mosaic.compile(x * 2 if x[0] > 0 else x, inputs=[x])
    with pytest.raises(TypeError, match="(?s)checks values that Python read.*guards='ignore'.*x\\[0\\] > 0"):
        pickle.dumps(model)
