"""Writes by slices and integers in C: numpy's values, in place where the old value dies, in linear time and one buffer."""

import re
from collections.abc import Callable
from cProfile import Profile
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import composit.numpy as cnp
import mosaic
from composit.nn import chain_rule
from mosaic import CompiledModel
from mosaic.ir.views import Buffer, BufferKind, dense_view, may_overlap
from tests.mosaic.comparison import tensor
from tests.sampling import one_in, only

Program = Callable[[Any, Any], Any]  # numpy or composit.numpy, and an array of it that may be written to
DTYPES = ["float32", "float64", "int8", "int64", "uint16", "bool"]


def compiled(program: Program, array: Any, **options: Any) -> CompiledModel:
    """A model of the program on `array`; it must need no numpy."""
    x = cnp.asarray(np.zeros_like(array))
    model = mosaic.compile(program(cnp, x.copy()), inputs=[x], **options)
    assert "numpy" not in model.explain(), model.explain()
    return model


def check(program: Program, array: Any) -> None:
    """The bits of numpy, fused and not, and the caller's array is left alone."""
    expected = program(np, array.copy())
    for fuse in (True, False):
        before = array.copy()
        np.testing.assert_array_equal(compiled(program, array, fuse=fuse)(array), expected, strict=True)
        np.testing.assert_array_equal(array, before)


def numbers(*shape: int, dtype: str = "float64") -> Any:
    return np.asarray(cnp.evaluate(tensor(*shape, dtype=dtype)))


INDICES: list[Any] = [
    2,
    -1,
    slice(1, 3),
    slice(None, None, -2),
    slice(7, 2),
    (slice(None), 3),
    (slice(None, None, 2), slice(4, 0, -3)),
    (1, 2),
    (Ellipsis, 0),
    (None, 2, slice(1, None)),
    (slice(3, 3), 1),
    Ellipsis,
    (),
]


@pytest.mark.parametrize("dtype", one_in(2, DTYPES))
def test_what_an_index_chooses_is_replaced_and_the_rest_stays(dtype: str) -> None:
    def write(xp: Any, a: Any) -> Any:
        results = [a.copy() for _ in INDICES]
        for result, index in zip(results, INDICES, strict=True):
            result[index] = 1
        return xp.stack(results)

    check(write, numbers(4, 5, dtype=dtype))


@pytest.mark.parametrize("source", one_in(2, DTYPES))
def test_values_are_cast_as_numpys_assignment_casts_them(source: str) -> None:
    values = numbers(6, dtype=source)

    def write(xp: Any, a: Any) -> Any:
        results = [a.astype(target) for target in DTYPES]
        for result in results:
            # A negative float as an unsigned integer is undefined in C, for numpy too.
            result[1:7] = xp.asarray(abs(values) if result.dtype == "uint16" and source != "bool" else values)
        return xp.stack([result.astype("float64") for result in results])

    check(write, numbers(9))


@pytest.mark.parametrize("shape", [(), (1,), (4,), (3, 1), (1, 3, 4), (1, 1, 1), (3, 4)], ids=str)
def test_values_broadcast_and_lose_leading_axes_of_one(shape: tuple[int, ...]) -> None:
    def write(xp: Any, a: Any) -> Any:
        a[1:4, ::2] = xp.asarray(numbers(*shape)) + 1
        return a

    check(write, numbers(5, 8))


def through_a_transpose(xp: Any, a: Any) -> Any:
    a.T[1:, ::2] = 7
    return a


def through_nested_slices(xp: Any, a: Any) -> Any:
    a[1:][::-1][:, 2:][0] = 7
    return a


def through_a_reshape(xp: Any, a: Any) -> Any:
    a.reshape(-1)[3::7] = 7
    return a


def through_a_reshape_of_columns(xp: Any, a: Any) -> Any:
    a[:, ::2].T[1].reshape(2, 2)[1] = 7
    return a


def through_a_diagonal_block(xp: Any, a: Any) -> Any:
    view = a.reshape(2, 2, 2, 3).transpose(2, 0, 3, 1)
    view[1, :, 0] = xp.asarray(numbers(2, 2))
    return a


def of_an_array_that_was_transposed(xp: Any, a: Any) -> Any:
    b = a.T.copy()
    b[1] = a[:, 0]
    return b


def of_neighbours(xp: Any, a: Any) -> Any:
    a[1:] = a[:-1]
    a[:, :-1] = a[:, 1:] * 2
    return a


def of_itself_backwards(xp: Any, a: Any) -> Any:
    a[:] = a[::-1]
    a[0, 1:4] = a[0, 3:0:-1]
    return a


def of_rows_that_are_normalised(xp: Any, a: Any) -> Any:
    for i in range(len(a)):
        a[i] = a[i] / xp.abs(a[i]).max()
    return a


