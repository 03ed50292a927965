"""Loops whose extents move: what turn i reads and computes grows or shrinks with i. Written by hand, run in C, and numpy's."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from textwrap import dedent
from typing import Any

import numpy as np
import pytest

import composit.numpy as cnp
import mosaic
from composit.apply import apply
from composit.errors import InternalError
from mosaic.ir.affine import Number, Symbol, extremes, symbol_number
from mosaic.ir.expressions import Accumulated, Apply, Load
from mosaic.ir.loops import Loop
from mosaic.ir.statements import Definition, IrProgram, Matmul
from mosaic.ir.views import Buffer, BufferKind, View, dense_view
from mosaic.lowering.registry import Context, Value
from mosaic.lowering.scans import at_turn
from mosaic.passes.validate import validate
from tests.mosaic.by_hand import BY_HAND, ByHand, added, number, times
from tests.mosaic.c_text import c_text
from tests.mosaic.runtime.programs import build_sanitized, run_standalone
from tests.mosaic.runtime.standalone import standalone_main
from tests.sampling import one_in

GOLDEN = Path(__file__).parent.parent / "golden"


def divide(one: Any, other: Any) -> Any:
    return Apply("divide", (one, other), one.dtype)


def less(one: Any, other: Any) -> Any:
    return Apply("subtract", (one, other), one.dtype)


def products_so_far(x: Any) -> Any:
    """y[i] = product over j <= i of x[j]."""
    return np.stack([np.prod(x[: i + 1], axis=0) for i in range(len(x))])


def write_products_so_far(context: Context) -> Sequence[Value]:
    result, x = context.result(), context.view(0)
    i, origins = Symbol("i", x.shape[0]), (context.position,)
    seen = rows_to_last_axis(x.slice_axis(0, 0, symbol_number(i) + 1))
    body = (Definition(at_turn(result, 0, i), Load(seen), origins, (symbol_number(i) + 1,), "multiply"),)
    context.statements.append(Loop(i, i.most, body))
    return (result,)


def rows_to_last_axis(view: View) -> View:
    return view.transpose((*range(1, view.ndim), 0))


def solve_lower(l: Any, b: Any) -> Any:  # noqa: E741  # the matrix of the textbook
    x = np.zeros_like(b)
    for i in range(len(b)):
        x[i] = (b[i] - np.tensordot(l[i, :i], x[:i], 1)) / l[i, i]
    return x


def write_solve_lower(context: Context) -> Sequence[Value]:
    """x[i] = (b[i] - L[i, :i] @ x[:i]) / L[i, i]: each turn reads the rows that earlier ones filled."""
    x, matrix, b = context.result(), context.view(0), context.view(1)
    i, origins = Symbol("i", b.shape[0]), (context.position,)
    turn, columns = symbol_number(i), b.shape[1:]
    row = at_turn(matrix, 0, i).slice_axis(0, 0, turn).expand_dims(range(len(columns))).broadcast_to((*columns, turn))
    total = context.memory.temporary(columns, x.dtype)
    pivot = at_turn(at_turn(matrix, 0, i), 0, i).broadcast_to(columns)
    known = rows_to_last_axis(x.slice_axis(0, 0, turn))
    body = (
        Definition(total, times(Load(row), Load(known)), origins, (turn,), "add"),
        Definition(at_turn(x, 0, i), divide(less(Load(at_turn(b, 0, i)), Load(total)), Load(pivot)), origins),
    )
    context.statements.append(Loop(i, i.most, body, grown=(x,)))
    return (x,)


def solve_upper(u: Any, b: Any) -> Any:
    return solve_lower(u[::-1, ::-1], b[::-1])[::-1]


def write_solve_upper(context: Context) -> Sequence[Value]:
    """The same from the last row to the first: offsets and extents shrink."""
    x, matrix, b = context.result(), context.view(0), context.view(1)
    n = b.shape[0]
    i, origins, columns = Symbol("i", n), (context.position,), b.shape[1:]

    # Turn i is row n - 1 - i: the array is seen from its end, so that it grows forwards.
    def backwards(view: View, axes: int = 1) -> View:
        for axis in range(axes):
            view = view.slice_axis(axis, n - 1, n, -1)
        return view

    y, matrix, b = backwards(x), backwards(matrix, 2), backwards(b)
    turn = symbol_number(i)
    row = at_turn(matrix, 0, i).slice_axis(0, 0, turn).expand_dims(range(len(columns))).broadcast_to((*columns, turn))
    total = context.memory.temporary(columns, x.dtype)
    pivot = at_turn(at_turn(matrix, 0, i), 0, i).broadcast_to(columns)
    known = rows_to_last_axis(y.slice_axis(0, 0, turn))
    body = (
        Definition(total, times(Load(row), Load(known)), origins, (turn,), "add"),
        Definition(at_turn(y, 0, i), divide(less(Load(at_turn(b, 0, i)), Load(total)), Load(pivot)), origins),
    )
    context.statements.append(Loop(i, i.most, body, grown=(x,)))
    return (x,)


def cholesky(a: Any) -> Any:
    """The lower triangle, column by column; above it zeros."""
    n = len(a)
    found = np.zeros_like(a)
    for j in range(n):
        rest = a[j:, j] - found[j:, :j] @ found[j, :j]
        found[j:, j] = rest / np.sqrt(rest[0])
    return found


def write_cholesky(context: Context) -> Sequence[Value]:
    """Kept and reduced extents both move: n - j rows, sums over j columns."""
    found, a = context.result(), context.view(0)
    n, origins = a.shape[0], (context.position,)
    context.define(found, number(0))
    j = Symbol("j", n)
    turn = symbol_number(j)
    left = n - turn
    column = context.memory.temporary((n,), a.dtype).slice_axis(0, 0, left)
    total = context.memory.temporary((n,), a.dtype).slice_axis(0, 0, left)
    before = found.slice_axis(0, turn, left).slice_axis(1, 0, turn)
    own = at_turn(found, 0, j).slice_axis(0, 0, turn).expand_dims((0,)).broadcast_to((left, turn))
    pivot = replace(column, extents=(1,)).broadcast_to((left,))
    body = (
        Definition(total, times(Load(before), Load(own)), origins, (turn,), "add"),
        Definition(column, less(Load(at_turn(a, 1, j).slice_axis(0, turn, left)), Load(total)), origins),
        Definition(
            at_turn(found, 1, j).slice_axis(0, turn, left),
            divide(Load(column), Apply("sqrt", (Load(pivot),), a.dtype)),
            origins,
        ),
    )
    context.statements.append(Loop(j, n, body, grown=(found,)))
    return (found,)


def sums_of_squares(x: Any) -> Any:
    """y[i, j] for j <= i is the sum of x[j..i] ** 2, row by row; else 0: a nest with moving offsets and extents."""
    n = len(x)
    y = np.zeros((n, n, *x.shape[1:]))
    for i in range(n):
        for j in range(i + 1):
            y[i, j] = (x[j : i + 1] ** 2).sum(axis=0)
    return y


def write_sums_of_squares(context: Context) -> Sequence[Value]:
    result, x = context.result(), context.view(0)
    context.define(result, number(0))
    i, j, origins = Symbol("i", x.shape[0]), Symbol("j", x.shape[0]), (context.position,)
    count = symbol_number(i) - symbol_number(j) + 1
    seen = rows_to_last_axis(x.slice_axis(0, symbol_number(j), count))
    target = at_turn(at_turn(result, 0, i), 0, j)
    inner = Loop(
        j, symbol_number(i) + 1, (Definition(target, times(Load(seen), Load(seen)), origins, (count,), "add"),)
    )
    context.statements.append(Loop(i, i.most, (inner,)))
    return (result,)


def rows_below(x: Any) -> Any:
    """Rows and row lengths both move: y[:i + 1, :i + 1] = tanh(x[:i + 1, :i + 1]) + i-th sums, turn after turn."""
    y = np.zeros_like(x)
    for i in range(len(x)):
        part = x[: i + 1, : i + 1]
        y[: i + 1, i] = np.tanh(part).sum(axis=1)
    return y


def write_rows_below(context: Context) -> Sequence[Value]:
    """The turn's block is a temporary whose rows and length move; its sums run along rows."""
    result, x = context.result(), context.view(0)
    context.define(result, number(0))
    n, origins = x.shape[0], (context.position,)
    i = Symbol("i", n)
    count = symbol_number(i) + 1
    block = context.memory.temporary(x.shape, x.dtype).slice_axis(0, 0, count).slice_axis(1, 0, count)
    seen = x.slice_axis(0, 0, count).slice_axis(1, 0, count)
    body = (
        Definition(block, Apply("tanh", (Load(seen),), x.dtype), origins),
        Definition(at_turn(result, 1, i).slice_axis(0, 0, count), Load(block), origins, (count,), "add"),
    )
    context.statements.append(Loop(i, n, body))
    return (result,)


