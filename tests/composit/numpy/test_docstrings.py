"""The help of a public function says what it does here, and where numpy's own page is."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

import composit.numpy as cnp

PAGES = "https://numpy.org/doc/stable/reference/generated"


@pytest.mark.parametrize(
    ("function", "page"),
    [
        pytest.param(cnp.diff, "numpy.diff", id="with a rule"),
        pytest.param(cnp.unique, "numpy.unique", id="without a rule"),
        pytest.param(cnp.concatenate, "numpy.concatenate", id="written in C by numpy"),
        pytest.param(cnp.amax, "numpy.amax", id="a second name of a rule"),
        pytest.param(cnp.linalg.norm, "numpy.linalg.norm", id="of a submodule"),
        pytest.param(
            cnp.polynomial.chebyshev.chebval, "numpy.polynomial.chebyshev.chebval", id="of a submodule's submodule"
        ),
    ],
)
def test_the_help_of_a_public_function_ends_with_the_address_of_numpys_page(function: Any, page: str) -> None:
    *description, reference = (inspect.getdoc(function) or "").splitlines()
    assert reference == f"Reference: {PAGES}/{page}.html"
    assert description[0].startswith("Return ")
    assert "numpy.org" not in "".join(description)


def test_an_example_in_the_help_stays_an_example() -> None:
    text = inspect.getdoc(cnp.zeros) or ""
    assert ">>> zeros((2, 3), name=\"bias\").name\n    'bias'\n\nReference:" in text
