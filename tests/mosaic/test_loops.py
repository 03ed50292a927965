"""Loops of the intermediate form: scans have numpy's bits, and loops written by hand compute what their text says."""

import re
from collections.abc import Sequence
from itertools import product
from textwrap import dedent
from typing import Any

import numpy as np
import pytest

import composit.numpy as cnp
import mosaic
from composit.apply import apply
from mosaic.ir.affine import Symbol, symbol_number
from mosaic.ir.expressions import Accumulated, Apply, Expression, Load
from mosaic.ir.loops import Carried, Loop
from mosaic.ir.statements import Definition, Matmul
from mosaic.ir.views import View
from mosaic.lowering.registry import Context, Value
from mosaic.lowering.scans import at_turn
from tests.mosaic.by_hand import BY_HAND, ByHand, added, number, times
from tests.mosaic.c_text import c_text
from tests.sampling import in_turn, one_in

DTYPES = ["float32", "float64", "int8", "int32", "int64", "uint8", "uint64", "bool"]
SHAPES = [(7,), (1,), (1000,), (3, 50), (50, 3), (4, 5, 6), (2, 1, 33), (40, 2, 3), (0, 3), (3, 0), (1, 1)]
NAMES = ["cumsum", "cumprod"]


def numbers(shape: tuple[int, ...], dtype: str) -> Any:
    values = np.random.default_rng(len(shape)).normal(size=shape) * 3
    return abs(values).astype(dtype) if dtype.startswith("u") else values.astype(dtype)


@pytest.mark.parametrize(("dtype", "fuse"), one_in(5, product(DTYPES, [True, False])))
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


@pytest.mark.parametrize("dtype", ["complex64", "complex128", "clongdouble", "float16"])
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


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def lstm(inputs: Any, weights: Any) -> Any:
    """Hidden states of an LSTM; `inputs` are its inputs times their weights, for all four gates."""
    size = weights.shape[0]
    cell, hidden, found = np.zeros(inputs.shape[1:-1] + (size,)), np.zeros(inputs.shape[1:-1] + (size,)), []
    for each in inputs:
        gates = each + hidden @ weights
        update, forget, value, output = (gates[..., k * size : (k + 1) * size] for k in range(4))
        cell = sigmoid(forget) * cell + sigmoid(update) * np.tanh(value)
        hidden = sigmoid(output) * np.tanh(cell)
        found.append(hidden)
    return np.stack(found)


def write_lstm(context: Context) -> Sequence[Value]:
    """A product, and what is computed from it, in each turn: the loop runs around their kernels."""
    result, inputs, weights = context.result(), context.view(0), context.view(1)
    (steps, batch, width), size, dtype = inputs.shape, weights.shape[0], result.dtype
    i, origins = Symbol("i", steps), (context.position,)
    cell, new_cell, hidden, new_hidden = (context.memory.temporary((batch, size), dtype) for _ in range(4))
    product = context.memory.temporary((batch, width), dtype)
    gates = [
        added(*pair) for pair in zip(*(parts_of(view, size) for view in (at_turn(inputs, 0, i), product)), strict=True)
    ]
    opened = [
        Apply("divide", (number(1), added(number(1), Apply("exp", (Apply("negative", (each,), dtype),), dtype))), dtype)
        for each in gates
    ]
    value, bent = Apply("tanh", (gates[2],), dtype), Apply("tanh", (Load(new_cell),), dtype)
    body = (
        Matmul(product, hidden, weights, Accumulated(dtype), origins),
        Definition(new_cell, added(times(opened[1], Load(cell)), times(opened[0], value)), origins),
        Definition(new_hidden, times(opened[3], bent), origins),
        Definition(at_turn(result, 0, i), Load(new_hidden), origins),
    )
    carried = (Carried(cell, new_cell, number(0)), Carried(hidden, new_hidden, number(0)))
    context.statements.append(Loop(i, i.most, body, carried))
    return (result,)


