"""numpy.testing for numpy's test modules: comparisons evaluate first, and count how many of the values were lazy."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy
import numpy.testing

import composit.numpy as cnp
from composit.handle import TensorHandle
from tests.numpy_suite.expectations import evaluated, expecting

COMPARISONS = """
    assert_ assert_equal assert_almost_equal assert_approx_equal assert_array_equal assert_array_less assert_array_compare
    assert_string_equal assert_array_almost_equal assert_array_almost_equal_nulp assert_array_max_ulp assert_allclose
    build_err_msg print_assert_equal assert_no_gc_cycles assert_equal_records assert_mask_equal almost approx fail_if_array_equal
""".split()
EXPECTATIONS = {
    "assert_raises": 1,
    "assert_raises_regex": 2,
    "assert_warns": 1,
    "assert_no_warnings": 0,
}
BLOCKS = ("suppress_warnings", "clear_and_catch_warnings")


@dataclass(slots=True)
class Counts:
    """How many comparisons of array values saw a tensor of ours, how many saw only numpy's values, how many neither."""

    lazy: int = 0
    real: int = 0
    other: int = 0

    def __sub__(self, before: Counts) -> Counts:
        return Counts(self.lazy - before.lazy, self.real - before.real, self.other - before.other)


counts = Counts()


def _leaves(value: Any) -> list[Any]:  # Any: whatever a test compares
    if isinstance(value, (list, tuple)):
        return [leaf for item in value[:50] for leaf in _leaves(item)]
    return [leaf for item in value.values() for leaf in _leaves(item)] if type(value) is dict else [value]


def count(values: tuple[Any, ...]) -> None:
    """Count one comparison of these values."""
    leaves = _leaves(values)
    if any(isinstance(leaf, TensorHandle) for leaf in leaves):
        counts.lazy += 1
    elif any(isinstance(leaf, (numpy.ndarray, numpy.generic)) for leaf in leaves):
        counts.real += 1
    else:
        counts.other += 1


def comparing(function: Any) -> Any:  # Any: a comparison of numpy.testing
    """Return the comparison on evaluated values."""

    def compare(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        count((*args[:2], *(kwargs[key] for key in ("actual", "desired", "x", "y") if key in kwargs)))
        return function(*evaluated(args), **evaluated(kwargs))

    compare.__name__ = function.__name__
    compare.__doc__ = function.__doc__
    return compare


def wrapped(name: str, value: Any) -> Any:  # Any: what numpy.testing holds
    """Return what stands for that name of numpy.testing."""
    if name in COMPARISONS:
        # Ours know objects whose `__array__` gives a tensor.
        return comparing(getattr(cnp.testing, name, value))
    if name in EXPECTATIONS:
        return expecting(value, EXPECTATIONS[name])
    return value


class TestingModule(ModuleType):
    """numpy.testing, or ours where it exists, with comparisons that evaluate first."""

    def __init__(self, name: str, source: ModuleType) -> None:
        super().__init__(f"suite.{name}", source.__doc__)
        self.__dict__["_suite_name"] = name
        self.__dict__["_suite_source"] = source

    def __getattr__(self, name: str) -> Any:  # Any: what the module holds
        value = getattr(self._suite_source, name)
        if isinstance(value, ModuleType) and value.__name__.startswith("numpy.testing"):
            return testing_module(value.__name__)
        made = wrapped(name, value)
        self.__dict__[name] = made
        return made


def testing_module(name: str) -> TestingModule:
    """Return the stand-in for numpy.testing or one of its private modules, or for numpy.ma.testutils."""
    return TestingModule(name, importlib.import_module(name))
