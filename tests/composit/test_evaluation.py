import gc
import weakref
from collections import OrderedDict, namedtuple
from dataclasses import dataclass

import numpy as np
import pytest

import composit as cnp
from composit.apply import placeholder
from composit.backends import get_backend, register_backend
from composit.errors import (
    DtypeError,
    GuardError,
    OperandError,
    ParameterError,
    ShapeError,
    UnknownBackendError,
    UnreachedInputError,
    UnsupportedOperationError,
)
from composit.evaluation import clear_prepared_programs, prepare
from composit.interpreter import NumpyBackend
from composit.nn import chain_rule
from composit.operation import tensor_type
from composit.program import program_of

Point = namedtuple("Point", "x y")


@dataclass
class Record:
    value: object
    note: str


class CountingBackend:
    """Counts what it prepares and runs."""

    def __init__(self):
        self.prepared = 0
        self.instructions = 0

    def prepare(self, program):
        self.prepared += 1
        run = NumpyBackend().prepare(program)

        def counted(values):
            self.instructions += len(program.instructions)
            return run(values)

        return counted


def test_one_tensor_gives_an_array_and_several_a_tuple():
    x = cnp.ones((2,))
    assert isinstance(cnp.evaluate(x), np.ndarray)
    assert isinstance(cnp.evaluate(x, x + 1), tuple)


def test_nested_containers_come_back_as_such():
    x = cnp.ones((2,))
    value = cnp.evaluate({"a": [x, (x + 1, 3)], "b": Point(x, "text"), "c": Record(x + 2, "n"), "d": OrderedDict(k=x)})
    assert value["b"].y == "text"
    assert isinstance(value["b"], Point)
    assert isinstance(value["c"], Record)
    assert isinstance(value["d"], OrderedDict)
    np.testing.assert_array_equal(value["a"][1][0], [2, 2])
    assert value["a"][1][1] == 3
    np.testing.assert_array_equal(value["c"].value, [3, 3])


def test_things_that_are_not_tensors_come_back_as_they_are():
    array = np.ones(3)
    assert cnp.evaluate(array) is array
    assert cnp.evaluate(3, "a", None) == (3, "a", None)


def test_the_common_subgraph_runs_once():
    x = cnp.asarray(np.ones(3))
    shared = cnp.exp(x)
    backend = CountingBackend()
    cnp.evaluate(shared + 1, shared * 2, backend=backend)
    # x, exp, 1, add, 2, multiply
    assert backend.instructions == 6


def test_a_program_of_the_same_structure_is_prepared_once():
    backend = CountingBackend()
    for start in range(3):
        x = cnp.asarray(np.arange(start, start + 3.0))
        np.testing.assert_array_equal(cnp.evaluate(x * 2, backend=backend), np.arange(start, start + 3.0) * 2)
    assert backend.prepared == 1
    clear_prepared_programs()
    cnp.evaluate(cnp.asarray(np.arange(3.0)) * 2, backend=backend)
    assert backend.prepared == 2


def test_a_scalar_is_part_of_the_structure():
    x = cnp.asarray(np.ones(3))
    assert program_of([x * 2]).digest == program_of([cnp.asarray(np.ones(3)) * 2]).digest
    assert program_of([x * 2]).digest != program_of([x * 3]).digest
    assert program_of([x * 2]).digest != program_of([x * 2.0]).digest


def test_the_structure_ignores_serials():
    assert program_of([cnp.zeros(3) + 1]).digest == program_of([cnp.zeros(3) + 1]).digest


def test_the_same_program_runs_on_new_inputs():
    x = cnp.asarray([1.0, 2.0])
    y = cnp.exp(x) + x
    value = cnp.evaluate(y, inputs={x: np.array([3.0, 4.0])})
    np.testing.assert_array_equal(value, np.exp([3.0, 4.0]) + [3.0, 4.0])
    np.testing.assert_array_equal(cnp.evaluate(y), np.exp([1.0, 2.0]) + [1.0, 2.0])


