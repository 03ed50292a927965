"""Numbers from the environment."""

import pytest

from composit.errors import ParameterError
from mosaic.runtime.settings import number_from_environment


@pytest.mark.parametrize(("text", "expected"), [("", 7.0), (" ", 7.0), ("2.5", 2.5), ("1e9", 1e9)])
def test_a_number_is_read_or_the_default_taken(text: str, expected: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMPOSIT_NUMBER", text)
    assert number_from_environment("COMPOSIT_NUMBER", 7.0) == expected


@pytest.mark.parametrize("text", ["soon", "-1", "0", "nan"])
def test_anything_else_is_an_error_that_names_the_variable(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMPOSIT_NUMBER", text)
    with pytest.raises(ParameterError, match=rf"COMPOSIT_NUMBER='{text}'.*positive number.*unset it for 7"):
        number_from_environment("COMPOSIT_NUMBER", 7.0)
