"""Streams (copies, sums of two arrays, comparisons): values at every alignment, tasks of enough bytes, whole cache lines."""

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest

import composit.numpy as cnp
import mosaic
from tests.mosaic.passes.test_stages import around
from tests.mosaic.test_related_operands import TARGETS
from tests.sampling import in_turn, one_in

Program = Callable[..., Any]

PROGRAMS: dict[str, tuple[Program, str]] = {
    "copied and doubled": (lambda x: x * 2, "f4"),
    "two operations": (lambda x: x * 2 + 1, "f8"),
    "narrowed": (lambda x: x.astype("i1"), "i8"),
    "halved in width": (lambda x: x.astype("f4"), "f8"),
    "widened": (lambda x: x.astype("f8"), "u1"),
    "compared": (lambda x: x < 50, "i4"),
    "one of two": (lambda x: cnp.logical_xor(x, x > 50), "i4"),
    "truth values": (lambda x: ~x, "?"),
    "reversed": (lambda x: x[::-1] - x, "i2"),
    "filled": (lambda x: cnp.isnan(x) | cnp.asarray(False), "u2"),
}


def numbers(length: int, dtype: str) -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).integers(0, 100, length).astype(dtype)


def placed(dtype: np.dtype[Any], length: int, ahead: int) -> np.ndarray[Any, Any]:
    """An array whose first element lies so many elements behind the start of a cache line, with the array around it."""
    room = np.full((length + 256) * dtype.itemsize, 0xEE, np.uint8)
    start = -room.ctypes.data % 64 + 64 + ahead * dtype.itemsize
    return room[start:][: length * dtype.itemsize].view(dtype)


def around_it(array: np.ndarray[Any, Any]) -> list[int]:
    """The bytes beside an array made by `placed`."""
    room = array.base
    assert isinstance(room, np.ndarray)
    start = array.ctypes.data - room.ctypes.data
    return [*room[start - 64 : start].tolist(), *room[start + array.nbytes :][:64].tolist()]


@pytest.mark.parametrize(("name", "length"), in_turn(PROGRAMS, [16_384, 16_387, 100_001]))
def test_results_are_right_and_within_bounds_wherever_they_lie(name: str, length: int) -> None:
    program, dtype = PROGRAMS[name]
    given = numbers(length, dtype)
    x = cnp.asarray(given)
    model = mosaic.compile(program(x), inputs=[x], num_threads=2)
    expected = np.asarray(cnp.evaluate(program(x)))
    for ahead in (0, 1, 3, 7, 16, 63):
        result = placed(expected.dtype, length, ahead)
        model(given, out=result)
        np.testing.assert_array_equal(result, expected)
        assert set(around_it(result)) == {0xEE}, f"bytes beside a result {ahead} elements behind a line were written"


@pytest.mark.parametrize("length", [16_400, 65_537, 200_003])
def test_a_result_in_the_memory_of_its_operand_is_right(length: int) -> None:
    x = cnp.asarray(numbers(length, "i8"))
    y = cnp.cumsum(x)
    for start in (3, 1, 6):
        y[start:] = y[start:] * 3 - y[0]
    _, after = around("schedule", y, [x])
    assert "from 3] = subtract(multiply(temporary" in after
    model = mosaic.compile(y, inputs=[x], num_threads=2)
    np.testing.assert_array_equal(model(np.asarray(cnp.evaluate(x))), cnp.evaluate(y))


def test_a_stream_of_truth_values_has_fewer_tasks_than_one_of_numbers() -> None:
    bools, doubles = (cnp.asarray(numbers(1_000_000, dtype)) for dtype in ("?", "f8"))
    _, after = around("schedule", [bools ^ True, doubles * 2], [bools, doubles])
    heads = [line for line in after.splitlines() if line.startswith("for")]
    assert heads == [
        "for one row of 1000000 in 10 tasks of 99968 on cache lines by 32 lanes:",
        "for one row of 1000000 in 61 tasks of 16384 on cache lines by 4 lanes:",
    ]


def test_what_computes_much_or_is_short_is_no_stream() -> None:
    long, short = (cnp.asarray(numbers(length, "f8")) for length in (100_000, 1_000))
    _, after = around("schedule", [cnp.exp(long), short * 2], [long, short])
    assert "on cache lines" not in after


def test_int64_is_narrowed_by_one_instruction_where_there_is_one() -> None:
    x = cnp.asarray(numbers(1_000, "i8"))
    source = mosaic.compile(x.astype("i1"), inputs=[x], target="x86-64-v4").source
    assert "__builtin_ia32_pmovqb512_mask" in source


@pytest.mark.parametrize("dtype", ["u1", "?", "i1"])
def test_bytes_with_a_step_between_them_are_copied_one_by_one(dtype: str) -> None:
    arrays = [numbers(90 * 70, dtype).reshape(90, 70), numbers(40_003, dtype), numbers(9, dtype)]
    given = [cnp.asarray(array) for array in arrays]

    def program(m: Any, x: Any, y: Any, z: Any) -> list[Any]:
        copy = m.ascontiguousarray
        return [copy(m.transpose(x)), copy(x[:, ::3]), copy(y[::-1]), copy(y[5::2]), copy(z[::-2])]

    model = mosaic.compile(program(cnp, *given), inputs=given, num_threads=2)
    assert "copy_strided_" in model.source
    assert "load_strided_" not in model.source
    for result, expected in zip(model(*arrays), program(np, *arrays), strict=True):
        np.testing.assert_array_equal(result, expected)


