"""Programs run on numpy and on composit, side by side: what they return has to agree in values, dtypes and kinds."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import pytest

import composit as cnp
from composit.handle import TensorHandle

# A program takes a namespace and returns arrays, scalars, facts, or tuples and lists of them.
Program: TypeAlias = Callable[[Any], Any]


def kind_of(value: Any) -> str:
    """Return the name of the class, which is the same for arrays of both."""
    return (
        "ndarray"
        if isinstance(value, cnp.ndarray) and type(value) in (np.ndarray, cnp.ndarray)
        else type(value).__name__
    )


def assert_agree(program: Program) -> None:
    """Run the program on both and compare what it returns; an error has to have numpy's class and contain its text."""
    try:
        expected = program(np)
    except Exception as error:  # noqa: BLE001  # whatever numpy raises is what is wanted
        with pytest.raises(type(error), match=re.escape(str(error))):
            cnp.evaluate(program(cnp))
        return
    assert_equal(program(cnp), expected)


def assert_equal(ours: Any, expected: Any) -> None:
    """Compare a result with numpy's: containers by their parts, arrays by value, dtype, shape and strides."""
    if isinstance(expected, tuple | list):
        assert len(ours) == len(expected)
        for part, other in zip(ours, expected, strict=True):
            assert_equal(part, other)
        return
    if isinstance(ours, TensorHandle):
        ours = cnp.evaluate(ours)
    assert type(ours) is type(expected)
    if isinstance(expected, np.ndarray | np.generic):
        assert (ours.dtype, ours.shape) == (expected.dtype, expected.shape)
        np.testing.assert_array_equal(ours, expected)
    else:
        assert ours == expected
