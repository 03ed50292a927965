"""`call_numpy`: run a numpy function without a rule at the call; `NumpyCall`: the node that remembers the call.

The node keeps the value, so evaluation does not run the function again. Other inputs run it again, and since shapes
and the width of strings may depend on values, a result of another type is then refused. A call that a rule of ours
declines comes here too (`let_numpy_decide`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import lru_cache
from inspect import Parameter
from types import MethodDescriptorType
from typing import TYPE_CHECKING, Any

import numpy as np

from composit.apply import apply, apply_several, as_tensor, input_of
from composit.containers import flatten, with_made_tensors
from composit.errors import (
    AssignmentError,
    AxisError,
    CompositError,
    DtypeError,
    GuardError,
    IdentityError,
    IntegerRangeError,
    InternalError,
    LinearAlgebraError,
    NoRuleError,
    OperandError,
    OutOfBoundsError,
    ParameterError,
    ReadOnlyError,
    ScalarError,
    ShapeError,
)
from composit.guards import from_outside, origin_of, read_value
from composit.handle import TensorHandle, reinterpret
from composit.hooks import hooks
from composit.kept_values import KnownValue, freeze
from composit.keys import Key, digest, encode, fresh_token
from composit.node import keep_value
from composit.numpy.arguments.signatures import full_name, short_name, signature_of
from composit.numpy.calls.expressions import expressed_call, pulled_back
from composit.numpy.views.view_operations import ReadOnly
from composit.numpy.views.writes import assign_result, is_writable, writing_to
from composit.operation import Array, Operation, OperationKind, Results, TensorType, VjpContext, tensor_type
from composit.origins import joined
from composit.storage import root_of

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

# Any, everywhere here: what numpy's functions take and return.
Function = Callable[..., Any]


@dataclass(frozen=True, slots=True, eq=False)
class NumpyCall(Operation):
    """One call of a numpy function. `rebuild` builds the arguments again, with arrays in place of the tensors.

    types: the types of the results when the node was built
    token: the identity of the call, since arguments may be of any kind and have no key
    written: the operands that the function changes in place; their new values are the last results
    Derivative:  that of the function's expression (`expressions.py`)
    """

    function: Function
    rebuild: Callable[[Sequence[Any]], tuple[tuple[Any, ...], dict[str, Any]]]
    types: tuple[TensorType, ...]
    token: Key
    written: tuple[int, ...] = ()
    runs_at_call = True
    kind = OperationKind.FUNCTION

    @property
    def name(self) -> str:
        return str(getattr(self.function, "__name__", "numpy_call"))

    @property
    def num_results(self) -> int:
        return len(self.types)

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        return self.types

    def evaluate(self, *operands: Array) -> Results:
        parts, result = self.run(operands)
        if not parts:
            parts = [np.asarray(result)[()]]  # a Python number
        for part, expected in zip(parts, self.types, strict=False):
            self._check("shape", np.shape(part), expected.shape)
            # The width of strings depends on values.
            self._check("dtype", part.dtype, expected.dtype)
        return tuple(parts) if len(self.types) > 1 else parts[0]

    def _check(self, what: str, now: object, before: object) -> None:
        if now != before:
            raise GuardError(
                f"{full_name(self.function)}: the result has {what} {now} for the inputs given now and had {before} when this graph was"
                f" built; its {what} depends on values; build the graph again for these inputs"
            )

    def run(self, operands: Sequence[Any]) -> tuple[list[Any], Any]:
        """Return the arrays (those in the result, then the changed operands), and the result itself."""
        # An operand given twice must be one array, so that the function sees both change.
        operands = [from_outside(operand) for operand in operands]
        copies = {id(operands[i]): np.array(operands[i], copy=True, order="K") for i in self.written}
        # `x` and `x.copy()` may be one array here: only the operand that is written to gets the copy.
        values = [copies[id(operand)] if i in self.written else operand for i, operand in enumerate(operands)]
        args, kwargs = self.rebuild(values)
        result = _called(self.function, args, kwargs)
        return [*_arrays_in(result), *(values[position] for position in self.written)], result

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        def expression(*operands: Any) -> list[Any]:
            args, kwargs = self.rebuild(operands)
            return expressed_call(context.xp, self.function, context.results, args, kwargs)

        return pulled_back(context, expression)

    def key(self) -> Key:
        return self.token

    def structure(self) -> Key:
        # A prepared program holds this very call, so no other call may find it.
        return digest(b"numpy_call", self.token, *(encode(value_type) for value_type in self.types))


def _called(function: Function, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> object:
    if isinstance(function, MethodDescriptorType) and args and isinstance(args[0], np.generic):
        # numpy's scalars have methods of the same names as arrays.
        return getattr(args[0], function.__name__)(*args[1:], **kwargs)
    return function(*args, **kwargs)


# How a rule declines: it does not cover the call, or it found an argument wrong.
DECLINES = (
    NoRuleError,
    ShapeError,
    DtypeError,
    ScalarError,
    AxisError,
    ParameterError,
    IntegerRangeError,
    OperandError,
    IdentityError,
    AssignmentError,
    OutOfBoundsError,
    LinearAlgebraError,
    ReadOnlyError,
)
# The exceptions that lead to `let_numpy_decide`. Besides DECLINES these are Python's and numpy's own errors: either
# numpy refuses the call as well, or the rule has a fault. Any other exception is a fault and goes on to the user.
REFUSALS = (*DECLINES, TypeError, ValueError, IndexError, OverflowError, ZeroDivisionError)
_ERRORS = (CompositError, *REFUSALS, RuntimeError, AttributeError, LookupError, AssertionError)

_counts: ContextVar[tuple[Counter[str], ...]] = ContextVar("fallback_counts", default=())


@contextmanager
def count_fallbacks() -> Iterator[Counter[str]]:
    """Count the calls in a block that rules declined and numpy ran, by the names of numpy's functions.

    Example:
        >>> import composit as cnp
        >>> with count_fallbacks() as counted:
        ...     value = cnp.sum(cnp.ones(3), dtype="O")
        >>> dict(counted)
        {'sum': 1}
    """
    counted: Counter[str] = Counter()
    token = _counts.set((*_counts.get(), counted))
    try:
        yield counted
    finally:
        _counts.reset(token)


def let_numpy_decide(
    refusal: Exception,
    function: Function,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    writes: tuple[str, ...] = (),
) -> Any:
    """Run numpy's function for a call that a rule declined: return its result or raise its error.

    Our error is raised in place of numpy's if it is of the same class, contains numpy's text, and the rule found the fault.
    Otherwise our text is a note on numpy's error.

    Raises:  InternalError: the rule failed instead of declining, and numpy's function takes the call
    """
    for counted in _counts.get():
        counted[short_name(function)] += 1
    try:
        result = call_numpy(function, args, kwargs, ("out", *writes))
    except _ERRORS as theirs:
        if not isinstance(refusal, NoRuleError):
            if _says_more(refusal, theirs):
                raise refusal from None
            theirs.add_note(str(refusal).removeprefix(f"{theirs}: "))
        raise
    if not isinstance(refusal, DECLINES):
        raise InternalError(
            f"{full_name(function)}: composit's rule failed with {type(refusal).__name__}: {refusal}; numpy's function takes the same call,"
            " of which a rule is expected to make a result, or to decline it with NoRuleError; report the call, and until"
            " then compute this part with numpy's own function on arrays"
        ) from refusal
    return kwargs["out"] if isinstance(kwargs.get("out"), np.ndarray) else result


def _says_more(refusal: Exception, theirs: Exception) -> bool:
    """Return whether the rule found the fault itself and its error has numpy's class and text.

    A rule that asks numpy's dtype resolver passes on the error that the ufunc raises. numpy's own is raised then, so that
    its class is the same for numbers and for objects, whose elements raise it.
    """
    cause = refusal.__cause__
    if type(cause) is type(theirs) and str(cause) == str(theirs):
        return False
    return isinstance(refusal, type(theirs)) and str(theirs).strip() in str(refusal)


# numpy's error for an object whose `__array__` returns a tensor.
MADE_NO_ARRAY = "object __array__ method not producing an array"


def call_numpy(function: Function, args: tuple[Any, ...], kwargs: Mapping[str, Any], writes: Sequence[str] = ()) -> Any:
    """Return the result of a numpy function, with tensors in place of arrays; other results as they are.

    The function runs now, on values read from the operands.

    writes: the arguments that the function changes in place; tensors given there are assigned to
    """
    written = written_handles(function, args, kwargs, writes) if writes else []
    if not written:
        return _call(function, args, kwargs, writes, [])
    handles, _ = flatten((args, dict(kwargs)))
    for handle in handles:
        # Read before taking the locks: a read may run a user's code, and may wait for other threads.
        read_value(handle, "")
    with writing_to(*written):
        return _call(function, args, kwargs, writes, written)


def _call(
    function: Function,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    writes: Sequence[str],
    written: Sequence[TensorHandle],
) -> object:
    handles, rebuild = flatten((args, dict(kwargs)))
    inner: dict[int, TensorHandle] = {}
    values = _apart(handles, [from_outside(read_value(handle, ""), inner) for handle in handles])
    # Values of read-only tensors are not copied, so that numpy raises its own error when it writes.
    places = tuple(i for i, h in enumerate(handles) if any(h is target for target in written) and is_writable(h))
    call = NumpyCall(function, rebuild, (), fresh_token(), places)
    try:
        parts, result = call.run(values)
    except ValueError as error:
        if str(error) != MADE_NO_ARRAY:
            raise
        (args, kwargs), is_changed = with_made_tensors((args, dict(kwargs)))
        if not is_changed:
            raise
        return call_numpy(function, args, kwargs, writes)
    if not handles:
        return _fresh(result)
    if inner:
        # An array taken out of an array of objects stands for a tensor: return that tensor.
        result = _with_held(result, inner)
        parts = [*_arrays_in(result), *parts[len(parts) - len(places) :]]
    for place, part in zip(places, parts[len(parts) - len(places) :], strict=True):
        values[place] = part
    held = {id(value): handle for value, handle in zip(values, handles, strict=True)}
    return _Results(call, handles, values, parts, result, {**held, **inner}).tensors()


def _apart(handles: Sequence[TensorHandle], values: list[Any]) -> list[Any]:
    """Return the values, copied where two tensors that numpy would keep apart share one array (as `x` and `x.copy()`)."""
    roots: dict[int, TensorHandle] = {}
    for place, (handle, value) in enumerate(zip(handles, values, strict=True)):
        root = root_of(handle)
        root = handle if root is None else root
        if isinstance(value, np.ndarray) and roots.setdefault(id(_owner(value)), root) is not root:
            values[place] = value.copy(order="K")
    return values


def _owner(array: Array) -> Array:
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def written_handles(
    function: Function, args: tuple[Any, ...], kwargs: Mapping[str, Any], writes: Sequence[str]
) -> list[TensorHandle]:
    """Return the tensors among the arguments that are changed in place."""
    given = [kwargs[name] for name in writes if name in kwargs]
    names = _positional_names(function)
    given += [value for name, value in zip(names, args, strict=False) if name in writes]
    flat: list[Any] = []
    for value in given:
        flat += value if isinstance(value, tuple | list) else (value,)
    return [value.__lazy_tensor__() for value in flat if hasattr(value, "__lazy_tensor__")]


@lru_cache(maxsize=1024)
def _positional_names(function: Function) -> tuple[str, ...]:
    # A few builtins show no signature; each of those changes only its first argument.
    signature = signature_of(function)
    if signature is None:
        return ("a",)
    by_place = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
    # What follows *operands can only be given by name.
    return tuple(parameter.name for parameter in signature.parameters.values() if parameter.kind in by_place)


def _is_array(value: Any) -> bool:
    """Return whether the value becomes a tensor; subclasses (matrices, masked arrays) and objects stay numpy's."""
    if isinstance(value, np.ndarray):
        return type(value) is np.ndarray
    return isinstance(value, np.generic) and value.dtype.kind not in "OUSVT"


