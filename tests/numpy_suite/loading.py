"""Load one of numpy's test modules from its source with its imports redirected.

The module's own `__import__` gives the stand-ins of `modules`, and the pytest and warnings of `expectations`, in which a
block that expects an error or a warning evaluates what it builds.
"""

from __future__ import annotations

import builtins
import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy

from tests.numpy_suite import expectations
from tests.numpy_suite.modules import imported_name, module_called

NUMPY_ROOT = Path(numpy.__file__).parent
_PREFIX = "numpy_suite"


class _ImportedNames:
    """What `from module import ...` looks names up in."""

    def __init__(self, module: Any) -> None:  # Any: a module or a stand-in for one
        self._suite_module = module

    def __getattr__(self, name: str) -> Any:  # Any: what the module holds
        module = self._suite_module
        full_name = f"{getattr(module, '_suite_name', '')}.{name}"
        return load_by_name(full_name) if _is_test_module(full_name) else imported_name(module, name)


def _is_test_module(name: str) -> bool:
    parts = name.split(".")
    return parts[0] == "numpy" and "tests" in parts[1:-1]


def load_by_name(name: str) -> ModuleType:
    """Return the module of numpy's tests called so, numpy.lib.tests.test_io for instance, loaded for the suite."""
    return load(NUMPY_ROOT.joinpath(*name.split(".")[1:]).with_suffix(".py"), redirected=True)


def load(path: Path, redirected: bool) -> ModuleType:
    """Return the test module in that file; redirected ones see composit.numpy, others numpy itself."""
    dotted = ".".join(path.relative_to(NUMPY_ROOT).with_suffix("").parts)
    name = f"{_PREFIX}.{dotted}"
    if name in sys.modules:
        return sys.modules[name]
    module = ModuleType(name)
    module.__file__ = str(path)
    if redirected:
        own = {"__import__": _import_for(f"numpy.{dotted}"), "repr": _repr_of_value}
        if sys.version_info < (3, 12):
            own["memoryview"] = _memoryview_of_value
        module.__dict__["__builtins__"] = {**vars(builtins), **own}
    _register_parents(name)
    sys.modules[name] = module
    try:
        exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), module.__dict__)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _register_parents(name: str) -> None:
    # By its packages pickle finds a module again.
    for end in [i for i, letter in enumerate(name) if letter == "."]:
        package = ModuleType(name[:end])
        package.__path__ = []
        sys.modules.setdefault(package.__name__, package)


def _repr_of_value(value: Any) -> str:  # Any: what a test shows
    # The repr of a tensor shows no values, so that it is cheap; a test compares that of the evaluated array.
    return repr(expectations.evaluated(value))


def _memoryview_of_value(value: Any) -> memoryview:  # Any: what has a buffer
    # Before Python 3.12 only C code can offer a buffer; from then on, tensors do by __buffer__.
    return memoryview(expectations.evaluated(value))


def _import_for(importer: str) -> Any:  # Any: the signature of __import__
    def import_(name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0) -> Any:
        if level:
            base = importer.rsplit(".", level)[0]
            name = f"{base}.{name}" if name else base
        if name in expectations.REPLACED_MODULES and not fromlist:
            return expectations.REPLACED_MODULES[name]
        if name.split(".")[0] != "numpy":
            return builtins.__import__(name, globals, locals, fromlist, 0)
        if not fromlist:
            _check_exists(name)
            return module_called("numpy")
        if _is_test_module(name):
            return load_by_name(name)
        return module_called(name) if "*" in fromlist else _ImportedNames(module_called(name))

    return import_


def _check_exists(name: str) -> None:
    # `import numpy.f2py` of a module that neither has is an error at the import; one that we lack is one at its use.
    if not _is_test_module(name):
        importlib.import_module(name) if name != "numpy.emath" else None