def paths(x: Any) -> Any:
    """y[i + 1, j + 1] = x[i, j] + y[i, j + 1] - y[i + 1, j] / 2: each element needs the one above and the one before."""
    n, m = x.shape
    y = np.zeros((n + 1, m + 1))
    for i in range(n):
        for j in range(m):
            y[i + 1, j + 1] = (x[i, j] + y[i, j + 1]) + -0.5 * y[i + 1, j]
    return y[1:, 1:]


def write_paths(context: Context) -> Sequence[Value]:
    """A nest in which both loops grow one array."""
    x = context.view(0)
    n, m = x.shape
    i, j, origins = Symbol("i", n), Symbol("j", m), (context.position,)
    row, column = symbol_number(i), symbol_number(j)
    y = context.define(context.memory.temporary((n + 1, m + 1), x.dtype), number(0))

    def element(view: View, first: Number, second: Number) -> View:
        return view.slice_axis(0, first, 1).slice_axis(1, second, 1).drop_axes((0, 1))

    above, before = element(y, row, column + 1), element(y, row + 1, column)
    terms = Load(element(x, row, column)), Load(above), times(number(-0.5), Load(before))
    body = Definition(element(y, row + 1, column + 1), added(*terms), origins)
    inner = Loop(j, m, (body,), grown=(y,))
    context.statements.append(Loop(i, n, (inner,), grown=(y,)))
    return (context.copy(y.slice_axis(0, 1, n).slice_axis(1, 1, m), context.result()),)


