"""numpy functions without a type rule: run on their real operands at the call, as one node that remembers the function.

The node keeps the value, so that evaluation does not run the function again. The result's shape may depend on values,
so on other inputs it is computed again and another shape is refused. May import apply, guards, operation, errors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from composit.apply import apply
from composit.containers import flatten
from composit.errors import GuardError
from composit.guards import KnownValue, freeze, read_value
from composit.handle import TensorHandle
from composit.keys import Key, digest, encode, fresh_token
from composit.node import keep_value
from composit.operation import Array, Input, Operation, TensorType, tensor_type

# Any, everywhere here: what numpy's functions take and return.
Function = Callable[..., Any]


@dataclass(frozen=True, slots=True, eq=False)
class NumpyCall(Operation):
    """One call of a numpy function: `rebuild` puts arrays in the places of tensors among its arguments.

    types: what the call returned when it was built
    token: its identity, since arguments of any kind may be in it
    """

    function: Function
    rebuild: Callable[[Sequence[Any]], tuple[tuple[Any, ...], dict[str, Any]]]
    types: tuple[TensorType, ...]
    token: Key
    runs_at_call = True

    @property
    def name(self) -> str:
        return str(getattr(self.function, "__name__", "numpy_call"))

    @property
    def num_results(self) -> int:
        return len(self.types)

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        return self.types

    def evaluate(self, *operands: Array) -> Any:
        args, kwargs = self.rebuild(operands)
        results = self.function(*args, **kwargs)
        parts = tuple(results) if isinstance(results, tuple | list) else (results,)
        for part, expected in zip(parts, self.types, strict=False):
            if np.shape(part) != expected.shape:
                raise GuardError(
                    f"{self.name}: the result has shape {np.shape(part)} for the inputs given now and had"
                    f" {expected.shape} when this graph was built; its shape depends on values; build the graph again"
                    " for these inputs"
                )
        return parts if len(self.types) > 1 else parts[0]

    def key(self) -> Key:
        return self.token

    def structure(self) -> Key:
        # A prepared program holds this very call, so it may be found again by nothing else.
        return digest(b"numpy_call", self.token, *(encode(value_type) for value_type in self.types))


def call_numpy(function: Function, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """Return the result of a numpy function on tensors: tensors for arrays, anything else as it is.

    The function runs now, on values read from the operands.
    """
    handles, rebuild = flatten((args, dict(kwargs)))
    values = [read_value(handle, "") for handle in handles]
    call_args, call_kwargs = rebuild(values)
    results = function(*call_args, **call_kwargs)
    if isinstance(results, bool | int | float | complex) and not isinstance(results, np.generic):
        return _guarded(NumpyCall(function, rebuild, (), fresh_token()), results, handles)
    parts = results if isinstance(results, tuple | list) else (results,)
    if not parts or not all(isinstance(part, np.ndarray | np.generic) for part in parts):
        # What is neither array nor number is a fact that Python sees: the reads it follows from are guards.
        for handle in handles:
            read_value(handle, getattr(function, "__name__", "numpy"))
        return results
    types = tuple(tensor_type(np.shape(part), part.dtype, is_scalar=isinstance(part, np.generic)) for part in parts)
    tensors = apply(NumpyCall(function, rebuild, types, fresh_token()), *handles)
    _keep_values(tensors if isinstance(tensors, tuple) else (tensors,), parts, handles)
    if not isinstance(results, tuple | list):
        return tensors
    together = tensors if isinstance(tensors, tuple) else (tensors,)
    return type(results)(together) if type(results) in (tuple, list) else type(results)(*together)


def _guarded(call: NumpyCall, result: Any, handles: Sequence[TensorHandle]) -> Any:
    """Return the Python number of a call (np.allclose, np.array_equal) as a read of a node that computes it: a guard.

    Other inputs for which the call gives the same number are none of the guard's business.
    """
    value = np.asarray(result)[()]
    call = replace(call, types=(tensor_type((), value.dtype, is_scalar=True),))
    tensor = apply(call, *handles)
    _keep_values((tensor,), (value,), handles)
    read_value(tensor, call.name)
    return result


def _keep_values(results: Sequence[TensorHandle], parts: Sequence[Any], handles: Sequence[TensorHandle]) -> None:
    """Give the node what the call has computed, so that evaluation does not run the function a second time."""
    known = [handle._known for handle in handles]
    inputs = frozenset[Input]().union(*(value.inputs for value in known if value is not None))
    for result, part in zip(results, parts, strict=True):
        # A copy: what a function returns may be an array that somebody else holds.
        keep_value(result.node, result.output_index, KnownValue(freeze(part.copy()), inputs))