def test_an_inner_value_can_be_given():
    x = cnp.asarray([1.0, 2.0])
    inner = x * 100
    np.testing.assert_array_equal(cnp.evaluate(inner + 1, inputs={inner: [5.0, 6.0]}), [6, 7])


def test_an_output_can_be_given_itself():
    x = cnp.asarray([1.0, 2.0])
    np.testing.assert_array_equal(cnp.evaluate(x, inputs={x: [5.0, 6.0]}), [5, 6])


def test_a_renamed_input_is_the_same_input():
    x = cnp.asarray([1.0, 2.0])
    y = cnp.with_name(x, "weight") * 2
    np.testing.assert_array_equal(cnp.evaluate(y, inputs={x: [5.0, 6.0]}), [10, 12])


def test_an_input_that_nothing_reaches_is_an_error():
    x, z = cnp.asarray([1.0]), cnp.asarray([2.0])
    with pytest.raises(UnreachedInputError, match="no output depends on"):
        cnp.evaluate(x + 1, inputs={z: [3.0]})


def test_an_unreached_input_names_the_read_that_dropped_it():
    x = cnp.asarray(2.0)
    y = cnp.ones(3) * float(x)
    with pytest.raises(UnreachedInputError, match=r"read by Python[\s\S]*float at[\s\S]*float\(x\)"):
        cnp.evaluate(y, inputs={x: 3.0})


@pytest.mark.parametrize(
    ("value", "error", "words"),
    [
        (np.ones(3), ShapeError, r"shape \(3,\); expected \(2,\)"),
        (np.ones(2, "float32"), DtypeError, "dtype float32; expected float64"),
    ],
)
def test_an_array_that_does_not_fit_is_an_error(value, error, words):
    x = cnp.asarray([1.0, 2.0])
    with pytest.raises(error, match=words):
        cnp.evaluate(x + 1, inputs={x: value})


def test_a_placeholder_needs_a_value():
    x = placeholder(tensor_type((2,), "float64"), "x")
    np.testing.assert_array_equal(cnp.evaluate(x + 1, inputs={x: [1.0, 2.0]}), [2, 3])
    with pytest.raises(DtypeError, match="has no value of its own"):
        cnp.evaluate(x + 1)


def test_results_share_memory_with_nothing():
    data = np.arange(6.0)
    x = cnp.asarray(data)
    first = cnp.evaluate(x)
    first[:] = -1
    a, b, c = cnp.evaluate(x, x, cnp.reshape(x, (2, 3)))
    assert not np.shares_memory(a, b)
    assert not np.shares_memory(a, c)
    assert a.flags.writeable
    np.testing.assert_array_equal(a, np.arange(6.0))


def test_intermediate_arrays_are_freed_when_nothing_reads_them():
    alive = weakref.WeakSet()
    most = []

    class Tracked(np.ndarray):
        pass

    @cnp.wrap_as_operation(result_types=lambda x: x)
    def step(x):
        result = (x + 1).view(Tracked)
        alive.add(_Token(result))
        most.append(sum(1 for token in alive if token.array() is not None))
        return result

    tokens = []

    class _Token:
        def __init__(self, array):
            self.array = weakref.ref(array)
            tokens.append(self)

    y = cnp.ones((1000,))
    for _ in range(20):
        y = step(y)
    cnp.evaluate(y)
    assert max(most) <= 2


def test_results_that_nothing_reads_are_freed_at_once():
    parts = []

    @cnp.wrap_as_operation(result_types=lambda x: (x, x))
    def both(x):
        two = (x + 1, x + 2)
        parts.append(weakref.ref(two[1]))
        return two

    @cnp.wrap_as_operation(result_types=lambda x: x)
    def later(x):
        return x + sum(part() is not None for part in parts)

    first, _ = both(cnp.zeros((1000,)))
    assert cnp.evaluate(later(first))[0] == 1.0


