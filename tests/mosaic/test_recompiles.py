"""`mosaic.explain_recompiles`: what differs from the nearest earlier program, where, and what to write instead."""

import gc
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import composit as cnp
import mosaic
from composit.evaluation import clear_prepared_programs
from composit.nn.core import wrap_as_operation
from mosaic.recompiles import Recompile, most_kept


@pytest.fixture(autouse=True)
def _own_record() -> Iterator[None]:
    clear_prepared_programs()  # those of other tests
    mosaic.clear_recompiles()
    yield
    mosaic.clear_recompiles()


def ones(*shape: int, dtype: str = "float32") -> Any:
    """A new input."""
    return cnp.asarray(np.ones(shape, dtype))


def scaled(x: Any, factor: Any, function: Callable[[Any], Any] = cnp.exp, axis: int = 0) -> Any:
    """A small program whose parts the tests change one by one."""
    return cnp.sum(function(x * factor), axis=axis)


def recompiles() -> tuple[Recompile, ...]:
    """What the report holds."""
    return mosaic.explain_recompiles().recompiles


def test_a_python_float_that_changes_compiles_each_time_and_is_named_with_its_line() -> None:
    x = ones(3)
    for step in range(8):
        cnp.evaluate(scaled(x, step / 8), backend="mosaic")
    report = mosaic.explain_recompiles()
    assert len(report.recompiles) == 7
    for step, each in enumerate(report.recompiles):
        (difference,) = each.differences
        assert (difference.what, difference.before, difference.now) == ("constant", f"{step / 8}", f"{(step + 1) / 8}")
        assert "test_recompiles.py" in difference.place
        assert "function(x * factor)" in difference.place
        assert each.earlier.number == step + 1
    text = str(report)
    assert text.startswith("8 programs were made runnable; 7 of them resemble an earlier one.")
    assert "7 times a constant: 0.0 -> 0.125 -> 0.25 -> 0.375 -> ... -> 0.875" in text
    assert 'value = cnp.asarray(value, "float32")' in text


def test_what_the_report_advises_for_a_constant_compiles_once() -> None:
    x = ones(3)
    results = [cnp.evaluate(scaled(x, cnp.asarray(step / 8, "float32")), backend="mosaic") for step in range(20)]
    assert mosaic.explain_recompiles().num_compilations == 1
    assert {each.dtype for each in results} == {np.dtype("float32")}


CHANGES: dict[str, tuple[Callable[[], Any], Callable[[], Any], str, str, str]] = {
    "constant": (lambda: scaled(ones(3), 2), lambda: scaled(ones(3), 2.0), "constant", "2", "2.0"),
    "shape": (lambda: scaled(ones(3), 2), lambda: scaled(ones(4), 2), "shape", "float32[3]", "float32[4]"),
    "dtype": (
        lambda: scaled(ones(3), 2),
        lambda: scaled(ones(3, dtype="float64"), 2),
        "dtype",
        "float32[3]",
        "float64[3]",
    ),
    "parameter": (
        lambda: scaled(ones(3, 3), 2),
        lambda: scaled(ones(3, 3), 2, axis=1),
        "parameter",
        "axes=(0,)",
        "axes=(1,)",
    ),
    "operation": (lambda: scaled(ones(3), 2), lambda: scaled(ones(3), 2, cnp.sin), "operation", "exp", "sin"),
    "number of operations": (
        lambda: grown(ones(3), 2),
        lambda: grown(ones(3), 3),
        "number of operations",
        "4",
        "6 (multiply, add more)",
    ),
    "operands": (
        lambda: difference(ones(3), ones(3)),
        lambda: difference(ones(3), ones(3), True),
        "operands",
        "input %0, input %2",
        "input %2, input %0",
    ),
}


def grown(x: Any, times: int) -> Any:
    """An operation more in each step, as in a loop that never reads."""
    for _ in range(times):
        x = x * 2 + 1
    return x


def difference(x: Any, y: Any, turned: bool = False) -> Any:
    """x - y or y - x, after both are read in one order."""
    total = cnp.exp(x) + cnp.exp(y)
    first, second = (y, x) if turned else (x, y)
    return total * (first - second)