BY_HAND.update(
    {
        "products_so_far": (products_so_far, write_products_so_far),
        "solve_lower": (solve_lower, write_solve_lower),
        "solve_upper": (solve_upper, write_solve_upper),
        "cholesky": (cholesky, write_cholesky),
        "sums_of_squares": (sums_of_squares, write_sums_of_squares),
        "rows_below": (rows_below, write_rows_below),
        "paths": (paths, write_paths),
    }
)


def operands(name: str, size: int, columns: tuple[int, ...]) -> list[Any]:
    generator = np.random.default_rng(size)
    matrix = generator.normal(size=(size, size)) / size**0.5 + 2 * np.eye(size)
    if name == "cholesky":
        return [matrix @ matrix.T]
    if name == "rows_below":
        return [matrix]
    if name.startswith("solve"):
        return [matrix, generator.normal(size=(size, *columns))]
    return [generator.normal(size=(size, *columns)) + 1]


@pytest.mark.parametrize(
    ("name", "size", "columns", "fuse"),
    one_in(
        13,
        product(
            ["products_so_far", "solve_lower", "solve_upper", "sums_of_squares"],
            [1, 2, 17, 40],
            [(), (1,), (3,), (40,), (2, 9)],
            [True, False],
        ),
    ),
    ids=str,
)
def test_triangles_written_by_hand_are_numpys(name: str, size: int, columns: tuple[int, ...], fuse: bool) -> None:
    if name == "solve_lower" and len(columns) > 1:
        columns = columns[:1]
    arrays = operands(name, size, columns)
    tensors = [cnp.asarray(each) for each in arrays]
    # Values before and after: they are fused into the turns, or run in kernels of their own.
    model = mosaic.compile(apply(ByHand(name), *(each * 2 for each in tensors)) + 1, inputs=tensors, fuse=fuse)
    expected = BY_HAND[name][0](*(each * 2 for each in arrays)) + 1
    np.testing.assert_allclose(model(*arrays), expected, rtol=1e-11, atol=1e-12)
    assert "numpy" not in model.explain()


