"""What `import numpy` gives to one of numpy's test modules: composit.numpy, and nothing of numpy behind it.

A public module of numpy is composit.numpy's module of the same name. Where that lacks a name, the lookup is an
AttributeError; an import of it binds an object that raises when it is used, so that one missing name does not fail a
file. A private module of numpy (numpy._core.umath, numpy.lib._function_base_impl) gives our public object where its own
attribute is one of numpy's public objects, and numpy's private attribute otherwise; so does a private name of a public
module (numpy._NoValue).
"""

from __future__ import annotations

import functools
import importlib
from types import ModuleType
from typing import Any, NoReturn

import numpy

import composit.numpy as cnp

PUBLIC_MODULES = """
    numpy numpy.char numpy.core numpy.ctypeslib numpy.dtypes numpy.emath numpy.exceptions numpy.fft numpy.lib
    numpy.lib.array_utils numpy.lib.format numpy.lib.introspect numpy.lib.mixins numpy.lib.npyio numpy.lib.recfunctions
    numpy.lib.scimath numpy.lib.stride_tricks numpy.lib.user_array numpy.linalg numpy.ma numpy.matlib numpy.polynomial
    numpy.polynomial.chebyshev numpy.polynomial.hermite numpy.polynomial.hermite_e numpy.polynomial.laguerre
    numpy.polynomial.legendre numpy.polynomial.polynomial numpy.random numpy.rec numpy.strings numpy.testing
    numpy.testing.overrides numpy.typing numpy.version
""".split()

_MODULE_NAMES = frozenset({"__name__", "__package__", "__spec__", "__loader__", "__path__", "__file__", "__builtins__"})


class MissingName:
    """Stands for a name that composit.numpy lacks; using it in any way raises AttributeError."""

    def __init__(self, name: str) -> None:
        object.__setattr__(self, "_name", name)

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise AttributeError(f"composit has no {object.__getattribute__(self, '_name')}")

    def __getattr__(self, name: str) -> Any:  # Any: never returns
        full_name = f"{object.__getattribute__(self, '_name')}.{name}"
        if full_name in PUBLIC_MODULES:
            return MissingName(full_name)
        raise AttributeError(f"composit has no {full_name}")

    def __mro_entries__(self, bases: object) -> tuple[type, ...]:
        self._refuse()

    def __repr__(self) -> str:
        return f"<missing {object.__getattribute__(self, '_name')}>"

    __call__ = __iter__ = __getitem__ = __len__ = __bool__ = __add__ = __radd__ = __sub__ = __rsub__ = _refuse
    __mul__ = __rmul__ = __neg__ = __pow__ = __index__ = __float__ = __truediv__ = __enter__ = _refuse


class PublicModule(ModuleType):
    """A public module of numpy with the names of ours only."""

    def __init__(self, name: str, ours: ModuleType) -> None:
        super().__init__(ours.__name__, ours.__doc__)
        self.__dict__["_suite_name"] = name
        self.__dict__["_suite_ours"] = ours

    def __getattr__(self, name: str) -> Any:  # Any: what the module holds
        full_name = f"{self._suite_name}.{name}"
        if full_name in PUBLIC_MODULES:
            return module_called(full_name)
        ours = self._suite_ours
        if hasattr(ours, name) and not _is_helper_module(getattr(ours, name)):
            return getattr(ours, name)
        if _is_private_module(full_name):
            return module_called(full_name)
        if name.startswith("_") and not name.startswith("__"):
            return _private_attribute(full_name)
        if hasattr(ours, "__getattr__") and full_name.count(".") == 1:
            # Names that numpy has removed: its words say what to write instead.
            ours.__getattr__(name)
        raise AttributeError(f"composit has no {full_name}")

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self._suite_ours, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self._suite_ours, name)

    def __dir__(self) -> list[str]:
        return [name for name in dir(self._suite_ours) if name in _MODULE_NAMES or _is_visible(self, name)]


class PrivateModule(ModuleType):
    """A private module of numpy in which numpy's public objects are replaced by ours."""

    def __init__(self, name: str, real: ModuleType) -> None:
        super().__init__(f"suite.{name}", real.__doc__)
        super().__setattr__("_suite_name", name)
        super().__setattr__("_suite_real", real)

    def __getattribute__(self, name: str) -> Any:  # Any: what the module holds
        if name == "__dict__":
            # Some tests go through all that a module holds.
            return {key: ours_for(value) for key, value in vars(super().__getattribute__("_suite_real")).items()}
        return super().__getattribute__(name)

    def __getattr__(self, name: str) -> Any:  # Any: what the module holds
        value = getattr(self._suite_real, name)
        if isinstance(value, ModuleType):
            return module_called(value.__name__) if value.__name__.split(".")[0] == "numpy" else value
        if self._suite_name == "numpy.ma.testutils" and name.startswith("assert_"):
            return evaluating_arguments(value)
        return ours_for(value)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self._suite_real, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self._suite_real, name)

    def __dir__(self) -> list[str]:
        return dir(self._suite_real)


