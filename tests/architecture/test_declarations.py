"""How operations and public functions are declared: frozen classes that state their derivative, and three forms of functions."""

import dataclasses
import sys
from types import MethodType, ModuleType

import pytest

from composit.numpy.calls.array_function import ArrayFunction
from composit.numpy.calls.declarations import rows
from composit.numpy.calls.ufuncs import GeneralizedFunction, NumpyUfunc
from composit.numpy.elementwise.functions import ElementwiseFunction
from composit.operation import Input, Operation
from docs.numpy_names import Name, names
from tests.architecture.test_operations import operations_of_ours


def _is_in_its_module(operation: type[Operation]) -> bool:
    # A slotted dataclass is made twice: the first is in no module.
    return vars(sys.modules[operation.__module__]).get(operation.__name__) is operation


def _is_shared_part(operation: type[Operation]) -> bool:
    """Whether it is what several operations have in common, of which no node is made."""
    return operation.__name__.startswith("_") or not dataclasses.is_dataclass(operation)


# Leaves that hold a value from outside are none: equal only to themselves.
_OPERATIONS = [
    each
    for each in operations_of_ours()
    if _is_in_its_module(each) and not issubclass(each, Input) and not (_is_shared_part(each) and each.__subclasses__())
]
every_operation = pytest.mark.parametrize("operation", _OPERATIONS, ids=lambda each: each.__name__)


@every_operation
def test_an_operation_is_a_frozen_record_without_mutable_fields(operation: type[Operation]) -> None:
    assert dataclasses.is_dataclass(operation)
    assert operation.__dataclass_params__.frozen  # type: ignore[attr-defined]  # set by dataclass
    assert "__dict__" not in dir(operation)
    declared = [str(field.type) for field in dataclasses.fields(operation)]
    assert not [each for each in declared if each.startswith(("list", "dict", "set", "bytearray", "Array"))]


@every_operation
def test_an_operation_states_its_derivative(operation: type[Operation]) -> None:
    has_rule = operation.vjp is not Operation.vjp
    stated = "Derivative:" in (operation.__doc__ or "")
    assert not (operation.no_derivative and has_rule), "why none exists, and a rule"
    assert not (operation.no_derivative and stated), "said twice"
    assert stated or operation.no_derivative or not operation.__module__.startswith("composit.numpy")


# What numpy has no function for.
_OF_OURS = {
    "AccumulateRuns",
    "AdvancedIndexAdjoint",
    "Argument",
    "BasicIndexAdjoint",
    "Chosen",
    "EigenvaluesAndVectors",
    "HermitianFromEigenvalues",
    "KnownPseudoInverse",
    "LazyIndex",
    "LimitValue",
    "MatrixFromSingularValues",
    "NumpyCall",
    "OfFullRank",
    "Progression",
    "Roots",
    "StridedAdjoint",
    "TakeAdjoint",
    "TakeAlongAxisAdjoint",
}


def test_an_operation_refers_to_numpys_page() -> None:
    numpys = [each for each in _OPERATIONS if each.__module__.startswith("composit.numpy")]
    assert {each.__name__ for each in numpys if "Reference:" not in (each.__doc__ or "")} == _OF_OURS


@pytest.mark.parametrize(
    "operation", [each for each in _OPERATIONS if issubclass(each, ArrayFunction)], ids=lambda each: each.__name__
)
def test_a_call_of_a_numpy_function_refers_to_it(operation: type[ArrayFunction]) -> None:
    # `delete` and its kin take elements as numpy's `delete` does.
    name = "delete" if operation.__name__ == "TakeInOrder" else operation.function.__name__
    assert f"numpy.{name}" in (operation.__doc__ or "")


# Public functions that have none of the three forms, and why.
_OF_THEIR_OWN = {
    "bmat": "reads the caller's variables",
    "frompyfunc": "makes a universal function",
    "load": "reads graphs too",
    "nested_iters": "makes iterators of ours",
    "save": "writes graphs too",
    "lib.stride_tricks.as_strided": "numpy is not asked: it would read beyond the memory",
    "random.default_rng": "makes a generator of ours",
    "random.ranf": "another name of a method of the global generator",
    "random.sample": "another name of a method of the global generator",
    "random.seed": "seeds numpy's generator",
}


def _has_one_of_the_forms(name: Name) -> bool:
    ours = name.ours
    is_row = isinstance(ours, ElementwiseFunction | GeneralizedFunction | NumpyUfunc)
    # Over a class or without a rule: both are declared by the same decorators.
    is_declared = ours in _ROWS
    is_method_of_global_generator = isinstance(ours, MethodType)
    is_numpys_code_on_our_functions = getattr(ours, "__module__", "").startswith("numpy.testing")
    return is_row or is_declared or is_method_of_global_generator or is_numpys_code_on_our_functions


_FUNCTIONS = [
    name
    for name in names()
    if callable(name.ours)
    and not isinstance(name.ours, type | ModuleType)
    and name.ours is not name.numpys
    and type(name.ours).__module__ != "numpy"
]
_ROWS = rows()  # after the names: submodules are imported when they are looked at


def test_a_public_function_has_one_of_three_forms() -> None:
    assert len(_FUNCTIONS) > 700
    others = {name.path for name in _FUNCTIONS if not _has_one_of_the_forms(name)}
    assert others == set(_OF_THEIR_OWN)
