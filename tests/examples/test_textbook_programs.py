"""Programs in the style of numerical textbooks: one element, row or sample after the other, as numpy computes them."""

import numpy as np
import pytest

import composit.numpy as cnp
from benchmarks.first_cases import LOOPS, FirstCase, textbook_cases
from composit.handle import TensorHandle
from composit.node import next_serial

CASES = [*textbook_cases(), *LOOPS]


def _names(cases: list[FirstCase]) -> list[str]:
    return [case.name for case in cases]


def test_there_are_ten_textbook_programs_and_more() -> None:
    assert len(textbook_cases()) >= 10


@pytest.mark.parametrize("case", CASES, ids=_names(CASES))
def test_a_loop_gives_numpys_results(case: FirstCase) -> None:
    expected = case.run(np, case.small_size)
    given = case.run(cnp, case.small_size)
    assert list(given) == list(expected)
    for name, value in expected.items():
        if isinstance(value, np.ndarray | np.generic):
            assert isinstance(given[name], TensorHandle), name
            assert given[name].type.is_scalar == isinstance(value, np.generic), name
        np.testing.assert_array_equal(np.asarray(given[name]), np.asarray(value), err_msg=name, strict=True)


@pytest.mark.slow
@pytest.mark.parametrize("case", textbook_cases(), ids=_names(list(textbook_cases())))
def test_a_textbook_program_makes_ten_thousand_operations_at_the_size_that_is_measured(case: FirstCase) -> None:
    before = next_serial()
    case.run(cnp, case.size)
    assert next_serial() - before > 10_000