@pytest.mark.parametrize(
    ("name", "size", "fuse"),
    one_in(5, product(["cholesky", "rows_below"], [1, 2, 5, 16, 33, 100, 300], [True, False])),
)
def test_rows_and_lengths_may_move_together(name: str, size: int, fuse: bool) -> None:
    (array,) = operands(name, size, ())
    x = cnp.asarray(array)
    model = mosaic.compile(apply(ByHand(name), x), inputs=[x], fuse=fuse)
    np.testing.assert_allclose(model(array), BY_HAND[name][0](array), rtol=1e-10, atol=1e-12)
    if name == "cholesky":
        np.testing.assert_allclose(model(array), np.linalg.cholesky(array), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("fuse", [True, False])
@pytest.mark.parametrize("shape", [(1, 1), (5, 3), (12, 40)])
def test_both_loops_of_a_nest_may_grow_one_array(shape: tuple[int, int], fuse: bool) -> None:
    array = np.random.default_rng(3).normal(size=shape)
    x = cnp.asarray(array)
    model = mosaic.compile(apply(ByHand("paths"), x) * 2, inputs=[x], fuse=fuse)
    np.testing.assert_allclose(model(array), paths(array) * 2, rtol=1e-12, atol=1e-12)


def stages(name: str, size: int, columns: tuple[int, ...] = (), **settings: Any) -> dict[str, str]:
    tensors = [cnp.asarray(each) for each in operands(name, size, columns)]
    found = mosaic.stages(apply(ByHand(name), *tensors), inputs=tensors, **settings)
    return {stage.name: stage.text for stage in found}


@pytest.mark.parametrize(("name", "columns"), [("solve_lower", (12,)), ("cholesky", ()), ("products_so_far", (12,))])
def test_kernels_of_triangles_read_as_approved(name: str, columns: tuple[int, ...], update_golden: bool) -> None:
    text = stages(name, 24, columns, target="x86-64-v3")["emit_module"]
    start = text.rindex("/*", 0, text.index("static void kernel_0"))
    path = GOLDEN / f"{name}.c"
    if update_golden:
        path.write_text(text[start:])
    assert text[start:] == path.read_text()


def test_a_triangle_reads_as_a_loop_whose_sums_grow() -> None:
    found = stages("solve_lower", 5, (3,))
    assert found["lower_program"] == dedent(
        """\
        for i below 5, growing temporary_0[5, 3]:
            temporary_1[3] = add over [i] of multiply(input_0[3, i by 0, 1 from 5*i], temporary_0[3, i by 1, 3])
            temporary_0[3 by 1 from 3*i] = divide(subtract(input_1[3 by 1 from 3*i], temporary_1[3]), input_0[3 by 0 from 6*i])
        return temporary_0[5, 3]"""
    )
    assert found["fuse_rows"] == dedent(
        """\
        for i below 5: for one row of 3:
            local temporary_1[3] = add over i of multiply(input_0[3, i by 0, 1 from 5*i], temporary_0[3, i by 1, 3])
            temporary_0[3 by 1 from 3*i] = divide(subtract(input_1[3 by 1 from 3*i], temporary_1[3]), input_0[3 by 0 from 6*i])
        return temporary_0[5, 3]"""
    )
    assert "for j below 40: for rows [40 - j] of j" in stages("cholesky", 40)["fuse_rows"]


def test_kernels_in_loops_of_their_own_that_are_alike_are_one() -> None:
    x, y = (cnp.asarray(each) for each in operands("solve_lower", 30, (30,)))
    outputs = [apply(ByHand("products_so_far"), each) for each in (x, y)]
    source = c_text(outputs, inputs=[x, y])
    assert source.count("static void kernel_") == 1
    assert "launches[2] = {{kernel_0," in source


def test_results_of_triangles_do_not_depend_on_the_number_of_threads() -> None:
    arrays = operands("solve_lower", 60, (9000,))
    tensors = [cnp.asarray(each) for each in arrays]
    solved = apply(ByHand("solve_lower"), *tensors)
    one, other = (mosaic.compile(solved, inputs=tensors, num_threads=count)(*arrays) for count in (1, 4))
    np.testing.assert_array_equal(one, other)
    (matrix,) = operands("cholesky", 700, ())
    x = cnp.asarray(matrix)
    lower = apply(ByHand("cholesky"), x)
    one, other = (mosaic.compile(lower, inputs=[x], num_threads=count)(matrix) for count in (1, 4))
    np.testing.assert_array_equal(one, other)
    np.testing.assert_allclose(one, np.linalg.cholesky(matrix), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "fuse"),
    one_in(3, product(["solve_lower", "cholesky", "rows_below", "sums_of_squares"], [True, False])),
)
def test_no_sanitizer_complains_of_triangles(name: str, fuse: bool, tmp_path: Path) -> None:
    arrays = operands(name, 21, (5,))
    tensors = [cnp.asarray(each) for each in arrays]
    executable = mosaic.compile(apply(ByHand(name), *tensors), inputs=tensors, fuse=fuse)._executable
    signature = executable.functions[0].signature
    text = standalone_main(executable.compiled.source, signature, 0)
    (given,) = run_standalone(build_sanitized(text, tmp_path), signature, b"", arrays)
    np.testing.assert_allclose(given, BY_HAND[name][0](*arrays), rtol=1e-10, atol=1e-12)