@pytest.mark.parametrize("name", CHANGES)
def test_what_differs_is_named(name: str) -> None:
    before, after, what, old, new = CHANGES[name]
    for build in (before, after):
        cnp.evaluate(build(), backend="mosaic")
    (recompile,) = recompiles()
    assert [(each.what, each.before, each.now) for each in recompile.differences] == [(what, old, new)]
    assert recompile.differences[0].advice
    assert "test_recompiles.py" in recompile.differences[0].place


@pytest.mark.parametrize(
    ("name", "settings"),
    [("num_threads", {"num_threads": 1}), ("fuse", {"fuse": False}), ("target", {"target": "generic"})],
)
def test_an_option_that_differs_is_named(name: str, settings: dict[str, Any]) -> None:
    x = ones(3)
    y = scaled(x, 2)
    mosaic.compile(y, inputs=[x], num_threads=2)
    mosaic.compile(y, inputs=[x], **{"num_threads": 2, **settings})
    (recompile,) = recompiles()
    assert [each.what for each in recompile.differences] == [f"option {name}"]


def test_a_program_that_is_asked_for_again_says_that_nothing_differs() -> None:
    x = ones(3)
    y = scaled(x, 2)
    for _ in range(2):
        cnp.evaluate(y, backend="mosaic")
        clear_prepared_programs()
        y = scaled(x, 2)
    (recompile,) = recompiles()
    assert recompile.differences[0].what == "nothing"
    assert recompile.compilation.outcome == "found in the cache"


def test_the_nearest_earlier_program_is_compared() -> None:
    x, y = ones(3), ones(4)
    for factor, tensor in [(2, x), (3, y), (3, x)]:
        cnp.evaluate(scaled(tensor, factor), backend="mosaic")
    assert [[each.what for each in found.differences] for found in recompiles()] == [["shape", "constant"], ["shape"]]


def test_programs_of_other_lines_are_not_compared() -> None:
    x = ones(3)
    cnp.evaluate(x + 1, backend="mosaic")
    cnp.evaluate(x + 2, backend="mosaic")
    assert recompiles() == ()


def test_a_scalar_that_becomes_equal_to_another_is_one_constant_that_differs() -> None:
    x = ones(3)
    for factor in (0.25, 0.5):
        cnp.evaluate(x * factor + 0.5, backend="mosaic")
    (recompile,) = recompiles()
    assert [(each.what, each.before, each.now) for each in recompile.differences] == [("constant", "0.25", "0.5")]


def test_a_wrapped_function_is_another_call_each_time_and_the_record_does_not_hold_it() -> None:
    class Table:
        """What the function closes over."""

    def program(x: Any) -> tuple[Any, weakref.ref[Table]]:
        table = Table()

        @wrap_as_operation()
        def looked_up(array: np.ndarray) -> np.ndarray:
            assert table is not None
            return np.asarray(array * 2)

        return looked_up(x) + 1, weakref.ref(table)

    x = ones(3)
    held = []
    for _ in range(2):
        y, reference = program(x)
        cnp.evaluate(y, backend="mosaic")
        held.append(reference)
    del y
    (recompile,) = recompiles()
    assert [(each.what, each.now) for each in recompile.differences] == [("call", "another looked_up()")]
    assert "build the graph once" in recompile.differences[0].advice
    clear_prepared_programs()
    gc.collect()
    assert [reference() for reference in held] == [None, None]


def test_the_record_is_bounded_and_can_be_cleared() -> None:
    x = ones(3)
    model = None
    for _ in range(most_kept + 3):
        model = mosaic.compile(x + 1, inputs=[x])
    assert model is not None
    report = mosaic.explain_recompiles()
    assert (report.num_compilations, report.num_kept) == (most_kept + 3, most_kept)
    assert f"of which the last {most_kept} are on record" in str(report)
    mosaic.clear_recompiles()
    assert str(mosaic.explain_recompiles()) == "0 programs were made runnable; 0 of them resemble an earlier one."


def test_the_record_holds_no_arrays() -> None:
    x, weight = ones(64, 64), np.ones((64, 64), "float32")
    for _ in range(2):
        mosaic.compile(x @ cnp.asarray(weight), inputs=[x])
    requests = [each.compilation.request for each in recompiles()]
    assert requests
    for request in requests:
        assert not request.known
        inputs = [request.program.instructions[position].operation for position in request.program.inputs]
        assert not any(operation.has_value for operation in inputs)  # type: ignore[attr-defined]
