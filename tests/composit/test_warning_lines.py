"""numpy's floating-point warnings name the line that built the operation, each line once."""

from __future__ import annotations

import linecache
import sys
import warnings
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import composit as cnp
from composit.errstates import DEFAULT_ERRSTATE, acts_at_call, current_errstate, reporting


def _shown(program: str, values: dict[str, Any], filename: str = "program.py") -> list[tuple[str, int, str]]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        exec(compile(program, filename, "exec"), values)
    return [(each.filename, each.lineno, str(each.message)) for each in caught]


def test_warnings_name_the_lines_that_numpys_name() -> None:
    program = "y = 1 / x\nz = np.log(x)\nfor _ in range(2): w = 1 / (x * 2)\nprint(z, w, y, file=out)\n"
    with open("/dev/null", "w", encoding="utf-8") as out:
        expected = _shown(program, {"np": np, "x": np.zeros(2), "out": out}, "of_numpys.py")
        given = _shown(program, {"np": cnp, "x": cnp.zeros(2), "out": out}, "of_ours.py")
    assert sorted(line[1:] for line in given) == sorted(line[1:] for line in expected)
    assert {line[0] for line in given} == {"of_ours.py"}


def test_a_line_warns_once_under_pythons_default_filter() -> None:
    x = cnp.zeros(2)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for _ in range(3):
            cnp.evaluate(1 / x)
        cnp.evaluate(1 / x)
    here = [each for each in caught if each.filename == __file__]
    assert len(here) == len(caught) == 2
    assert [linecache.getline(__file__, each.lineno).strip() for each in here] == [
        "cnp.evaluate(1 / x)",
        "cnp.evaluate(1 / x)",
    ]


def test_filters_by_module_know_the_module(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("a_module_that_divides")
    module.__file__ = "a_module_that_divides.py"
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(compile("def f(x): return 1 / x", module.__file__, "exec"), vars(module))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", module="a_module_that")
        np.testing.assert_array_equal(cnp.evaluate(module.f(cnp.zeros(1))), [np.inf])
        with pytest.raises(RuntimeWarning, match="divide by zero"):
            cnp.evaluate(1 / cnp.zeros(1))


def test_writes_and_functions_of_the_user_warn_too() -> None:
    @cnp.wrap_as_operation(result_types=lambda x: x)
    def inverse(x: np.ndarray) -> np.ndarray:
        return 1 / x

    x = cnp.zeros(2)
    x[0] = inverse(x)[0] - inverse(x)[1]
    with pytest.warns(RuntimeWarning) as caught:
        cnp.evaluate(x)
    assert {str(each.message) for each in caught} == {
        "divide by zero encountered in divide",
        "invalid value encountered in scalar subtract",
    }
    assert {each.filename for each in caught} == {__file__}


def test_who_is_told_by_a_call_stays_so() -> None:
    told: list[str] = []
    with np.errstate(divide="call", invalid="warn", call=lambda kind, _: told.append(kind)):
        state = current_errstate()
        assert reporting(state) is state
        1 / cnp.zeros(1)
    assert told == ["divide by zero"]


def test_the_state_that_reports_computes_nothing_at_the_call() -> None:
    made = reporting(DEFAULT_ERRSTATE)
    assert made is not DEFAULT_ERRSTATE
    assert reporting(made) is made
    assert not acts_at_call(made)
