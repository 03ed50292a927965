"""Each operation with a lowering computes what numpy computes, alone and fused with its neighbours."""

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
import pytest

import composit as cnp
from composit.numpy.elementwise.table import NAME_TO_FUNCTION
from mosaic.codegen.elementwise import is_compiled
from tests.mosaic.comparison import check, tensor, tensors
from tests.sampling import one_in, only

DTYPES = ["float32", "float64", "int32", "int64", "uint8", "int16", "bool"]
UNARY = sorted(name for name, function in NAME_TO_FUNCTION.items() if function.nin == function.nout == 1)
BINARY = sorted(
    name for name, function in NAME_TO_FUNCTION.items() if (function.nin, function.nout) == (2, 1) and name != "matmul"
)
POWERS = ("power", "float_power")


@pytest.fixture(autouse=True)
def _silent() -> Iterator[None]:
    """A node carries the error state of the call that built it; these values overflow and divide by zero on purpose."""
    with np.errstate(all="ignore"):
        yield


def _defined(name: str, *operands: Any) -> list[Any]:
    """The function of these operands, or nothing where numpy has no loop for their dtypes."""
    try:
        return [NAME_TO_FUNCTION[name](*operands)]
    except TypeError:
        return []


def _some(names: list[str]) -> list[list[str]]:
    """The names in groups, each of which is one program: the compiler takes longer to start than for a function."""
    return [names[start : start + 6] for start in range(0, len(names), 6)]


@pytest.mark.parametrize("names", _some(UNARY), ids=" ".join)
def test_a_function_of_one_operand_is_numpys_for_every_dtype(names: list[str]) -> None:
    operands = [tensor(5, 7, dtype=dtype) for dtype in DTYPES]
    check(*(result for name in names for operand in operands for result in _defined(name, operand)))


def test_signed_and_unsigned_integers_compare_by_value() -> None:
    unsigned = cnp.asarray(np.array([0, 1, 2**63, 2**64 - 1], "uint64"))[:, None]
    signed = cnp.asarray(np.array([0, -1, 1, -(2**63), 2**63 - 1]))
    functions = [cnp.equal, cnp.not_equal, cnp.less, cnp.less_equal, cnp.greater, cnp.greater_equal]
    check(*(function(*pair) for function in functions for pair in ((unsigned, signed), (signed, unsigned))))


@pytest.mark.parametrize("names", _some([name for name in BINARY if name not in POWERS]), ids=" ".join)
def test_a_function_of_two_operands_is_numpys_for_every_dtype(names: list[str]) -> None:
    operands = [(tensor(5, 7, dtype=dtype), tensor(7, dtype=dtype, seed=1)) for dtype in DTYPES]
    check(*(result for name in names for pair in operands for result in _defined(name, *pair)))


def test_powers_are_numpys() -> None:
    operands = [tensor(5, 7, dtype=dtype) for dtype in ("float32", "float64")]
    check(*(getattr(cnp, name)(cnp.abs(x), y) for name in POWERS for x in operands for y in operands))


@pytest.mark.parametrize("name", ["floor_divide", "remainder", "fmod"])
def test_division_has_numpys_signs_and_numpys_answer_to_zero(name: str) -> None:
    results = []
    for dtype in ("int32", "int64", "uint8", "float32", "float64"):
        values = np.array([0, 1, 2, 3, 7], dtype)
        values = values if dtype == "uint8" else np.concatenate([values, -values])
        left, right = cnp.asarray(values[:, None]), cnp.asarray(values[None, :])
        results.append(getattr(cnp, name)(left, right))
    check(*results)