def _arrays_in(value: Any) -> list[Any]:
    """Return the arrays of a result, in order."""
    if _is_array(value):
        return [value]
    return [array for part in value for array in _arrays_in(part)] if isinstance(value, tuple | list) else []


def _with_tensors(value: Any, tensors: Iterator[Any]) -> Any:
    """Return the result with its arrays replaced by the tensors, in order."""
    if _is_array(value):
        return next(tensors)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(_with_tensors(part, tensors) for part in value))
    if type(value) in (tuple, list):
        return type(value)([_with_tensors(part, tensors) for part in value])
    return value


def _fresh(result: Any) -> object:
    """Return the result of a call that had no tensors among its arguments: its arrays become inputs."""
    return _with_tensors(result, iter([_input(part) for part in _arrays_in(result)]))


def _input(part: Any) -> LazyTensor:
    if isinstance(part, np.generic):
        return as_tensor(part)
    # Copied, since the function may keep a reference to the array.
    array = np.array(part, order="K", copy=True)
    if array.dtype == object:
        _hold(array, {})
    tensor = input_of(array)
    if not part.flags.writeable:
        reinterpret(tensor, ReadOnly(True), tensor)
    return tensor


def _with_held(value: Any, held: Mapping[int, TensorHandle]) -> object:
    if type(value) in (tuple, list):
        return type(value)([_with_held(part, held) for part in value])
    return held.get(id(value), value) if type(value) is np.ndarray else value