def parts_of(view: View, size: int) -> list[Expression]:
    return [Load(view.slice_axis(view.ndim - 1, k * size, size)) for k in range(view.shape[-1] // size)]


def power_iteration(a: Any) -> Any:
    v = np.full(len(a), 1.0)
    for _ in range(7):
        w = a @ v
        v = w / np.sqrt((w * w).sum())
    return v


def write_power_iteration(context: Context) -> Sequence[Value]:
    """Reductions in each turn; what is carried is the result."""
    result, a = context.result(), context.view(0)
    size, dtype, origins = a.shape[0], result.dtype, (context.position,)
    product, new = (context.memory.temporary((size,), dtype) for _ in range(2))
    square = context.memory.temporary((), dtype)
    term = times(Load(a), Load(result.broadcast_to(a.shape)))
    norm = Apply("sqrt", (Load(square.broadcast_to((size,))),), dtype)
    body = (
        Definition(product, term, origins, (size,), "add"),
        Definition(square, times(Load(product), Load(product)), origins, (size,), "add"),
        Definition(new, Apply("divide", (Load(product), norm), dtype), origins),
    )
    # Definition of a row of sums: its domain is rows and columns of the matrix.
    i = Symbol("i", 7)
    context.statements.append(Loop(i, i.most, body, (Carried(result, new, number(1)),)))
    return (result,)


def gram_sums(x: Any) -> Any:
    """y[i] = sum over j <= i of x[i] . x[j]: a growing loop around a reduction, in a loop."""
    return np.array([sum((x[i] * x[j]).sum() for j in range(i + 1)) for i in range(len(x))])


def write_gram_sums(context: Context) -> Sequence[Value]:
    result, x = context.result(), context.view(0)
    i, j, origins = Symbol("i", x.shape[0]), Symbol("j", x.shape[0]), (context.position,)
    total, dot, new = (context.memory.temporary((), result.dtype) for _ in range(3))
    term = times(Load(at_turn(x, 0, i)), Load(at_turn(x, 0, j)))
    body = (
        Definition(dot, term, origins, x.shape[1:], "add"),
        Definition(new, added(Load(total), Load(dot)), origins),
    )
    inner = Loop(j, symbol_number(i) + 1, body, (Carried(total, new, number(0)),))
    store = Definition(at_turn(result, 0, i), Load(total), origins)
    context.statements.append(Loop(i, i.most, (inner, store)))
    return (result,)


def fibonacci_rows(x: Any) -> Any:
    """Two carried rows that change places, with a row sum in each turn."""
    a, b = np.zeros(x.shape[1]), np.ones(x.shape[1])
    for row in x:
        a, b = b, a * 0.5 + row - b.sum() * 0.01
    return a + b


def write_fibonacci_rows(context: Context) -> Sequence[Value]:
    result, x = context.result(), context.view(0)
    i, origins = Symbol("i", x.shape[0]), (context.position,)
    a, b, new = (context.memory.temporary(result.shape, result.dtype) for _ in range(3))
    total = context.memory.temporary((), result.dtype)
    part = times(Load(total.broadcast_to(result.shape)), number(-0.01))
    body = (
        Definition(total, Load(b), origins, result.shape, "add"),
        Definition(new, added(times(Load(a), number(0.5)), Load(at_turn(x, 0, i)), part), origins),
    )
    carried = (Carried(a, b, number(0)), Carried(b, new, number(1)))
    context.statements.append(Loop(i, i.most, body, carried))
    context.statements.append(Definition(result, added(Load(a), Load(b)), origins))
    return (result,)


def layers(x: Any, weights: Any) -> Any:
    for each in weights:
        x = np.tanh(x @ each)
    return x


def write_layers(context: Context) -> Sequence[Value]:
    """Another matrix in each turn."""
    result, x, weights = context.result(), context.view(0), context.view(1)
    i, origins, dtype = Symbol("i", weights.shape[0]), (context.position,), result.dtype
    product, new = (context.memory.temporary(result.shape, dtype) for _ in range(2))
    body = (
        Matmul(product, result, at_turn(weights, 0, i), Accumulated(dtype), origins),
        Definition(new, Apply("tanh", (Load(product),), dtype), origins),
    )
    context.statements.append(Loop(i, i.most, body, (Carried(result, new, Load(x)),)))
    return (result,)


BY_HAND.update(
    {
        "second_order": (second_order, write_second_order),
        "pairs": (pairs, write_pairs),
        "last_of_recurrence": (last_of_recurrence, write_last_of_recurrence),
        "lstm_gates": (lstm_gates, write_lstm_gates),
        "power_iteration": (power_iteration, write_power_iteration),
        "gram_sums": (gram_sums, write_gram_sums),
        "fibonacci_rows": (fibonacci_rows, write_fibonacci_rows),
        "lstm": (lstm, write_lstm),
        "layers": (layers, write_layers),
    }
)


@pytest.mark.parametrize(
    ("case", "fuse"),
    in_turn(
        [
            ("second_order", (9, 40)),
            ("second_order", (50,)),
            ("second_order", (1, 3, 7)),
            ("pairs", (12, 5)),
            ("pairs", (40,)),
            ("last_of_recurrence", (9, 4, 10)),
            ("lstm_gates", (6, 4, 35)),
            ("power_iteration", (30, 30)),
            ("gram_sums", (9, 40)),
            ("fibonacci_rows", (8, 50)),
        ],
        [True, False],
    ),
    ids=str,
)
def test_loops_written_by_hand_compute_what_they_say(case: tuple[str, tuple[int, ...]], fuse: bool) -> None:
    name, shape = case
    array = numbers(shape, "float64") / 3
    x = cnp.asarray(array)
    # Values before and after: they are fused into the turns, or run in kernels of their own.
    model = mosaic.compile(apply(ByHand(name), x * 2) + 1, inputs=[x], fuse=fuse)
    np.testing.assert_allclose(model(array), BY_HAND[name][0](array * 2) + 1, rtol=1e-13, atol=1e-15)
    assert "numpy" not in model.explain()


@pytest.mark.parametrize("axis", [0, None])
def test_a_single_running_sum_declares_no_index_that_it_does_not_use(axis: int | None) -> None:
    x = cnp.asarray(np.arange(150))
    text = c_text(cnp.cumsum(x, axis=axis), [x])
    assert "carried" in text
    assert all(len(re.findall(r"\brow\b", function)) != 1 for function in text.split("\n}\n"))


@pytest.mark.parametrize("fuse", [True, False])
@pytest.mark.parametrize(("batch", "size"), [(3, 8), (40, 16)])
@pytest.mark.parametrize("is_constant", [True, False])
def test_an_lstm_runs_its_product_in_each_turn(batch: int, size: int, is_constant: bool, fuse: bool) -> None:
    inputs, weights = numbers((5, batch, 4 * size), "float64") / 3, numbers((size, 4 * size), "float64") / 9
    x, w = cnp.asarray(inputs), cnp.asarray(weights)
    states = apply(ByHand("lstm"), x, w) * 2
    model = mosaic.compile(states, inputs=[x] if is_constant else [x, w], fuse=fuse)
    given = [inputs] if is_constant else [inputs, weights]
    np.testing.assert_allclose(model(*given), lstm(inputs, weights) * 2, rtol=1e-10, atol=1e-14)
    assert "numpy" not in model.explain()
    first, stop, turns = re.findall(r"struct loop loops\[1\] = \{\{(\d+), (\d+), (\d+), 1, \{0\}\}\}", model.source)[0]
    assert (int(stop) > int(first), turns) == (True, "5")


def test_panels_that_no_turn_changes_are_filled_before_the_loop() -> None:
    x, w = cnp.asarray(numbers((5, 40, 64), "float64")), cnp.asarray(numbers((16, 64), "float64"))
    (stage,) = [
        stage for stage in mosaic.stages(apply(ByHand("lstm"), x, w), inputs=[x, w]) if stage.name == "store_panels"
    ]
    heads = [line for line in stage.text.splitlines() if line.startswith("for ")]
    in_turns = [line.startswith("for i below 5: ") for line in heads]
    # Two starts and the panels stand before the loop; all that is in turns stands together.
    assert in_turns == sorted(in_turns)
    assert in_turns.count(False) == 3


def test_a_loop_around_kernels_reads_as_one() -> None:
    x = cnp.asarray(numbers((4, 6), "float64"))
    (stage,) = [
        stage for stage in mosaic.stages(apply(ByHand("gram_sums"), x), inputs=[x]) if stage.name == "fuse_rows"
    ]
    assert stage.text == dedent(
        """\
        for i below 4: for one row of 1:
            temporary_1[1] = 0.0
        for i below 4: for j below i + 1: for one row of 6:
            local temporary_2[1] = add over row of multiply(input_0[6 by 1 from 6*i], input_0[6 by 1 from 6*j])
            temporary_3[1] = add(temporary_1[1], temporary_2[1])
        for i below 4: for j below i + 1: for one row of 1:
            temporary_1[1] = temporary_3[1]
        for i below 4: for one row of 1:
            temporary_0[1 by 0 from i] = temporary_1[1]
        return temporary_0[4]"""
    )


@pytest.mark.parametrize("is_constant", [True, False])
@pytest.mark.parametrize("rows", [2, 60])
def test_each_turn_may_have_a_matrix_of_its_own(rows: int, is_constant: bool) -> None:
    x, weights = numbers((rows, 12), "float64"), numbers((4, 12, 12), "float64") / 5
    a, w = cnp.asarray(x), cnp.asarray(weights)
    given = [x] if is_constant else [x, weights]
    for fuse in (True, False):
        model = mosaic.compile(apply(ByHand("layers"), a, w), inputs=[a] if is_constant else [a, w], fuse=fuse)
        np.testing.assert_allclose(model(*given), layers(x, weights), rtol=1e-12)