def _is_visible(module: PublicModule, name: str) -> bool:
    try:
        return not isinstance(getattr(module, name), MissingName)
    except AttributeError:
        return False


def _private_attribute(full_name: str) -> Any:  # Any: what numpy keeps there
    """Return what numpy has under a private name of a public module: no name of ours could stand for it."""
    module_name, _, name = full_name.rpartition(".")
    try:
        return ours_for(getattr(importlib.import_module(module_name), name))
    except ImportError:
        raise AttributeError(f"composit has no {full_name}") from None


def evaluating_arguments(function: Any) -> Any:  # Any: a comparison of numpy.ma's
    """Return a comparison that evaluates the tensors among its arguments first."""
    from tests.numpy_suite.expectations import evaluated

    @functools.wraps(function)
    def compare(*args: Any, **kwargs: Any) -> Any:
        return function(*evaluated(args), **evaluated(kwargs))

    return compare


def _is_helper_module(value: object) -> bool:
    # composit.numpy keeps its families as submodules; numpy's programs do not see them.
    return isinstance(value, ModuleType) and value.__name__.split(".")[0] in ("composit", "numpy")


def _is_private_module(name: str) -> bool:
    """Whether numpy has a module of that name outside its public ones, such as numpy._core or numpy.ma.core."""
    parent, _, last = name.rpartition(".")
    if name in PUBLIC_MODULES or not (last.startswith("_") or parent != "numpy"):
        return False
    try:
        return isinstance(importlib.import_module(name), ModuleType)
    except ImportError:
        return False


@functools.cache
def module_called(name: str) -> Any:  # Any: a module, or MissingName
    """Return what stands in numpy's test modules for the module of that name.

    Raises:  ModuleNotFoundError: numpy has no such module either
    """
    if name not in PUBLIC_MODULES:
        return PrivateModule(name, importlib.import_module(name))
    if name == "numpy.testing":
        return _testing()
    ours = _our_module(name)
    return MissingName(name) if ours is None else PublicModule(name, ours)


def _our_module(name: str) -> ModuleType | None:
    value: Any = cnp  # Any: walks from module to module
    for part in name.split(".")[1:]:
        value = getattr(value, part, None)
    if isinstance(value, ModuleType):
        return value
    try:
        return importlib.import_module(name.replace("numpy", "composit.numpy", 1))
    except ImportError:
        return None


def _testing() -> ModuleType:
    from tests.numpy_suite import comparisons  # it looks up our modules in its turn

    return comparisons.testing_module("numpy.testing")


@functools.cache
def _public_objects() -> dict[int, tuple[str, str, object]]:
    """Return for each callable of numpy's public modules, by identity, the module and name under which it is public."""
    found: dict[int, tuple[str, str, object]] = {}
    for module_name in PUBLIC_MODULES:
        if module_name in ("numpy.core", "numpy.matlib", "numpy.testing", "numpy.testing.overrides", "numpy.typing"):
            continue
        module = importlib.import_module(module_name) if module_name != "numpy.emath" else numpy.emath
        for name in getattr(module, "__all__", dir(module)):
            value = getattr(module, name, None)
            if _is_replaced(value) and not name.startswith("_"):
                found.setdefault(id(value), (module_name, name, value))
    return found


def _is_replaced(value: object) -> bool:
    # Besides functions and classes: r_, c_, mgrid, ogrid, whose subscripts compute.
    return callable(value) or type(value).__module__ == "numpy.lib._index_tricks_impl"


def ours_for(value: Any) -> Any:  # Any: whatever a module of numpy holds
    """Return our object for one of numpy's public callables, a MissingName where there is none; other values as they are."""
    known = _public_objects().get(id(value)) if _is_replaced(value) else None
    if known is None:
        return value
    module_name, name, _ = known
    ours = getattr(module_called(module_name), name, None)
    return MissingName(f"{module_name}.{name}") if ours is None else ours


def imported_name(module: Any, name: str) -> Any:  # Any: a stand-in for a module, and what it holds
    """Return what `from module import name` binds: the name's object, a submodule, or an object that raises on use."""
    try:
        return getattr(module, name)
    except AttributeError:
        full_name = f"{getattr(module, '_suite_name', '?')}.{name}"
        # A submodule that nobody has imported yet is no attribute.
        return module_called(full_name) if _is_private_module(full_name) else MissingName(full_name)