# What is wrong in a loop is found before C is written.

F8 = np.dtype("float64")
SYMBOL = Symbol("i", 4)
TURN = symbol_number(SYMBOL)


def buffer(number: int, size: int, kind: BufferKind = BufferKind.TEMPORARY) -> Buffer:
    return Buffer(kind, number, size, F8)


X, Y = dense_view(buffer(0, 16, BufferKind.INPUT), (4, 4)), dense_view(buffer(0, 16), (4, 4))
SUMS = dense_view(buffer(1, 4), (4,))


def row(view: View, turn: Number = TURN) -> View:
    return replace(view.slice_axis(0, 0, 1).drop_axes((0,)), offset=4 * turn)


def total(seen: View, reducer: str = "add", target: View | None = None) -> Definition:
    """A sum of elements of a vector."""
    result = target if target is not None else replace(SUMS.slice_axis(0, 0, 1).drop_axes((0,)), offset=TURN)
    return Definition(result, Load(seen), (0,), seen.extents, reducer)


def checked(*body: Any, grown: tuple[View, ...] = (), symbol: Symbol = SYMBOL, extent: Number = 4) -> None:
    loop = Loop(symbol, extent, body, grown=grown)
    validate(IrProgram((loop,), (X.buffer,), (0,), (), {}))


def copied(source: View, target: View) -> Definition:
    return Definition(target, Load(source), (0,))


