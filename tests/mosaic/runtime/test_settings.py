"""Numbers from the environment."""

import re

import pytest

from composit.errors import ParameterError
from mosaic.runtime.settings import number_from_environment


@pytest.mark.parametrize(("text", "expected"), [("", 7.0), (" ", 7.0), ("2.5", 2.5), ("1e9", 1e9)])
def test_a_number_is_read_or_the_default_taken(text: str, expected: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMPOSIT_NUMBER", text)
    assert number_from_environment("COMPOSIT_NUMBER", 7.0, 1e9) == expected


@pytest.mark.parametrize("text", ["soon", "-1", "0", "nan", "inf", "1e999", "1e300", "10**3", "5 s"])
def test_anything_else_is_an_error_that_names_the_variable(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMPOSIT_NUMBER", text)
    with pytest.raises(
        ParameterError, match=rf"COMPOSIT_NUMBER='{re.escape(text)}'.*positive number of at most 1e\+09.*unset it for 7"
    ):
        number_from_environment("COMPOSIT_NUMBER", 7.0, 1e9)
