"""Every public name of numpy exists here, and stands for the same thing."""

from __future__ import annotations

import importlib
import subprocess
import sys
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


# What numpy's own statement does, ours does: it binds a module, or it raises.
_SUBMODULES = """
    char ctypeslib dtypes exceptions f2py fft lib lib.array_utils lib.format lib.introspect lib.mixins lib.npyio
    lib.recfunctions lib.scimath lib.stride_tricks lib.user_array linalg ma ma.core ma.extras ma.mrecords matrixlib
    polynomial polynomial.chebyshev polynomial.hermite polynomial.hermite_e polynomial.laguerre polynomial.legendre
    polynomial.polynomial polynomial.polyutils random random.mtrand rec strings testing testing.overrides typing version
    _core _core.numeric core matlib distutils no_such_module lib.no_such_module ma.no_such_module linalg.no_such_module
""".split()

_STATEMENTS = """
import importlib, sys
for path in sys.argv[2:]:
    parent, _, name = path.rpartition(".")
    for statement in (f"import {sys.argv[1]}.{path} as m", f"from {sys.argv[1]}{parent and '.'}{parent} import {name} as m"):
        try:
            exec(statement)
        except ImportError as error:
            m = type(error)
        print(path, statement.split()[0], m.__name__.replace("composit.", ""))
"""


def _imported_from(package: str) -> list[str]:
    program = [sys.executable, "-W", "ignore", "-c", _STATEMENTS, package, *_SUBMODULES]
    lines = subprocess.run(program, capture_output=True, text=True, check=True).stdout.splitlines()
    # What an import finds below our modules may be a file of another name.
    return [line.replace("numpy.emath", "numpy.lib.scimath") for line in lines]


def test_submodules_are_imported_as_numpys_are() -> None:
    assert _imported_from("composit.numpy") == _imported_from("numpy")


@pytest.mark.parametrize("name", ["exceptions", "ma", "ma.extras", "testing.overrides", "lib.format", "random.mtrand"])
def test_a_module_of_numpys_own_is_imported_once(name: str) -> None:
    assert importlib.import_module(f"composit.numpy.{name}") is importlib.import_module(f"numpy.{name}")
    assert importlib.import_module(f"numpy.{name}").__spec__.name == f"numpy.{name}"