def test_an_unknown_backend_is_named_with_those_that_exist():
    with pytest.raises(UnknownBackendError, match=r"'fortran' is not known; available: .*numpy"):
        cnp.evaluate(cnp.ones(2), backend="fortran")


def test_something_that_is_no_backend_is_an_error():
    with pytest.raises(TypeError, match="expected a name such as 'numpy' or an object with prepare"):
        cnp.evaluate(cnp.ones(2), backend=3)
    with pytest.raises(TypeError, match="prepare"):
        register_backend("x", object())


def test_a_backend_can_be_registered_by_name():
    backend = CountingBackend()
    register_backend("counting", backend)
    assert get_backend("counting") is backend
    np.testing.assert_array_equal(cnp.evaluate(cnp.ones(2) + 1, backend="counting"), [2, 2])
    assert backend.prepared == 1


def test_an_error_at_evaluation_keeps_its_class_and_shows_the_users_line():
    @cnp.wrap_as_operation(result_types=lambda x: x)
    def fails(x):
        raise ZeroDivisionError("on purpose")

    with cnp.name_scope("encoder"):
        y = fails(cnp.ones(2))  # the line
    with pytest.raises(ZeroDivisionError) as caught:
        cnp.evaluate(y + 1)
    note = "\n".join(caught.value.__notes__)
    assert "fails(float64[2]) in encoder" in note
    assert "y = fails(cnp.ones(2))  # the line" in note
    assert __file__ in note


def test_prepare_is_given_the_program():
    x = cnp.asarray([1.0, 2.0])
    run = prepare(program_of([x + 1]), get_backend("numpy"))
    np.testing.assert_array_equal(run([np.array([5.0, 5.0])])[0], [6, 6])


def test_guards_must_be_a_known_word():
    with pytest.raises(ParameterError, match="expected 'check' or 'ignore'"):
        cnp.evaluate(cnp.ones(2), guards="maybe")


def test_a_long_chain_builds_evaluates_and_goes_without_recursion():
    x = cnp.asarray(np.zeros(2))
    y = x
    for _ in range(100_000):
        y = y + x
    last = weakref.ref(y.node)
    np.testing.assert_array_equal(cnp.evaluate(y), [0, 0])
    assert hash(y.node) == hash(y.node)
    del y
    gc.collect()
    assert last() is None


def test_a_read_that_steered_is_checked_on_new_inputs():
    x = cnp.asarray([1.0, 2.0])
    y = x * 2 if cnp.sum(x) > 0 else x * 3  # the branch
    np.testing.assert_array_equal(cnp.evaluate(y, inputs={x: [3.0, 4.0]}), [6, 8])
    with pytest.raises(GuardError, match=r"the branch[\s\S]*bool read True"):
        cnp.evaluate(y, inputs={x: [-3.0, -4.0]})
    np.testing.assert_array_equal(cnp.evaluate(y, inputs={x: [-3.0, -4.0]}, guards="ignore"), [-6, -8])


def test_a_read_after_the_graph_was_built_steers_nothing():
    x = cnp.asarray([1.0, 2.0])
    y = cnp.sum(x * 2)
    assert float(y) == 6
    assert cnp.evaluate(y, inputs={x: [3.0, 4.0]}) == 14


def test_printing_is_no_guard():
    x = cnp.asarray([1.0, 2.0])
    str(x)
    np.testing.assert_array_equal(cnp.evaluate(x * 2, inputs={x: [3.0, 4.0]}), [6, 8])


def test_a_loop_that_reads_runs_in_linear_time():
    runs = []

    @cnp.wrap_as_operation(result_types=lambda x: x)
    def halve(x):
        runs.append(1)
        return x / 2

    x = cnp.asarray(np.array([2.0**300, 2.0**299]))
    rounds = 0
    while cnp.max(x) > 1:
        x = halve(x)
        rounds += 1
    assert rounds == 300
    assert len(runs) == rounds


