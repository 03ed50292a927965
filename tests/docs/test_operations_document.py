"""docs/operations.md is what its generator writes now."""

from docs.generate_operations import FILE, operations_text


def test_the_table_of_operations_is_current():
    assert FILE.read_text() == operations_text(), "run python docs/generate_operations.py"


def test_every_elementwise_function_and_operation_is_in_the_table():
    text = FILE.read_text()
    for word in ("`add`", "`erf`", "`absolute`, `abs`", "`Matmul`", "`Reduce`", "none: a position is an integer"):
        assert word in text
