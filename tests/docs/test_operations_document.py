"""docs/operations.md is what its generator writes now."""

import pytest

from docs import generate_numpy_table
from docs.generate_operations import FILE, operations_text


def test_the_table_of_operations_is_current():
    assert FILE.read_text() == operations_text(), "run python docs/generate_operations.py"


def test_every_elementwise_function_and_operation_is_in_the_table():
    text = FILE.read_text()
    for word in ("`add`", "`erf`", "`absolute`, `abs`", "`Matmul`", "`Reduce`", "none: a position is an integer"):
        assert word in text


@pytest.mark.parametrize("file", [FILE, generate_numpy_table.FILE], ids=lambda file: file.name)
def test_no_function_and_no_operation_is_without_a_derivative_or_a_reason(file):
    blank, num_rows, place = [], 0, None
    for line in file.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("|"):
            place = None
        elif "Derivative" in cells:
            place = cells.index("Derivative")
        elif place is not None and "---" not in cells:
            num_rows += 1
            blank += [cells[0]] if not cells[place].startswith(("yes", "none: ")) else []
    assert num_rows > 150
    assert blank == []
