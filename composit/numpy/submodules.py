"""Names of composit.numpy that are imported when first used: submodules, and modules of composit above this package.

Submodules are ours, or numpy's own where we have none. Above this package are `nn`, `types`, `chain_rule` and
`wrap_as_operation`. `late_name` resolves the attribute `composit.numpy.ma`, `NumpysModules` the statement
`import composit.numpy.ma`.
"""

import importlib
import os
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import numpy

SUBMODULES = {
    "char": "composit.numpy.char",
    "emath": "composit.numpy.emath",
    "lib": "composit.numpy.lib",
    "polynomial": "composit.numpy.polynomial",
    "rec": "composit.numpy.rec",
    "strings": "composit.numpy.strings",
    "testing": "composit.numpy.testing",
    # numpy's own: they define classes of their own, and take tensors.
    "core": "numpy.core",
    "ctypeslib": "numpy.ctypeslib",
    "f2py": "numpy.f2py",
    "ma": "numpy.ma",
    "matlib": "numpy.matlib",
    "matrixlib": "numpy.matrixlib",
    "typing": "numpy.typing",
    "version": "numpy.version",
}

# Modules of composit, and functions of `composit.nn`. They import composit.numpy.
_MODULES_OF_COMPOSIT = {name: f"composit.{name}" for name in ("backends", "errors", "nn", "numpy", "types")}
_FUNCTIONS_OF_NN = ("chain_rule", "wrap_as_operation")
# The names that a star binds: submodules that numpy's star binds too, and the functions of `composit.nn`.
__all__ = [name for name in SUBMODULES if name in numpy.__all__]
__all__ += list(_FUNCTIONS_OF_NN)
# The names that `dir` lists: those that numpy lists. Looking up an old submodule such as `matlib` would warn.
LISTED_NAMES = (*(name for name in SUBMODULES if name in dir(numpy)), *_MODULES_OF_COMPOSIT, *_FUNCTIONS_OF_NN)

_PACKAGE = "composit.numpy"
_DIRECTORY = os.path.dirname(__file__) + os.sep


def late_name(name: str) -> Any:  # Any: a module, or a function of composit.nn
    """Return a submodule or a name from above this package. This is the `__getattr__` of composit.numpy.

    Raises:  AttributeError: there is no such name
    """
    module = SUBMODULES.get(name) or _MODULES_OF_COMPOSIT.get(name)
    if module is not None:
        return importlib.import_module(module)
    if name in _FUNCTIONS_OF_NN:
        return vars(importlib.import_module("composit.nn"))[name]
    if not name.startswith("_"):
        # numpy's error for a removed name says what to use instead; deprecated names it returns.
        return numpy.__getattr__(name)
    raise AttributeError(
        f"module {_PACKAGE!r} has no attribute {name!r}: expected a name of numpy's; see docs/numpy.md for the table of all"
    )


class NumpysModules(MetaPathFinder, Loader):
    """Imports numpy's own module for `import composit.numpy.<name>` if composit has none."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return a spec for numpy's module; None if the module is ours, is elsewhere, or is not numpy's either."""
        if not fullname.startswith(f"{_PACKAGE}."):
            return None
        found = PathFinder.find_spec(fullname, path)
        # If `path` leads to a file of numpy's, go on: it must not be loaded a second time under our name.
        if found is not None and str(found.origin).startswith(_DIRECTORY):
            return None
        return None if find_spec(_in_numpy(fullname)) is None else ModuleSpec(fullname, self)

    def exec_module(self, module: ModuleType) -> None:
        """Put numpy's module in sys.modules, so that the import statement binds it."""
        sys.modules[module.__name__] = importlib.import_module(_in_numpy(module.__name__))


def _in_numpy(fullname: str) -> str:
    return "numpy" + fullname.removeprefix(_PACKAGE)


def serve_numpys_modules() -> None:
    """Let `import composit.numpy.<module>` find numpy's own modules; called by `composit/numpy/__init__.py`."""
    if not any(isinstance(finder, NumpysModules) for finder in sys.meta_path):
        sys.meta_path.insert(0, NumpysModules())