def of_columns_less_what_they_hold_first(xp: Any, a: Any) -> Any:
    for j in range(a.shape[1] - 1, -1, -1):
        a[:, j] = a[:, j] - a[0, j] * a[1, 0]
    return a


def of_zeros(xp: Any, a: Any) -> Any:
    b = xp.zeros((4, 6))
    b[1:3] = a[1:3]
    b[2, ::3] += 1
    return b


def of_what_a_product_gives(xp: Any, a: Any) -> Any:
    a[:2, :4] = a[:2] @ a[:4].T
    return a


def of_both_values(xp: Any, a: Any) -> Any:
    before = a.copy()
    a[1] = 5
    a[2] = before[1] + a[1]
    return a + before


def twice_of_one_value(xp: Any, a: Any) -> Any:
    b, c = a.copy(), a.copy()
    b[0], c[1] = 7, 8
    c[2] = b[0] + a[0]
    return xp.stack([b, c])


PROGRAMS: list[Program] = [
    through_a_transpose,
    through_nested_slices,
    through_a_reshape,
    through_a_reshape_of_columns,
    through_a_diagonal_block,
    of_an_array_that_was_transposed,
    of_neighbours,
    of_itself_backwards,
    of_rows_that_are_normalised,
    of_columns_less_what_they_hold_first,
    of_zeros,
    of_both_values,
    twice_of_one_value,
]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_writes_are_numpys(program: Program) -> None:
    check(program, numbers(4, 6))


def test_a_part_takes_a_product() -> None:
    array = numbers(4, 6)
    np.testing.assert_allclose(
        compiled(of_what_a_product_gives, array)(array), of_what_a_product_gives(np, array.copy()), rtol=1e-12
    )


def rows(xp: Any, a: Any) -> Any:
    for i in range(1, len(a)):
        a[i] = a[i - 1] * 0.5 + a[i]
    return a


def cholesky(xp: Any, a: Any) -> Any:
    for j in range(len(a)):
        a[j:, j] -= a[j:, :j] @ a[j, :j]
        a[j:, j] /= xp.sqrt(a[j, j])
    return a


def gauss_seidel(xp: Any, a: Any) -> Any:
    for i in range(1, len(a) - 1):
        a[i, 1:-1] = (a[i - 1, 1:-1] + a[i + 1, 1:-1] + a[i, :-2] + a[i, 2:]) * 0.25
    return a


LOOPS: list[Program] = [rows, cholesky, gauss_seidel]


def positive_definite(size: int) -> Any:
    values = numbers(size, size)
    return values @ values.T + size * np.eye(size)


def last_program(program: Program, array: Any) -> str:
    """The statements when writes have been settled."""
    x = cnp.asarray(array)
    stages = mosaic.stages(program(cnp, x + 0), inputs=[x])
    (found,) = [stage.text for stage in stages if stage.name == "write_in_place"]
    return found


@pytest.mark.parametrize("count", only([250], [250, 1000]))
def test_a_loop_of_row_writes_has_one_buffer_and_three_kernels(count: int) -> None:
    array = numbers(count + 1, 8)
    model = compiled(rows, array)
    np.testing.assert_array_equal(model(array), rows(np, array.copy()))
    assert model.buffers.arena_bytes == 0
    # The copy of the caller's array, the row that is computed from it, and all others.
    assert len({kernel.function for kernel in model.kernels}) == 3
    assert len(set(re.findall(r"temporary_\d+", last_program(rows, array)))) == 1


@pytest.mark.parametrize("loop", LOOPS, ids=lambda loop: loop.__name__)
def test_loops_of_the_textbook_change_one_array(loop: Program) -> None:
    array = positive_definite(24)
    np.testing.assert_allclose(compiled(loop, array)(array), loop(np, array.copy()), rtol=1e-12)
    # Whole arrays are written once, before the loop; all other results are parts.
    whole = re.findall(r"temporary_\d+\[576\] =", last_program(loop, array))
    assert len(whole) == 1


def num_calls(loop: Program, size: int) -> int:
    """How many functions the passes call: what they cost, without a clock."""
    x = cnp.asarray(positive_definite(size))
    written, profile = loop(cnp, x + 0), Profile()
    profile.enable()
    mosaic.stages(written, inputs=[x])
    profile.disable()
    return sum(entry.callcount for entry in profile.getstats())


@pytest.mark.parametrize("size", only([16], [16, 24, 40]))
@pytest.mark.parametrize("loop", LOOPS, ids=lambda loop: loop.__name__)
def test_compiling_a_loop_of_writes_costs_time_linear_in_its_writes(loop: Program, size: int) -> None:
    assert num_calls(loop, 4 * size) < 5 * num_calls(loop, size)


