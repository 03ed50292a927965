"""`apply`: the one place where operations become nodes and nodes become tensors."""

from __future__ import annotations

import numbers
from typing import TYPE_CHECKING, Any

import numpy as np

from composit.eager_results import compute_at_call, compute_if_caught, eager
from composit.errors import NoRuleError, OperandError, ParameterError
from composit.errstates import DEFAULT_ERRSTATE
from composit.handle import TensorHandle, described, make_tensor, new_tensor
from composit.hooks import hooks
from composit.node import FlatOperands, Node, new_node
from composit.operation import MAX_NUM_AXES, Array, Input, Operation, PythonScalar, Scalar, TensorType, tensor_type
from composit.scalar_nodes import scalar_node
from composit.source import Source, find_source

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

_PYTHON_SCALARS = (bool, int, float, complex)


def apply(operation: Operation, *operands: object) -> LazyTensor:
    """Return the lazy result of an operation. One with several results gives a tuple, which `apply_several` declares.

    Operands are tensors, arrays (copied), Python or numpy scalars, or objects with `__lazy_tensor__`.

    Raises:  the errors of operation.result_types, at the call; OperandError: an operand is none of these
    """
    flat: list[Any] = []  # node, output index, node, output index, ...
    types = []
    for operand in operands:
        handle = operand if isinstance(operand, TensorHandle) else as_tensor(operand)
        flat += (handle._node or handle.node, handle._output_index)
        types.append(handle._type)
    result = tensor_of(operation, tuple(flat), operation.result_types(*types), find_source())
    if operation.raises_by_value and operation.may_raise(types, [is_given(node) for node in flat[::2]]):
        compute_if_caught(result[0] if isinstance(result, tuple) else result)
    return result  # type: ignore[return-value]  # one tensor of one result


def apply_several(operation: Operation, *operands: object) -> tuple[LazyTensor, ...]:
    """Return the lazy results of an operation with several; raises the errors of `apply`."""
    return apply(operation, *operands)  # type: ignore[return-value]  # a tuple of several results


def is_given(node: Node) -> bool:
    """Return whether the node is a number or an array given to the call, which checks such values itself."""
    return isinstance(node.operation, Input | Scalar)


def tensor_of(
    operation: Operation, flat_operands: FlatOperands, types: tuple[TensorType, ...], source: Source | None
) -> LazyTensor | tuple[LazyTensor, ...]:
    """Return the lazy result of an operation whose operands, result types and source the caller has found."""
    if len(types) == 1 and operation.num_results == 1:
        return new_tensor(operation, flat_operands, types, source)
    node = new_node(operation, flat_operands, types, source)
    results = tuple([make_tensor(node, index) for index in range(len(types))])
    if results and (eager.strict or node.errstate is not DEFAULT_ERRSTATE):
        compute_at_call(results[0])
    return results


def leaf(operation: Operation, label: str | None = None) -> LazyTensor:
    """Return the tensor of an operation without operands."""
    return make_tensor(Node(operation, (), operation.result_types(), find_source(), label))


def as_tensor(value: object) -> LazyTensor:
    """Return the value as a lazy tensor: tensors as they are, arrays copied to a fresh input, scalars as scalar nodes.

    Raises:  OperandError: the value is no array, number, tensor or nested sequence of numbers
    """
    if isinstance(value, TensorHandle):
        return value  # type: ignore[return-value]  # all handles are LazyTensors
    # numpy's scalars first, which are not weak: np.float64 is a float too.
    if isinstance(value, np.generic):
        return scalar_tensor(value)
    if isinstance(value, _PYTHON_SCALARS):
        return scalar_tensor(value)
    if isinstance(value, np.ndarray):
        if type(value) is not np.ndarray:
            raise NoRuleError(
                f"operand: got an array of the class {type(value).__name__}, which may have rules of its own; expected"
                " one of np.ndarray; convert it with asarray first"
            )
        return input_of(value.copy(order="K"))
    protocol = getattr(value, "__lazy_tensor__", None)
    if protocol is not None:
        return protocol()  # type: ignore[no-any-return]
    if isinstance(value, numbers.Number | list | tuple) or _is_array_like(value):
        return _from_array_like(value)
    raise OperandError(
        f"operand: got {described(value):.80} of type {type(value).__name__}; expected a tensor, an array, a number, a nested sequence "
        "of numbers or an object with __lazy_tensor__ or __array__; convert it with np.asarray first"
    )


def scalar_tensor(value: PythonScalar | np.generic) -> LazyTensor:
    """Return a tensor for a scalar, identified by type and bits; Python's are weak in promotion."""
    return make_tensor(scalar_node(value))


def _is_array_like(value: object) -> bool:
    # What carries out numpy's functions itself is no array to be copied.
    return hasattr(value, "__array__") and not hasattr(type(value), "__array_function__")


def tensor_made_by(value: object) -> LazyTensor | None:
    """Return what an object's own `__array__` gives, where that is a tensor: numpy itself takes none from there."""
    method = getattr(type(value), "__array__", None)
    made = None if method is None else method(value)
    return made if isinstance(made, TensorHandle) else None  # type: ignore[return-value]  # all handles are LazyTensors


def contains_tensor(value: object, depth: int = MAX_NUM_AXES) -> bool:
    """Return whether the value is a tensor, or a nested sequence with a tensor in it."""
    if isinstance(value, list | tuple):
        # A list may contain itself.
        return depth > 0 and any(contains_tensor(child, depth - 1) for child in value)
    return is_tensor(value)


def is_tensor(value: object) -> bool:
    """Return whether the value is a tensor, of composit or of another library."""
    if isinstance(value, TensorHandle):
        return True
    # Not by hasattr on the value: a wrapper that forwards all names to a tensor is asked for its `__array__` instead.
    own = hasattr(type(value), "__lazy_tensor__") or "__lazy_tensor__" in getattr(value, "__dict__", ())
    # numpy's scalars are no tensors, whatever attributes a class derived from them has.
    return own and not isinstance(value, np.generic)


def _from_array_like(value: object) -> LazyTensor:
    if isinstance(value, list | tuple) and contains_tensor(value):
        return hooks.join(value)
    try:
        array = np.array(value)
    except ValueError as error:
        made = tensor_made_by(value)
        if made is None:
            raise ParameterError(
                f"{error}: got {described(value):.80} of type {type(value).__name__} as an operand; expected a nested sequence of numbers"
                " whose rows are of one length; make an array of it with np.array first"
            ) from error
        return made
    if array.dtype == object:
        raise OperandError(
            f"operand: {described(value):.80} of type {type(value).__name__} becomes an array of objects; expected numbers, "
            "strings or dates; build tensors out of tensors with stack or concatenate"
        )
    return input_of(array)


def input_of(array: Array, label: str | None = None) -> LazyTensor:
    """Return a new input that owns the array from now on; the array becomes read-only."""
    array.flags.writeable = False
    operation = Input(array, tensor_type(array.shape, array.dtype))
    return make_tensor(Node(operation, (), (operation.type,), find_source(), label))


def placeholder(value_type: TensorType, label: str | None = None) -> LazyTensor:
    """Return a new input without a value; `evaluate` needs its value through `inputs=`."""
    operation = Input(None, value_type)
    return make_tensor(Node(operation, (), (value_type,), find_source(), label))