def test_the_smallest_integer_divided_by_minus_one_wraps() -> None:
    left = cnp.asarray(np.array([np.iinfo(np.int64).min, 5]))
    check(left // cnp.asarray(np.array([-1, -1])), left % cnp.asarray(np.array([-1, -1])))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_nan_infinities_and_signed_zeros_are_numpys(dtype: str) -> None:
    values = np.array([0.0, -0.0, 1.5, -1.5, np.inf, -np.inf, np.nan], dtype)
    pair = cnp.asarray(values[:, None]), cnp.asarray(values[None, :])
    signed = [function(*pair) for function in (cnp.fmax, cnp.fmin, cnp.copysign, cnp.add, cnp.multiply)]
    others = [function(*pair) for function in (cnp.maximum, cnp.minimum, cnp.less, cnp.equal)]
    check(*signed, *map(cnp.signbit, signed), *others)


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint8"])
def test_shifts_by_more_than_the_width_are_numpys(dtype: str) -> None:
    values, counts = np.array([1, 3, 100], dtype)[:, None], np.array([0, 1, 7, 31, 63, 64, 200], dtype)
    check(cnp.left_shift(cnp.asarray(values), counts), cnp.right_shift(cnp.asarray(values), counts))


def test_a_square_minus_an_equal_square_is_zero() -> None:
    x = tensor(1000)
    result = cnp.evaluate(x * x - cnp.square(x), backend="mosaic")
    assert not result.any()


@pytest.mark.parametrize("source", DTYPES)
def test_conversions_are_numpys(source: str) -> None:
    check(*(tensor(5, 7, dtype=source).astype(target) for target in DTYPES))


@pytest.mark.parametrize(
    ("dtype", "function"),
    one_in(4, product(["float32", "int64", "bool"], ["sum", "prod", "max", "min", "any", "all", "mean"])),
)
def test_reductions_over_every_choice_of_axes(dtype: str, function: str) -> None:
    x = tensor(3, 4, 5, dtype=dtype)
    axes = [None, 0, 1, 2, (0, 1), (0, 2), (1, 2), -1, (0, 1, 2)]
    check(*(getattr(cnp, function)(x, axis=axis, keepdims=keep) for axis in axes for keep in (False, True)))


@pytest.mark.parametrize("dtype", only(["float64", "uint8"], ["float32", "float64", "int64", "uint8", "bool"]))
def test_positions_of_extrema_are_the_first(dtype: str) -> None:
    x = tensor(6, 35, 4, dtype=dtype)
    axes = [None, 0, 1, 2, -1]
    check(*(getattr(cnp, name)(x, axis=axis) for name in ("argmax", "argmin") for axis in axes))
    check(cnp.argmax(x, axis=1, keepdims=True), cnp.argmin(x[0, 0, :1]))


@pytest.mark.parametrize("dtype", ["float32", "int64", "bool"])
def test_short_scans(dtype: str) -> None:
    x = tensor(3, 20, 5, dtype=dtype)
    check(*(function(x, axis=axis) for function in (cnp.cumsum, cnp.cumprod) for axis in (0, 1, 2)), cnp.cumsum(x.T))


def test_the_position_of_a_nan_comes_first() -> None:
    values = np.array([[1.0, np.nan, 3.0, np.nan], [np.inf, 2.0, np.inf, 0.0], [-np.inf] * 4], "float32")
    x = cnp.asarray(values)
    check(cnp.argmax(x, axis=1), cnp.argmin(x, axis=1), cnp.argmax(x), cnp.argmax(x, axis=0))


def test_reductions_of_every_length() -> None:
    results = []
    for shape in [(1,), (16,), (17,), (1000,), (70000,), (3, 1), (1, 3), (0, 3), (3, 0), ()]:
        x = tensor(*shape)
        results += [cnp.sum(x), cnp.sum(x, axis=-1) if shape else x + 1, cnp.any(x), cnp.exp(x)]
    check(*results)


def test_long_sums_are_as_exact_as_numpys() -> None:
    x = cnp.asarray(np.full(3_000_000, 0.1, np.float32))
    compiled = cnp.evaluate(cnp.sum(x), backend="mosaic")
    assert abs(float(compiled) - 300_000.004) < 0.5


@pytest.mark.parametrize("length", only([300_007], [300_000, 300_007, 1 << 19]))
def test_long_reductions_are_shared_by_threads_and_numpys(length: int) -> None:
    x, n = tensor(length), tensor(2, length, dtype="int64")
    check((x * x).sum(), x.max(), x.mean(), n.sum(axis=1), n.min(), (x > 0).any(), (n > -10).all())


MATMULS = [
    ((1, 1), (1, 1)),
    ((5, 7), (7, 9)),
    ((1, 40), (40, 100)),
    ((40, 100), (100, 1)),
    ((33, 65), (65, 130)),
    ((128, 64), (64, 48)),
    ((7,), (7,)),
    ((7,), (7, 5)),
    ((5, 7), (7,)),
    ((3, 5, 7), (7, 4)),
    ((3, 5, 7), (3, 7, 4)),
    ((3, 1, 5, 7), (2, 7, 4)),
    ((2, 5, 7), (7,)),
    ((0, 7), (7, 4)),
    ((5, 0), (0, 4)),
]


@pytest.mark.parametrize(("left", "right"), one_in(2, MATMULS))
def test_matmul_of_every_rank_and_size(left: tuple[int, ...], right: tuple[int, ...]) -> None:
    operands = [tensors([left, right], dtype) for dtype in ("float32", "float64", "int64", "bool")]
    check(*(cnp.matmul(x, y) for x, y in operands))


@pytest.mark.parametrize("rows", [1, 3, 30, 128])
def test_matmul_of_transposed_operands(rows: int) -> None:
    x, y = tensors([(40, rows), (70, 40)])
    check(cnp.matmul(x.T, y.T), cnp.matmul(y, x), cnp.matmul(x.T[::-1], y.T[:, ::2]))


@pytest.mark.parametrize(
    ("subscripts", "shapes"),
    [
        ("ij,jk->ik", [(5, 7), (7, 9)]),
        ("bqhd,bkhd->bhqk", [(2, 10, 4, 16), (2, 12, 4, 16)]),
        ("ij->ji", [(5, 7)]),
        ("ii->i", [(5, 5)]),
        ("ij,kj->k", [(5, 7), (3, 7)]),
        ("i,i->", [(100,), (100,)]),
        ("ij->", [(5, 7)]),
        ("abc,cd->abd", [(2, 3, 4), (4, 5)]),
    ],
)
def test_einsum(subscripts: str, shapes: list[tuple[int, ...]]) -> None:
    check(cnp.einsum(subscripts, *tensors(shapes)))


def test_movement_is_exact() -> None:
    x, y = tensors([(4, 6), (4, 6)])
    check(
        x.T,
        x.reshape(3, 8),
        x.T.reshape(8, 3),
        cnp.broadcast_to(x, (2, 4, 6)),
        cnp.expand_dims(x, 1),
        cnp.squeeze(cnp.expand_dims(x, 0)),
        cnp.concatenate([x, y, x[:2]], axis=0),
        cnp.concatenate([x.T, y.T], axis=1),
        cnp.stack([x, y], axis=1),
        *cnp.split(x, [1, 3], axis=1),
        cnp.pad(x, ((1, 2), (0, 3)), constant_values=7.0),
        cnp.flip(x, 1),
        x[::-2, 1:4],
        x[1],
        x[:, None, 2],
        cnp.where(x > y, x, y),
        cnp.clip(x, -0.5, 0.5),
    )


def test_gathers_are_exact() -> None:
    x = tensor(7, 5)
    index = cnp.asarray(np.array([[0, 3, -1], [6, -7, 2]]))
    rows, columns = cnp.asarray(np.array([0, 3, -1])), cnp.asarray(np.array([4, -5, 0], np.int32))
    along = cnp.asarray(np.argsort(cnp.evaluate(x), axis=1))
    check(
        cnp.take(x, index, axis=0),
        cnp.take(x, index % 5, axis=1),
        cnp.take(x, index),
        cnp.take(x, index * 5, axis=0, mode="wrap"),
        cnp.take(x, index * 5, axis=0, mode="clip"),
        x[index],
        x[rows, columns],
        x[:, columns],
        x[index, 1:3],
        cnp.take_along_axis(x, along, axis=1),
        cnp.take(x, index, axis=0) * 2 + 1,
    )


def test_every_row_of_the_table_with_a_spelling_in_c_is_known_to_numpy() -> None:
    assert is_compiled("add", [np.dtype("f4"), np.dtype("f4")])
    assert not is_compiled("add", [np.dtype("f2"), np.dtype("f2")])