def edge_values(dtype: str, length: int) -> np.ndarray[Any, Any]:
    """Values of the whole range of a dtype, its ends and zeros among them; floats as int32 can hold them."""
    generator, kind = np.random.default_rng(1), np.dtype(dtype)
    if kind.kind == "f":
        return generator.integers(-200, 200, length).astype(kind) / 4
    if kind.kind == "b":
        return generator.integers(0, 2, length).astype(bool)
    info = np.iinfo(kind)
    values = generator.integers(info.min, info.max, length, dtype=kind, endpoint=True)
    values[::3] = 0
    values[1::7], values[2::5] = info.max, info.min
    return values


INTEGERS = ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8"]


@pytest.mark.parametrize(("source", "target"), one_in(3, product([*INTEGERS[2:], "f4", "f8"], TARGETS)))
def test_every_narrowing_keeps_the_low_bytes(source: str, target: str) -> None:
    given = edge_values(source, 20_011)
    if source[0] == "f":
        given = np.abs(given) % 120  # numpy leaves open what comes of others
    x = cnp.asarray(given)
    narrower = [each for each in INTEGERS if int(each[1]) < x.dtype.itemsize]
    # Results of different lengths have a kernel each.
    model = mosaic.compile([x[n:].astype(each) for n, each in enumerate(narrower)], inputs=[x], target=target)
    for number, (each, result) in enumerate(zip(narrower, model(given), strict=True)):
        np.testing.assert_array_equal(result, given[number:].astype(each), err_msg=f"{source} to {each}")


@pytest.mark.parametrize(("dtype", "target"), one_in(9, product([*INTEGERS, "?", "f4", "f8"], TARGETS)))
def test_truth_values_of_every_width_are_stored_whole(dtype: str, target: str) -> None:
    given, other = edge_values(dtype, 20_011), edge_values(dtype, 20_011)[::-1].copy()
    if dtype[0] == "f":
        given[::11], other[::13], given[::17] = np.nan, -0.0, np.inf
    x, y = cnp.asarray(given), cnp.asarray(other)

    def program(m: Any, x: Any, y: Any) -> list[Any]:
        functions = [m.logical_and, m.logical_or, m.logical_xor, m.less, m.less_equal, m.greater_equal, m.not_equal]
        both = [function(x[number:], y[number:]) for number, function in enumerate(functions)]
        return [*both, m.logical_not(x[10:]), m.isfinite(y[11:]), x[12:].astype(bool), m.signbit(y[13:] * 1.0)]

    model = mosaic.compile(program(cnp, x, y), inputs=[x, y], target=target)
    for number, (result, expected) in enumerate(zip(model(given, other), program(np, given, other), strict=True)):
        np.testing.assert_array_equal(result, expected, err_msg=str(number))


def test_narrow_results_of_several_vectors_are_stored_together() -> None:
    longs, ints, floats = (cnp.asarray(numbers(100_000, dtype)) for dtype in ("i8", "i4", "f4"))
    _, after = around("schedule", [longs.astype("u2"), ints < 7, floats * 2], [longs, ints, floats])
    heads = [line.partition(" by ")[2] for line in after.splitlines() if line.startswith("for")]
    assert heads == ["4 lanes, 4 vectors a store:", "8 lanes, 4 vectors a store:", "8 lanes:"]
    source = mosaic.compile(ints < 7, inputs=[ints], target="x86-64-v4").source
    assert source.count("store_u8x32(p1 + ") == 3  # at both ends and between
    assert "#pragma GCC unroll" not in source


@pytest.mark.parametrize(("dtype", "mode"), in_turn(["f4", "i8", "u1", "c16"], ["raise", "wrap", "clip"]))
def test_elements_with_an_index_each_are_copied_one_by_one(dtype: str, mode: str) -> None:
    generator = np.random.default_rng(0)
    array = numbers(40 * 70, dtype).reshape(40, 70)
    flat, columns = generator.integers(-2_800, 2_800, 10_003), generator.integers(-70, 70, 53)
    x = cnp.asarray(array)

    def program(m: Any, x: Any) -> list[Any]:
        return [m.take(x, flat, mode=mode), m.take(x, columns, axis=1, mode=mode), x[flat % 40, flat % 70]]

    model = mosaic.compile(program(cnp, x), inputs=[x], num_threads=2)
    if dtype != "c16":
        assert "load_indexed_" not in model.source
    for result, expected in zip(model(array), program(np, array), strict=True):
        np.testing.assert_array_equal(result, expected)


def test_kernels_with_truth_values_of_different_widths_share_a_file() -> None:
    ints, others = (np.arange(20_000, dtype="i4") % number for number in (2, 3))
    doubles = np.linspace(0, 1, 20_000)
    x, y, z = map(cnp.asarray, (ints, others, doubles))

    def program(m: Any, x: Any, y: Any, z: Any) -> list[Any]:
        return [m.logical_and(x, y), m.where(m.logical_and(y, x), m.sqrt(z), 2.0)]

    model = mosaic.compile(program(cnp, x, y, z), inputs=[x, y, z], target="x86-64-v4")
    assert "logical_and_i32x8(" in model.source
    assert "logical_and_i32x8_i64x8(" in model.source
    for result, expected in zip(model(ints, others, doubles), program(np, ints, others, doubles), strict=True):
        np.testing.assert_array_equal(result, expected)
