"""Operations that are one call of a numpy function."""

import sys
from dataclasses import FrozenInstanceError, dataclass, fields
from functools import singledispatch

import numpy as np
import pytest

import composit.numpy as cnp
from composit.apply import apply
from composit.errors import DerivativeError, MissingDerivativeError
from composit.nn import chain_rule
from composit.numpy.arguments.signatures import signature_of
from composit.numpy.calls.array_function import ArrayFunction
from composit.numpy.sorting.sort_and_search import Sort


@dataclass(frozen=True, slots=True)
class Roll(ArrayFunction):
    """The elements moved along an axis, those at the end to the start."""

    function = staticmethod(np.roll)
    shift: int
    axis: int

    def result_types(self, *operand_types):
        return operand_types


def _concrete(kind):
    return [each for child in kind.__subclasses__() for each in (child, *_concrete(child))]


# A slotted dataclass is made twice: the first is in no module.
OURS = [
    kind
    for kind in _concrete(ArrayFunction)
    if hasattr(kind, "function") and vars(sys.modules[kind.__module__]).get(kind.__name__) is kind and kind is not Roll
]


def test_a_class_of_fields_and_types_is_an_operation():
    x = cnp.arange(4.0)
    moved = apply(Roll(1, 0), x)
    assert moved.node.operation.name == "roll"
    np.testing.assert_array_equal(cnp.evaluate(moved), [3, 0, 1, 2])
    assert moved.node == apply(Roll(1, 0), x).node
    assert moved.node != apply(Roll(2, 0), x).node
    with pytest.raises(FrozenInstanceError):
        moved.node.operation.axis = 1
    with pytest.raises(MissingDerivativeError, match=r"roll: .* expected a method Roll\.vjp\(context\); define it"):
        chain_rule({moved: moved}, [x])


def test_where_no_derivative_exists_none_flows():
    x = cnp.asarray(np.array([3.0, 1.0, 2.0]))
    places = cnp.argsort(x)
    loss = cnp.sum(x * places)
    (gradient,) = chain_rule({loss: loss}, [x])
    np.testing.assert_array_equal(cnp.evaluate(gradient), [1, 2, 0])
    with pytest.raises(DerivativeError, match="only through operations that have no derivative"):
        chain_rule({(total := cnp.sum(places * 1.0)): total}, [x])


def test_one_class_is_dispatched_apart_from_the_others():
    @singledispatch
    def spelling(operation):
        return "numpy"

    @spelling.register
    def _(operation: Sort):
        return f"sort along {operation.axis}"

    x = cnp.asarray(np.array([3.0, 1.0, 2.0]))
    assert spelling(cnp.sort(x).node.operation) == "sort along 0"
    assert spelling(cnp.argsort(x).node.operation) == "numpy"


PASSED_BY_NAME = [kind for kind in OURS if kind.evaluator is ArrayFunction.evaluator]


@pytest.mark.parametrize("kind", PASSED_BY_NAME, ids=lambda kind: kind.__name__)
def test_fields_have_the_names_of_numpys_parameters(kind):
    signature = signature_of(kind.function)
    assert signature is not None
    assert {field.name for field in fields(kind)} <= set(signature.parameters)


@pytest.mark.parametrize("kind", OURS, ids=lambda kind: kind.__name__)
def test_no_operation_is_a_special_case_of_another(kind):
    # A lowering is found by class, and a derived class would get that of its base.
    assert not [base for base in kind.__mro__[1:] if base in OURS]
