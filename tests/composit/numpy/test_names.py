"""Every public name of numpy exists here, and stands for the same thing."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest

import composit.numpy as cnp
from docs.numpy_names import NUMPYS, names

_ALL = list(names())


def test_no_public_name_of_numpys_is_missing() -> None:
    assert len(_ALL) > 900
    assert [name.path for name in _ALL if name.ours is None and name.numpys is not None] == []


def test_a_function_of_numpys_is_a_function_here() -> None:
    wrong = [name.path for name in _ALL if callable(name.numpys) != callable(name.ours) and name.ours is not None]
    assert wrong == []


def test_constants_and_scalar_types_are_numpys_own() -> None:
    for name in _ALL:
        is_constant = not callable(name.numpys) and not isinstance(name.numpys, ModuleType | np.ndarray)
        if is_constant and not name.path.endswith(("_", "c_", "s_", "grid", "index_exp")):
            assert name.ours is name.numpys or name.ours == name.numpys or name.ours != name.ours, name.path
        if isinstance(name.numpys, type) and issubclass(name.numpys, np.generic):
            assert name.ours is name.numpys, name.path


def test_universal_functions_are_instances_of_ufunc() -> None:
    ufuncs = [name for name in _ALL if isinstance(name.numpys, np.ufunc)]
    assert len(ufuncs) > 100
    assert [name.path for name in ufuncs if not isinstance(name.ours, cnp.ufunc)] == []


@pytest.mark.parametrize("name", NUMPYS)
def test_modules_that_pass_through_are_numpys(name: str) -> None:
    assert getattr(cnp, name).__name__ == f"numpy.{name}"


def test_a_name_that_numpy_does_not_have_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'numpy' has no attribute 'no_such_name'"):
        _ = cnp.no_such_name
    with pytest.raises(AttributeError, match=r"module 'composit.numpy' has no attribute '__no__'.*docs/numpy.md"):
        _ = cnp.__no__