def mixed(xp: Any, a: Any) -> Any:
    a = a + 0
    for i in range(6):
        a[i] = a[i] * 2 + 1
        a[i : i + 1] = xp.partition(a[i : i + 1], 2)  # numpy's
        a[xp.asarray(np.arange(6) == i)] = 0.5 + i  # numpy's, in place
    return a


def test_regions_change_arrays_that_earlier_steps_have_filled() -> None:
    x = cnp.asarray(numbers(6, 5))
    model = mosaic.compile(mixed(cnp, x), inputs=[x])
    for _ in range(2):
        np.testing.assert_array_equal(model(numbers(6, 5)), mixed(np, numbers(6, 5)))
    regions = model._executable.compiled.regions
    assert sum(len(region.updated) for region in regions) >= 10
    (stage,) = [stage for stage in mosaic.stages(mixed(cnp, x), inputs=[x]) if stage.name == "write_in_place"]
    assert len(re.findall(r"temporary_\d+\[30\] =", stage.text)) == 1


def test_an_index_out_of_bounds_is_found_in_a_region_that_changes_an_earlier_array() -> None:
    x, places = cnp.asarray(numbers(4, 5)), cnp.asarray(np.array([0, 1]))
    a = cnp.partition(x, 1, axis=0)
    a[1, :2] = x[0][places]
    model = mosaic.compile(a, inputs=[x, places])
    expected = np.partition(numbers(4, 5), 1, axis=0)
    expected[1, :2] = numbers(4, 5)[0, [3, -1]]
    np.testing.assert_array_equal(model(numbers(4, 5), np.array([3, -1])), expected)
    with pytest.raises(IndexError):
        model(numbers(4, 5), np.array([3, 5]))


def test_what_is_returned_from_before_a_write_costs_a_copy() -> None:
    x = cnp.asarray(numbers(3, 4))
    a = x * 2
    before = a.copy()
    a[1] = 0
    first, second = mosaic.compile([before, a], inputs=[x])(numbers(3, 4))
    np.testing.assert_array_equal(first, numbers(3, 4) * 2)
    np.testing.assert_array_equal(second, numbers(3, 4) * 2 * [[1], [0], [1]])


def test_a_part_of_an_old_value_stays_behind_the_zeros_that_it_is_written_over() -> None:
    # The derivative of b[:1] pads a part of g with zeros, while another write replaces this part in g.
    x = tensor(2, 3, dtype="float64")
    a = x * 2
    b = cnp.array(a)
    b[:1] = cnp.array(a[1:])[:1]
    (gradient,) = chain_rule({b: a * b}, [x])
    np.testing.assert_allclose(
        mosaic.compile(gradient, inputs=[x])(cnp.evaluate(x)), cnp.evaluate(gradient), rtol=1e-15
    )


def test_views_that_show_elements_more_than_once_are_written_by_numpy() -> None:
    x = cnp.asarray(numbers(8))
    a = x.copy()
    windows = cnp.lib.stride_tricks.sliding_window_view(a, 3, writeable=True)
    windows[...] = cnp.asarray(numbers(6, 3))
    expected = numbers(8)
    np.lib.stride_tricks.sliding_window_view(expected, 3, writeable=True)[...] = numbers(6, 3)
    model = mosaic.compile(a, inputs=[x])
    assert "numpy island" in model.explain()
    np.testing.assert_array_equal(model(numbers(8)), expected)


SHAPE = (4, 6)
SLICES = st.builds(slice, *[st.none() | st.integers(-6, 6)] * 2, st.sampled_from([None, 1, 2, 3, -1, -2]))


@settings(deadline=None)
@given(first=st.tuples(SLICES, SLICES), second=st.tuples(SLICES, SLICES), is_transposed=st.booleans())
def test_parts_that_cannot_overlap_have_no_element_in_common(
    first: tuple[slice, slice], second: tuple[slice, slice], is_transposed: bool
) -> None:
    places = np.arange(24).reshape(SHAPE)
    buffer = Buffer(BufferKind.TEMPORARY, 0, 24, np.dtype("float64"))

    def part(index: tuple[slice, slice]) -> Any:
        view = dense_view(buffer, SHAPE)
        for axis, entry in enumerate(index):
            chosen = range(*entry.indices(SHAPE[axis]))
            view = view.slice_axis(axis, chosen.start if chosen else 0, len(chosen), chosen.step)
        return view.transpose((1, 0)) if is_transposed else view

    common = set(places[first].ravel()) & set(places[second].ravel())
    answer = may_overlap(part(first), part(second), SHAPE)
    assert answer or not common
    # With steps of one length, a common row and a common column make a common element: the answer is exact.
    if all(abs(one.step or 1) == abs(other.step or 1) for one, other in zip(first, second, strict=True)):
        assert answer == bool(common)
