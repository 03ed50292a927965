"""Loops of the intermediate form: scans have numpy's bits, and loops written by hand compute what their text says."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import pytest

import composit.numpy as cnp
import mosaic
from composit.apply import apply
from composit.operation import Operation, TensorType, tensor_type
from mosaic.ir import Carried, Definition, Loop
from mosaic.ir_affine import Symbol, symbol_number
from mosaic.ir_expressions import Apply, Expression, Load, literal
from mosaic.lowering.registry import Context, Value, lower
from mosaic.lowering.scans import at_turn

DTYPES = ["float32", "float64", "int8", "int32", "int64", "uint8", "uint64", "bool"]
SHAPES = [(7,), (1,), (1000,), (3, 50), (50, 3), (4, 5, 6), (2, 1, 33), (40, 2, 3), (0, 3), (3, 0), (1, 1)]
NAMES = ["cumsum", "cumprod"]


def numbers(shape: tuple[int, ...], dtype: str) -> Any:
    values = np.random.default_rng(len(shape)).normal(size=shape) * 3
    return abs(values).astype(dtype) if dtype.startswith("u") else values.astype(dtype)


@pytest.mark.parametrize("fuse", [True, False])
@pytest.mark.parametrize("dtype", DTYPES)
def test_scans_have_numpys_bits_along_any_axis(dtype: str, fuse: bool) -> None:
    arrays = [numbers(shape, dtype) for shape in SHAPES]
    tensors = [cnp.asarray(array) for array in arrays]

    def scans(xp: Any, given: list[Any]) -> list[Any]:
        pairs = [(each, axis) for each in given for axis in range(each.ndim)]
        return [getattr(xp, name)(each, axis=axis) for name in NAMES for each, axis in pairs]

    model = mosaic.compile(scans(cnp, tensors), inputs=tensors, fuse=fuse)
    assert "numpy" not in model.explain()
    with np.errstate(all="ignore"):
        for given, expected in zip(model(*arrays), scans(np, arrays), strict=True):
            np.testing.assert_array_equal(given, expected, strict=True)


@pytest.mark.parametrize("name", NAMES)
def test_special_values_go_through_scans_as_in_numpy(name: str) -> None:
    array = np.array([-0.0, 0.0, np.inf, 1.0, -np.inf, 2.0, np.nan, 3.0] * 3)
    rows = np.stack([np.roll(array, turn) for turn in range(24)])
    x = cnp.asarray(rows)
    model = mosaic.compile([getattr(cnp, name)(x, axis=axis) for axis in (0, 1)], inputs=[x])
    with np.errstate(all="ignore"):
        for axis, given in enumerate(model(rows)):
            expected = getattr(np, name)(rows, axis=axis)
            np.testing.assert_array_equal(given, expected)
            np.testing.assert_array_equal(np.signbit(given), np.signbit(expected))


def test_integers_wrap_and_dtypes_are_promoted_as_in_numpy() -> None:
    x = cnp.asarray(np.array([2**62, 2**62, 2**62, 5]))
    small = cnp.asarray(np.array([200, 100], "uint8"))
    outputs = [
        cnp.cumsum(x),
        cnp.cumprod(x),
        cnp.cumsum(small),
        cnp.cumsum(small, dtype="uint8"),
        cnp.cumsum(x, dtype="f4"),
    ]
    model = mosaic.compile(outputs, inputs=[x, small])
    a, b = np.array([2**62, 2**62, 2**62, 5]), np.array([200, 100], "uint8")
    expected = [np.cumsum(a), np.cumprod(a), np.cumsum(b), np.cumsum(b, dtype="uint8"), np.cumsum(a, dtype="f4")]
    for given, wanted in zip(model(a, b), expected, strict=True):
        np.testing.assert_array_equal(given, wanted, strict=True)


@pytest.mark.parametrize("dtype", ["complex64", "complex128", "float16"])
def test_scans_that_c_does_not_compute_are_numpys(dtype: str) -> None:
    array = numbers((5, 6), "float64").astype(dtype)
    x = cnp.asarray(array)
    model = mosaic.compile([cnp.cumsum(x, axis=1), cnp.cumprod(x)], inputs=[x])
    with np.errstate(all="ignore"):
        for given, expected in zip(model(array), [np.cumsum(array, axis=1), np.cumprod(array)], strict=True):
            np.testing.assert_array_equal(given, expected, strict=True)


def test_operands_of_any_layout_and_what_stands_around_a_scan() -> None:
    array = numbers((40, 30), "float64")
    x = cnp.asarray(array)

    def program(xp: Any, a: Any) -> list[Any]:
        return [
            xp.cumsum(a[::-2, 3:].T, axis=1),
            xp.cumsum(xp.abs(a) * 2 - a[0], axis=0) / 3,
            xp.cumsum(xp.broadcast_to(a[0], (5, 30)), axis=0),
            xp.cumprod(xp.cumsum(a > 0, axis=1)[:, ::-1] % 3 + 1, axis=0).sum(axis=0),
            xp.maximum.accumulate(a, axis=1),
            xp.minimum.accumulate(a > 0, axis=0),
        ]

    for fuse in (True, False):
        for given, expected in zip(
            mosaic.compile(program(cnp, x), inputs=[x], fuse=fuse)(array), program(np, array), strict=True
        ):
            np.testing.assert_array_equal(given, expected, strict=True)


@pytest.mark.parametrize("axis", [0, 1])
def test_what_a_scan_sums_up_may_be_chosen_by_indices(axis: int) -> None:
    array, places = numbers((9, 50), "float64"), np.array([3, 8, -9, 0, 3, 3, 1])
    x, chosen = cnp.asarray(array), cnp.asarray(places)
    outputs = [cnp.cumsum(x[chosen], axis=axis), cnp.cumsum(cnp.take(x, chosen, axis=1), axis=axis)]
    model = mosaic.compile(outputs, inputs=[x, chosen])
    assert len(model.kernels) == 2
    expected = [np.cumsum(array[places], axis=axis), np.cumsum(np.take(array, places, axis=1), axis=axis)]
    for given, wanted in zip(model(array, places), expected, strict=True):
        np.testing.assert_array_equal(given, wanted)
    with pytest.raises(IndexError):
        model(array, places + 3)


def test_what_a_scan_reads_is_computed_in_its_turns() -> None:
    x = cnp.asarray(numbers((6, 5), "float64"))
    model = mosaic.compile(cnp.cumsum(cnp.exp(x) + 1, axis=0), inputs=[x])
    assert [kernel.operations for kernel in model.kernels] == [("exp", "add", "cumsum")]
    assert model.buffers.arena_bytes == 0


def test_long_scans_cost_memory_for_their_result_only() -> None:
    x = cnp.asarray(np.ones(1 << 20))
    model = mosaic.compile(cnp.cumsum(x), inputs=[x])
    assert model.buffers.arena_bytes == 0
    np.testing.assert_array_equal(model(np.ones(1 << 20)), np.arange(1, (1 << 20) + 1))


def test_results_do_not_depend_on_the_number_of_threads() -> None:
    array = numbers((300, 700), "float32")
    x = cnp.asarray(array)
    outputs = [cnp.cumsum(x, axis=axis) for axis in (0, 1)]
    results = [mosaic.compile(outputs, inputs=[x], num_threads=count)(array) for count in (1, 4)]
    for one, other in zip(*results, strict=True):
        np.testing.assert_array_equal(one, other)


@dataclass(frozen=True, slots=True)
class ByHand(Operation):
    """An operation of this file: numpy computes it by a function of that name, and a lowering writes loops."""

    function: str

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        stand_ins = [np.ones(each.shape, each.dtype) for each in operand_types]
        result = BY_HAND[self.function][0](*stand_ins)
        return (tensor_type(result.shape, result.dtype),)

    def evaluate(self, *operands: Any) -> Any:
        return BY_HAND[self.function][0](*operands)


@lower.register
def _(operation: ByHand, context: Context) -> Sequence[Value]:
    return BY_HAND[operation.function][1](context)


def added(*terms: Expression) -> Expression:
    return reduce(lambda one, other: Apply("add", (one, other), one.dtype), terms)


def times(one: Expression, other: Expression) -> Expression:
    return Apply("multiply", (one, other), one.dtype)


def number(value: float) -> Expression:
    return literal(value, np.dtype("float64"))


def second_order(x: Any) -> Any:
    """y[i] = x[i] + 0.5 y[i - 1] - 0.25 y[i - 2] along the first axis."""
    y = np.zeros((len(x) + 2, *x.shape[1:]))
    for i in range(len(x)):
        y[i + 2] = (x[i] + 0.5 * y[i + 1]) + -0.25 * y[i]
    return y[2:]


def write_second_order(context: Context) -> Sequence[Value]:
    result, x = context.result(), context.view(0)
    i = Symbol("i", x.shape[0])
    place, shape, origins = at_turn(result, 0, i), x.shape[1:], (context.position,)
    last, before_last, new = (context.memory.temporary(shape, result.dtype) for _ in range(3))
    rest = times(number(0.5), Load(last)), times(number(-0.25), Load(before_last))
    body = (
        Definition(new, added(Load(at_turn(x, 0, i)), *rest), origins),
        Definition(place, Load(new), origins),
    )
    # The last becomes the one before it: carried values change places at once.
    carried = (Carried(last, new, number(0)), Carried(before_last, last, number(0)))
    context.statements.append(Loop(i, i.most, body, carried))
    return (result,)


def pairs(x: Any) -> Any:
    """y[i] = sum over j <= i of x[i] x[j], a loop of growing length in a loop."""
    return np.stack([sum((x[i] * x[j] for j in range(i + 1)), 0 * x[0]) for i in range(len(x))])


def write_pairs(context: Context) -> Sequence[Value]:
    result, x = context.result(), context.view(0)
    i, j = Symbol("i", x.shape[0]), Symbol("j", x.shape[0])
    total, new = (context.memory.temporary(x.shape[1:], result.dtype) for _ in range(2))
    term = times(Load(at_turn(x, 0, i)), Load(at_turn(x, 0, j)))
    origins = (context.position,)
    inner = Loop(
        j,
        symbol_number(i) + 1,
        (Definition(new, added(Load(total), term), origins),),
        (Carried(total, new, number(0)),),
    )
    store = Definition(at_turn(result, 0, i), Load(total), origins)
    context.statements.append(Loop(i, i.most, (inner, store)))
    return (result,)


def last_of_recurrence(x: Any) -> Any:
    h = np.zeros(x.shape[1:])
    for row in x:
        h = np.tanh(h) * 0.5 + row
    return h


def write_last_of_recurrence(context: Context) -> Sequence[Value]:
    result, x = context.result(), context.view(0)
    i = Symbol("i", x.shape[0])
    new = context.memory.temporary(result.shape, result.dtype)
    value = added(times(Apply("tanh", (Load(result),), result.dtype), number(0.5)), Load(at_turn(x, 0, i)))
    body = (Definition(new, value, (context.position,)),)
    context.statements.append(Loop(i, i.most, body, (Carried(result, new, number(0)),)))
    return (result,)


def lstm_gates(gates: Any) -> Any:
    """Cell and hidden state of an LSTM whose gates do not look at the hidden state: two values carried together."""
    cell, hidden, found = np.zeros(gates.shape[2]), np.zeros(gates.shape[2]), []
    for forget, update, value, output in gates:
        cell = forget * cell + update * value
        hidden = output * np.tanh(cell) + 0.5 * hidden
        found.append(hidden)
    return np.stack(found)


def write_lstm_gates(context: Context) -> Sequence[Value]:
    result, gates = context.result(), context.view(0)
    i, origins = Symbol("i", gates.shape[0]), (context.position,)
    forget, update, value, output = (Load(at_turn(gates, 0, i).slice_axis(0, k, 1).drop_axes((0,))) for k in range(4))
    cell, new_cell, hidden, new_hidden = (context.memory.temporary(result.shape[1:], result.dtype) for _ in range(4))
    bent = Apply("tanh", (Load(new_cell),), result.dtype)
    body = (
        Definition(new_cell, added(times(forget, Load(cell)), times(update, value)), origins),
        Definition(new_hidden, added(times(output, bent), times(number(0.5), Load(hidden))), origins),
        Definition(at_turn(result, 0, i), Load(new_hidden), origins),
    )
    carried = (Carried(cell, new_cell, number(0)), Carried(hidden, new_hidden, number(0)))
    context.statements.append(Loop(i, i.most, body, carried))
    return (result,)


BY_HAND: dict[str, tuple[Callable[..., Any], Callable[[Context], Sequence[Value]]]] = {
    "second_order": (second_order, write_second_order),
    "pairs": (pairs, write_pairs),
    "last_of_recurrence": (last_of_recurrence, write_last_of_recurrence),
    "lstm_gates": (lstm_gates, write_lstm_gates),
}


@pytest.mark.parametrize("fuse", [True, False])
@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("second_order", (9, 40)),
        ("second_order", (50,)),
        ("second_order", (1, 3, 7)),
        ("pairs", (12, 5)),
        ("pairs", (40,)),
        ("last_of_recurrence", (9, 4, 10)),
        ("lstm_gates", (6, 4, 35)),
    ],
)
def test_loops_written_by_hand_compute_what_they_say(name: str, shape: tuple[int, ...], fuse: bool) -> None:
    array = numbers(shape, "float64") / 3
    x = cnp.asarray(array)
    # Values before and after: they are fused into the turns, or run in kernels of their own.
    model = mosaic.compile(apply(ByHand(name), x * 2) + 1, inputs=[x], fuse=fuse)
    np.testing.assert_allclose(model(array), BY_HAND[name][0](array * 2) + 1, rtol=1e-13, atol=1e-15)
    assert "numpy" not in model.explain()


@pytest.mark.parametrize("axis", [0, None])
def test_a_single_running_sum_declares_no_index_that_it_does_not_use(axis: int | None) -> None:
    x = cnp.asarray(np.arange(150))
    text = mosaic.emit(cnp.cumsum(x, axis=axis), [x])
    assert "carried" in text
    assert all(len(re.findall(r"\brow\b", function)) != 1 for function in text.split("\n}\n"))