@pytest.mark.parametrize(
    ("body", "grown", "words"),
    [
        ([total(row(X).slice_axis(0, 0, TURN + 2))], (), "reaches from 0 to 16 of 16 elements"),
        ([total(row(X).slice_axis(0, TURN, 4 - TURN))], (), None),
        ([total(row(X).slice_axis(0, 0, TURN - 1))], (), "the extent i - 1 of .* is negative in some turn"),
        (
            [total(row(X).slice_axis(0, 0, symbol_number(Symbol("k", 3))))],
            (),
            "k moves with a loop that is not around it",
        ),
        ([total(row(X).slice_axis(0, 0, TURN), "maximum")], (), "a maximum may be of no element in some turn"),
        ([total(row(X).slice_axis(0, 0, TURN + 1), "maximum")], (), None),
        (
            [total(row(X).slice_axis(0, 0, TURN + 1), "argmax")],
            (),
            "a position is looked for along an extent that moves",
        ),
        ([copied(row(Y, TURN), row(Y))], (), "is read before anything writes it"),
        ([copied(row(Y, TURN), row(Y))], (Y,), "may show what no earlier turn has filled"),
        ([copied(row(Y, TURN - 1), row(Y))], (Y,), "reaches from -4 to 11 of 16"),
        ([copied(row(Y, 3 - TURN), row(Y))], (Y,), "may show what no earlier turn has filled"),
        ([total(row(Y).slice_axis(0, 0, TURN), target=row(Y).slice_axis(0, TURN, 1).drop_axes((0,)))], (Y,), None),
        (
            [total(row(Y).slice_axis(0, 0, TURN + 1), target=row(Y).slice_axis(0, TURN, 1).drop_axes((0,)))],
            (Y,),
            "may show what no earlier turn has filled",
        ),
        (
            [Matmul(Y.slice_axis(0, 0, TURN + 1), X.slice_axis(0, 0, TURN + 1), X, Accumulated(F8), (0,))],
            (),
            "has extents that move with a loop, which Matmul does not take",
        ),
        ([Definition(row(Y), Load(row(X).slice_axis(0, 0, TURN)), (0,))], (), r"is loaded over \[4\]"),
    ],
)
def test_what_moves_out_of_its_place_is_found(body: list[Any], grown: tuple[View, ...], words: str | None) -> None:
    if words is None:
        checked(*body, grown=grown)
        return
    with pytest.raises(InternalError, match=words):
        checked(*body, grown=grown)


@pytest.mark.parametrize(("first", "second"), [(0, 1), (1, 0)], ids=str)
def test_a_nest_reads_what_either_loop_filled(first: int, second: int) -> None:
    check_nest(first, second)


@pytest.mark.parametrize(("first", "second"), [(1, 1), (1, 2), (2, 0), (2, 1)], ids=str)
def test_a_nest_does_not_read_what_either_loop_fills_later(first: int, second: int) -> None:
    with pytest.raises(InternalError, match="may show what no earlier turn has filled"):
        check_nest(first, second)


def check_nest(first: int, second: int) -> None:
    """Check a nest that fills y[i + 1, j + 1] from y[i + first, j + second]."""
    whole = dense_view(buffer(0, 49), (7, 7))
    inner_symbol = Symbol("j", 4)
    place = 7 * TURN + symbol_number(inner_symbol)

    def element(row: int, column: int) -> View:
        return View(whole.buffer, place + (7 * row + column), (), ())

    inner = Loop(inner_symbol, 4, (copied(element(first, second), element(1, 1)),), grown=(whole,))
    checked(inner, grown=(whole,))


def test_a_plain_shape_is_refused_of_extents_that_move() -> None:
    with pytest.raises(InternalError, match=r"a shape of plain numbers was asked of the extents \[i, 4\]"):
        _ = X.slice_axis(0, 0, TURN).shape


def test_extremes_know_that_inner_loops_end_where_outer_ones_say() -> None:
    i, j = Symbol("i", 4), Symbol("j", 4)
    difference = symbol_number(i) - symbol_number(j)
    assert extremes(difference, [(i, 4), (j, symbol_number(i))]) == (1, 3)
    assert extremes(difference, [(i, 4), (j, 4)]) == (-3, 3)
    assert str(difference + 2) == "i + 2 - j"
    assert str(4 - symbol_number(i)) == "4 - i"
    assert str(-symbol_number(i)) == "-i"
    assert symbol_number(i) + symbol_number(j) == symbol_number(j) + symbol_number(i)