def test_a_loop_that_reads_keeps_only_the_arrays_of_live_handles():
    x = cnp.asarray(np.ones(1000))
    values = []
    for _ in range(50):
        x = x + 1
        assert cnp.max(x) > 0
        values.append(weakref.ref(x._known.value))
    alive = sum(value() is not None for value in values)
    assert alive <= 4


def test_repr_never_evaluates():
    @cnp.wrap_as_operation(result_types=lambda x: x)
    def fails(x):
        raise AssertionError("evaluated")

    assert "shape=(2,), dtype=float64" in repr(fails(cnp.ones(2)))


class _Additions(CountingBackend):
    """Knows one operation."""

    name = "additions"

    def supports(self, operation, types):
        return operation.name == "add" and len(types) == 1


def test_an_operation_that_a_backend_does_not_support_is_named_before_anything_runs():
    backend = _Additions()
    x = cnp.asarray(np.ones(2))
    np.testing.assert_array_equal(cnp.evaluate(x + 1, backend=backend), [2, 2])
    with cnp.name_scope("encoder"):
        y = cnp.exp(x + 2)
    with pytest.raises(
        UnsupportedOperationError, match=r"exp -> float64\[2\] in encoder .* additions(.|\n)*y = cnp.exp"
    ):
        cnp.evaluate(y, backend=backend)
    assert backend.prepared == 1


def test_inputs_that_are_no_mapping_are_an_error():
    x = cnp.ones(2)
    with pytest.raises(OperandError, match=r"type list; expected a mapping .* inputs=\{tensor: array\}"):
        cnp.evaluate(x + 1, inputs=[x])


def test_evaluating_while_another_error_is_handled_leaves_that_error_as_it_is():
    another = ValueError("another")
    y = cnp.ones(2) * 2
    try:
        raise another
    except ValueError:
        cnp.evaluate(y)
        chain_rule({y: y}, [y])
    assert not hasattr(another, "__notes__")


def test_the_results_of_one_node_are_told_apart_whichever_is_evaluated_first():
    fraction, whole = cnp.modf(cnp.asarray([1.5, 2.25]))
    assert cnp.evaluate(whole).tolist() == [1.0, 2.0]
    assert cnp.evaluate(fraction).tolist() == [0.5, 0.25]
    assert cnp.evaluate(whole).tolist() == [1.0, 2.0]


def test_what_stands_in_place_of_an_input_that_is_not_reached_is_said():
    x = cnp.asarray(np.ones(3))
    middle = cnp.exp(x)
    loss = cnp.sum(middle * 2)
    with pytest.raises(UnreachedInputError, match=r"only through other tensors that are given"):
        cnp.evaluate(loss, inputs={middle: np.ones(3), x: np.ones(3)})
    with pytest.raises(UnreachedInputError, match=r"another tensor of the same expression[\s\S]*middle = cnp\.exp"):
        cnp.evaluate(loss, inputs={cnp.exp(x): np.ones(3)})
    with pytest.raises(UnreachedInputError, match=r"another tensor of the same expression[\s\S]*middle = cnp\.exp"):
        chain_rule({loss: loss}, [cnp.exp(x)])
    x += 1  # the assignment
    with pytest.raises(UnreachedInputError, match=r"was assigned to after[\s\S]*# the assignment"):
        cnp.evaluate(loss, inputs={x: np.ones(3)})


@pytest.mark.parametrize("backend", ["numpy", "mosaic", "torch"])
def test_results_share_no_memory_with_the_arrays_that_are_given(backend):
    x = cnp.asarray(np.zeros(3))
    given = np.ones(3)
    for value in (x, x.copy(), x.real, cnp.ascontiguousarray(x), x.reshape(3, 1)):
        result = cnp.evaluate(value, inputs={x: given}, backend=backend)
        result[...] = 7
        np.testing.assert_array_equal(given, np.ones(3))


def test_a_number_is_no_key_of_inputs():
    with pytest.raises(OperandError, match="inputs: 3 of type int was given as a key; expected a tensor or the name"):
        cnp.evaluate(cnp.ones(2) + 1, inputs={3: np.ones(2)})
