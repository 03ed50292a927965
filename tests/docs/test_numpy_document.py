"""docs/numpy.md is what its generator writes now."""

from docs.generate_numpy_table import FILE, table_rows, table_text


def test_the_table_of_numpys_names_is_current():
    assert FILE.read_text() == table_text(), "run python -m docs.generate_numpy_table"


def test_no_name_of_numpys_is_missing_in_the_table():
    rows = table_rows()
    assert [row.name for row in rows if row.kind == "missing"] == []
    kinds = {row.name: row.kind for row in rows}
    expected = {"add": "lazy", "unique": "evaluates", "shape": "known", "pi": "numpy's own", "poly1d": "class"}
    assert {name: kinds[name] for name in expected} == expected


def test_derivatives_and_compiled_code_are_measured():
    found = {row.name: (row.derivative, row.compiled) for row in table_rows()}
    assert found["sum"] == ("yes", "yes")
    assert found["argmax"][0].startswith("none")
    assert found["linalg.inv"] == ("yes", "")
