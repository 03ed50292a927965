"""What pictures, the constant folder and the tile scheme ask of an operation is answered by its class."""

import importlib
import pkgutil
from collections.abc import Iterator

import numpy as np
import pytest

import composit
import composit as cnp
import flashlight
import mosaic
from composit.nn.core import UserFunction
from composit.node import Node
from composit.numpy.elementwise.table import NAME_TO_FUNCTION
from composit.operation import Input, Operation, OperationKind, Scalar, TensorType, tensor_type
from composit.program import ancestors_in_order
from tests.operations.sample import Sample
from tests.operations.samples import SAMPLES


def operations_of_ours() -> list[type[Operation]]:
    """Return the classes of operations in the three packages."""
    for package in (composit, flashlight, mosaic):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    ours = ("composit.", "flashlight.", "mosaic.")
    return [each for each in dict.fromkeys(_below(Operation)) if each.__module__.startswith(ours)]


def _below(parent: type[Operation]) -> Iterator[type[Operation]]:
    for child in parent.__subclasses__():
        yield child
        yield from _below(child)


def _states_its_kind(operation: type[Operation]) -> bool:
    return any("kind" in vars(parent) for parent in operation.__mro__ if parent not in (Operation, object))


def test_every_operation_of_ours_states_its_kind() -> None:
    classes = operations_of_ours()
    assert len({each.__name__ for each in classes}) > 60
    assert [each.__name__ for each in classes if not _states_its_kind(each)] == []


def test_no_operation_of_ours_but_that_of_users_functions_is_drawn_as_a_users() -> None:
    # A slotted dataclass is made twice: the first is not used.
    users = {each.__name__ for each in operations_of_ours() if each.kind is OperationKind.USER}
    assert users == {UserFunction.__name__}


def _nodes_of(sample: Sample) -> list[Node]:
    tensors = [cnp.asarray(one) if isinstance(one, np.ndarray) else one for one in sample.operands()]
    with np.errstate(all="ignore"):
        results = sample.compute(cnp, *tensors)
    parts = results if isinstance(results, tuple | list) else (results,)
    return ancestors_in_order([part.node for part in parts])


_FREE = {"Input", "Scalar", "Full", "Split"}


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_every_operation_has_a_cost_which_is_0_if_it_only_shows_elements(sample: Sample) -> None:
    for node in _nodes_of(sample):
        operation = node.operation
        cost = operation.cost([operand.types[index] for operand, index in node.operands], node.types)
        assert type(cost) is int
        assert (cost == 0) == (operation.is_view or type(operation).__name__ in _FREE), operation


def _type(*shape: int) -> TensorType:
    return tensor_type(shape, np.float32)


def _cost(tensor: cnp.LazyTensor) -> int:
    node = tensor.node
    return node.operation.cost([operand.types[index] for operand, index in node.operands], node.types)


def _array(*shape: int) -> cnp.LazyTensor:
    return cnp.asarray(np.ones(shape, np.float32))


@pytest.mark.parametrize(
    ("tensor", "cost"),
    [
        (_array(3, 4) + _array(4), 12),
        (_array(3, 4).sum(), 12),
        (_array(30, 40)[[1, 2]], 80),
        (_array(5, 3, 4) @ _array(4, 6), 5 * 3 * 4 * 6),
        (cnp.vecdot(_array(3, 4), _array(2, 1, 4)), 2 * 3 * 4),
        (cnp.dot(_array(2, 3, 4), _array(5, 4, 6)), 2 * 3 * 5 * 6 * 4),
        (cnp.einsum("ij,jk,kl->il", _array(2, 3), _array(3, 4), _array(4, 5)), 2 * 3 * 4 * 5),
        (cnp.linalg.inv(_array(7, 3, 3)), 7 * 27),
        (cnp.linalg.det(_array(7, 3, 3)), 7 * 27),
        (cnp.fft.fft(_array(2, 16)), 2 * 16 * 5),
        (cnp.sort(_array(5, 16)), 5 * 16 * 5),
        (cnp.convolve(_array(7), _array(3)), 21),
        (cnp.linalg.norm(_array(3, 4), 2), 3 * 4 * 3),
        (cnp.linalg.norm(_array(3, 4)), 12),
        (cnp.ones((5, 5)), 0),
        (_array(0, 4) * 2, 1),
    ],
)
def test_costs_are_those_of_the_textbook(tensor: cnp.LazyTensor, cost: int) -> None:
    assert _cost(tensor) == cost


def test_leaves_cost_nothing() -> None:
    assert Input(None, _type(3)).cost([], [_type(3)]) == Scalar(1).cost([], [_type()]) == 0


_OF_TWO = {name: function for name, function in NAME_TO_FUNCTION.items() if function.nin == 2}


@pytest.mark.parametrize("name", _OF_TWO)
def test_a_function_commutes_if_numpys_does(name: str) -> None:
    function = _OF_TWO[name]
    generator = np.random.default_rng(0)
    pairs = [
        generator.integers(1, 6, (2, 40)),
        generator.integers(-2, 3, (2, 40)).astype(np.float64),
        generator.integers(0, 2, (2, 40)).astype(bool),
    ]
    agree = []
    for first, second in pairs:
        try:
            with np.errstate(all="ignore"):
                one, other = function.ufunc(first, second), function.ufunc(second, first)
            agree.append(np.array_equal(one, other, equal_nan=np.asarray(one).dtype.kind == "f"))
        except TypeError:  # no loop for these dtypes
            continue
    assert function.operation.is_commutative == all(agree)


@pytest.mark.parametrize(
    ("subscripts", "is_product"),
    [
        ("ij,jk->ik", True),
        ("abij,abjk->abik", True),
        ("ij,kj->ik", False),
        ("ij,jk->ki", False),
        ("aij,bjk->aik", False),
        ("ij,ij->ij", False),
        ("ij,j->i", False),
        ("ij,jk->ijk", False),
    ],
)
def test_an_einsum_is_a_matrix_product_if_its_subscripts_are_those_of_matmul(subscripts: str, is_product: bool) -> None:
    lengths = dict.fromkeys(subscripts, 2)
    terms = subscripts.partition("->")[0].split(",")
    tensor = cnp.einsum(subscripts, *(_array(*(lengths[letter] for letter in term)) for term in terms))
    assert tensor.node.operation.is_matrix_product is is_product