def _hold(objects: Array, held: Mapping[int, TensorHandle]) -> None:
    """Replace the arrays in an array of objects by tensors, since a tensor can be assigned to and an array would not see it."""
    known = dict(held)
    for place, element in enumerate(objects.ravel().tolist()):
        if type(element) is np.ndarray:
            if id(element) not in known:
                known[id(element)] = _input(element)
            objects.flat[place] = known[id(element)]


@dataclass(frozen=True, slots=True)
class _Results:
    """The results of a call: its arrays become the results of one node, which keeps their values.

    values: the arrays that the function got for the tensors, after its writes
    held:   tensors by the id of the array that replaced them; arrays of objects may contain such arrays
    """

    call: NumpyCall
    handles: Sequence[TensorHandle]
    values: Sequence[Any]
    parts: Sequence[Any]
    result: Any
    held: Mapping[int, TensorHandle]

    def tensors(self) -> object:
        """Return the result with tensors for arrays; operands that the function changed have moved on before."""
        if not self.parts or len(self.parts) == len(self.call.written):
            return self._facts()
        nodes = self._apply(self.call, self.parts)
        count = len(self.parts) - len(self.call.written)
        for place, value in zip(self.call.written, nodes[count:], strict=True):
            assign_result(self.handles[place], value)
        given = [self._operand_or_view(part) for part in self.parts[:count]]
        chosen = [node if tensor is None else tensor for tensor, node in zip(given, nodes, strict=False)]
        return _with_tensors(self.result, iter(chosen))

    def _operand_or_view(self, part: Any) -> object:
        """Return the operand that the array is, or a view of the operand it shares memory with; None for a new array."""
        # Scalars have no identity: np.True_ is one object.
        if not isinstance(part, np.ndarray):
            return None
        if id(part) in self.held:
            return self.held[id(part)]
        views = (hooks.view_of_part(*pair, part) for pair in zip(self.handles, self.values, strict=True))
        view = next((view for view in views if view is not None), None)
        if view is not None:
            # The offset and shape of the view may depend on the values of all operands.
            for handle in self.handles:
                read_value(handle, self.call.name)
        return view

    def _facts(self) -> object:
        """Return a result without arrays, and record a read: of a number, else of the operands."""
        if self.call.written:
            nodes = self._apply(self.call, self.parts)
            for place, value in zip(self.call.written, nodes, strict=True):
                assign_result(self.handles[place], value)
            return self.result
        number: object = np.asarray(self.result)[()] if type(self.result) in (bool, int, float, complex) else None
        # A Python int may be too large for numpy's integers.
        if isinstance(number, np.generic):
            (tensor,) = self._apply(self.call, [number])
            read_value(tensor, self.call.name)
            return self.result
        for handle in self.handles:
            read_value(handle, self.call.name)
        return self.result

    def _apply(self, call: NumpyCall, parts: Sequence[Any]) -> tuple[Any, ...]:
        types = tuple(tensor_type(np.shape(part), part.dtype, isinstance(part, np.generic)) for part in parts)
        called = replace(call, types=types)
        several = len(types) != 1
        together = apply_several(called, *self.handles) if several else (apply(called, *self.handles),)
        origin = joined([origin_of(handle.node, handle._known) for handle in self.handles])
        for tensor, part in zip(together, parts, strict=True):
            # A copy, since the function may keep a reference to the array that it returns.
            value = part.copy(order="K") if isinstance(part, np.ndarray) else part
            if isinstance(value, np.ndarray) and value.dtype == object:
                _hold(value, self.held)
            keep_value(tensor.node, tensor.output_index, KnownValue(freeze(value), origin))
        return together
