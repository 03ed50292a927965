"""`repr` shows numpy's own of a scalar and of an array whose value is known; an array is never computed for it."""

from __future__ import annotations

import contextlib
import doctest
import io
import logging
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import composit.numpy as cnp
from composit.apply import placeholder
from composit.handle import described
from composit.operation import tensor_type

X = np.array([[1.0, 2.0], [3.0, 4.0]])

SCALARS: list[Callable[[Any], Any]] = [
    lambda np: np.asarray(X).mean(),
    lambda np: np.arange(5).max(),
    lambda np: np.arange(5)[2],
    lambda np: (np.asarray(X) > 1).all(),
    lambda np: np.asarray(X).astype("float32").sum() + 1,
    lambda np: (np.asarray(X) * 1j).sum(),
    lambda np: np.array([1, 2], "M8[D]")[1],
    lambda np: np.array([1, 2], "m8[s]").sum(),
    lambda np: np.float64(2.5) * np.ones(1)[0],
    lambda np: np.full(2, np.nan).max(),
]


@pytest.mark.parametrize("make", SCALARS)
def test_a_scalar_shows_numpys_repr_alone_and_in_containers(make: Callable[[Any], Any]) -> None:
    ours, theirs = make(cnp), make(np)
    assert repr(ours) == repr(theirs)
    assert str([ours, (ours,)]) == str([theirs, (theirs,)])
    assert f"{ours!r} {[ours]} {{'loss': ours}}" == f"{theirs!r} {[theirs]} {{'loss': ours}}"
    assert f"{ours=}" == f"{theirs=}".replace("theirs", "ours")


def test_what_scripts_print_is_numpys(caplog: pytest.LogCaptureFixture) -> None:
    shown: list[str] = []
    for np_ in (cnp, np):
        out = io.StringIO()
        x = np_.array([1.0, 2.0, 4.0])
        with contextlib.redirect_stdout(out):
            print([x.mean()], {"min": x.min()}, (x.sum(),), f"{x=}")
        caplog.clear()
        with caplog.at_level(logging.INFO):
            logging.getLogger("script").info("mean %r", x.mean())
        shown.append(out.getvalue() + caplog.text)
    assert shown[0] == shown[1]


KNOWN: list[Callable[[Any], Any]] = [
    lambda np: np.array(X),
    lambda np: np.array(X)[1:],
    lambda np: np.array(X).T,
    lambda np: np.array(X).reshape(-1)[::2],
    lambda np: np.array(3.0),
    lambda np: np.array(["a", "bc"]),
    lambda np: np.array([1, 2], "M8[D]"),
    lambda np: np.array([(1, 2.0)], [("a", "i4"), ("b", "f8")]),
    lambda np: np.array(list(range(3000))),
    lambda np: np.unique(np.array([3, 1, 1])),
]


@pytest.mark.parametrize("make", KNOWN)
def test_an_array_whose_value_is_known_shows_numpys_repr(make: Callable[[Any], Any]) -> None:
    with cnp.count_evaluations() as counted:
        ours = make(cnp)
        before = counted.runs
        assert repr(ours) == repr(make(np))
        assert counted.runs == before


def test_print_options_hold_for_repr_too() -> None:
    with cnp.printoptions(precision=2, threshold=3, edgeitems=1):
        assert repr(cnp.array([1.23456] * 9)) == repr(np.array([1.23456] * 9))


def test_an_array_that_is_not_computed_stays_so() -> None:
    x = cnp.exp(cnp.array(X))
    for array in (x, x[1:], x.T, cnp.zeros(3), x.reshape(-1)):
        with cnp.count_evaluations() as counted:
            text = repr(array)
        assert counted.runs == 0
        assert text == f"<LazyTensor {array.name}: shape={array.shape}, dtype=float64>"
        assert array._known is None
    str(x)
    assert repr(x) == repr(np.exp(X))
    assert repr(x[0]) == repr(np.exp(X)[0])


def test_an_array_of_objects_shows_what_it_holds() -> None:
    ours = cnp.array([cnp.array([1.0, 2.0]), None, cnp.ones(2).sum()], dtype=object)
    theirs = np.array([np.array([1.0, 2.0]), None, np.ones(2).sum()], dtype=object)
    assert repr(ours) == repr(theirs)


def test_a_repr_does_not_raise_where_the_value_would() -> None:
    missing = placeholder(tensor_type((3,), "f8")).sum()
    assert repr(missing) == "<LazyTensor sum: shape=(), dtype=float64>"

    @cnp.wrap_as_operation(result_types=lambda operand: operand)
    def failing(array: Any) -> Any:
        raise OSError("no such device")

    assert repr(failing(cnp.ones(2)).sum()) == "<LazyTensor sum: shape=(), dtype=float64>"
    with np.errstate(divide="ignore"), cnp.count_evaluations():
        assert repr((cnp.ones(1) / cnp.zeros(1))[0]) == "np.float64(inf)"


def test_a_repr_is_no_guard() -> None:
    x = cnp.array(X)
    repr(x.sum())
    y = x * 2
    np.testing.assert_array_equal(cnp.evaluate(y, inputs={x: X + 1}), (X + 1) * 2)


def test_errors_name_a_tensor_without_computing_it() -> None:
    total = cnp.exp(cnp.array(X)).sum()
    with cnp.count_evaluations() as counted, pytest.raises(TypeError, match="<LazyTensor sum: shape="):
        len(total)
    assert counted.runs == 0
    assert described([total, (1,)]) == "[<LazyTensor sum: shape=(), dtype=float64>, (1,)]"
    with pytest.raises(ValueError, match=r"<LazyTensor input: shape=\(2, 2\), dtype=float64> was used as a condition"):
        bool(cnp.array(X))


_SCALAR = re.compile(r"np\.(float|int|uint|complex|True_|False_|datetime64|timedelta64)\S*\s*$")


def _agreeing(xp: Any, examples: str) -> Iterator[tuple[str, bool]]:
    """The examples of a docstring that show a scalar, each with whether it comes out as it is printed there."""
    test = doctest.DocTestParser().get_doctest(examples, {}, "numpy", None, 0)
    for example in test.examples:
        example.source = example.source.replace("import numpy as np", f"import {xp.__name__} as np")
    failed: set[int] = set()
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE, verbose=False)
    runner.report_failure = lambda out, test, example, got: failed.add(id(example))  # type: ignore[method-assign]
    runner.report_unexpected_exception = lambda out, test, example, info: failed.add(id(example))  # type: ignore[method-assign]
    with contextlib.redirect_stdout(io.StringIO()):
        runner.run(test, out=lambda text: None, clear_globs=False)
    for example in test.examples:
        if _SCALAR.match(example.want):
            yield example.source, id(example) not in failed


@pytest.mark.filterwarnings("ignore")
def test_the_examples_of_numpys_docstrings_that_show_a_scalar_come_out_as_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    texts = {name: getattr(np, name).__doc__ or "" for name in np.__all__ if callable(getattr(np, name))}
    numpys: dict[tuple[str, str], bool] = {}
    ours: dict[tuple[str, str], bool] = {}
    for name, text in texts.items():
        if any(_SCALAR.match(line.strip()) for line in text.splitlines()):
            numpys |= {(name, source): agrees for source, agrees in _agreeing(np, text)}
            ours |= {(name, source): agrees for source, agrees in _agreeing(cnp, text)}
    printed = [example for example, agrees in numpys.items() if agrees]
    assert len(printed) > 20
    assert [example for example in printed if not ours[example]] == []
