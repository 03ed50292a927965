"""`evaluate`: from tensors to arrays, through any backend."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice, starmap
from typing import Any

import numpy as np

from composit.backends import (
    Backend,
    BackendChoice,
    ForPrograms,
    PreparedProgram,
    backend_with,
    check_supported,
    get_backend,
)
from composit.containers import flatten_results
from composit.direct import Memory, key_of, nodes_behind, run_nodes
from composit.eager_results import eager
from composit.errors import DtypeError, OperandError, ParameterError, ShapeError, UnreachedInputError
from composit.guards import (
    Guard,
    check_guards,
    from_outside,
    guards_for,
    leaf_value,
    read_value,
    reads_of,
)
from composit.handle import TensorHandle, described
from composit.input_keys import array_given, check_traced, tensors_given
from composit.keys import Key
from composit.locks import fork_safe_lock
from composit.node import Node, Operands, kept_value, plan_of, set_plan
from composit.operation import Array, Dtype, Input, TensorType
from composit.program import (
    BoundProgram,
    Program,
    Surroundings,
    ancestors_in_order,
    build_program,
    run_in,
    surroundings_of,
    without_values,
)
from composit.source import describe_source
from composit.storage import own_storage
from composit.value import Value, identity_of, value_of

MAX_PREPARED_PROGRAMS = 256


def evaluate(
    *tensors: Any,  # Any: tensors, arrays, scalars and nested containers of them
    inputs: Mapping[Any, Any] | None = None,
    backend: BackendChoice = "numpy",
    guards: str = "check",
    algorithms: Any = None,
) -> Any:
    """Return the values: an array for one argument, a tuple for several, containers as such with arrays inside.

    Objects with tensors among their attributes, such as the cache in a transformer's output, come back as copies with arrays there.
    The subgraph that outputs share runs once. Separate calls run it again, since a call keeps no values for the next: write
    evaluate(loss, gradient), and evaluate(gradients) for a list. Arrays, numbers and strings come back as they are. With
    `inputs`, a mapping from tensors, or names of inputs, to arrays of the same shape and dtype, the same program runs on new
    data. Reads that may have steered Python while the graph was built are then repeated, and GuardError is raised where a
    value differs, unless guards="ignore". For a backend that has several algorithms, as mosaic does, `algorithms` says which one
    computes what (docs/algorithms.md).

    backend: "numpy", "mosaic" (C), "torch", another name, a backend object, or a mapping such as {"encoder*": "mosaic", "*": "torch"}:
             each node runs where the first key that matches it says, on numpy where none does. Keys are globs over scopes and module
             paths, names of tensors and operations ("conv2d"), and tensors; `explain` says what goes where, and what crosses

    Raises:  UnreachedInputError: no output depends on a key of inputs; OperandError: an output is a torch tensor that no trace
             has seen; ShapeError, DtypeError: its array does not fit; GuardError; UnknownBackendError; ParameterError: a key of
             a mapping of backends matches nothing; and what the operations raise, with a note that shows the user's line
    Example:
        >>> import composit.numpy as cnp
        >>> x = cnp.ones((2,))
        >>> evaluate(x + 1)
        array([2., 2.])
        >>> evaluate(x + 1, inputs={x: [5.0, 6.0]})
        array([6., 7.])
    """
    if guards not in ("check", "ignore"):
        raise ParameterError(f"evaluate: guards={guards!r} was given; expected 'check' or 'ignore'")
    argument = tensors[0] if len(tensors) == 1 else tensors
    handles, rebuild = flatten_results(argument)
    check_traced("evaluate", argument)
    if not handles:
        if inputs:
            raise UnreachedInputError(
                f"inputs: values were given for {len(inputs)} inputs, but {described(argument):.80} of type {type(argument).__name__} "
                "depends on no tensor; expected tensors that are computed from the inputs"
            )
        return argument
    chosen = backend_with(backend, algorithms)
    if inputs:
        return rebuild(_evaluate_on(handles, inputs, chosen, guards))
    if eager.strict and backend == "numpy":
        # The calls have computed all values already, and have warned.
        return rebuild(owned([read_value(handle, "") for handle in handles]))
    # Looked at once: a tensor that shows memory has a new node at each look, and another thread may write to any other.
    outputs = tuple([(handle.node, handle._output_index) for handle in handles])
    if chosen is get_backend("numpy"):
        return rebuild(owned(_computed(outputs)))
    return rebuild(owned(_plan_of(outputs, chosen).values()))


def _computed(outputs: Operands) -> Sequence[Any]:  # Any: arrays and numpy scalars
    """Return the values by numpy: node by node the first time, by a prepared program when they are asked for again."""
    known = [kept_value(node, index) for node, index in outputs]
    if all(known):
        return [value.value for value in known if value is not None]
    first = outputs[0][0]
    plan = plan_of(first)
    if isinstance(plan, _Plan) and _points_to(plan, outputs) and plan.backend is get_backend("numpy"):
        return plan.values()
    memory = Memory()
    order = nodes_behind([node for node, _ in outputs], memory)
    places = tuple([key_of(node, index) for node, index in outputs])
    # With cached values of reads, fewer nodes run than in a program, and the values are dropped with their handles.
    if not memory.known and plan == places:
        return _plan_of(outputs, get_backend("numpy")).values()
    set_plan(first, places)
    run_nodes(order, memory, places)
    return [memory.values[place] for place in places]


@dataclass(frozen=True, slots=True)
class _Plan:
    """A prepared program kept with its first output's node, so that a second evaluation walks no nodes.

    index: which result of that node comes first
    rest:  the outputs after the first
    """

    index: int
    rest: tuple[Value, ...]
    backend: Backend
    leaves: tuple[Value, ...]
    surroundings: Surroundings
    run: PreparedProgram

    def values(self) -> Sequence[Any]:  # Any: arrays and numpy scalars
        """Return the outputs for the present values of the leaves."""
        return run_in(self.surroundings, self.run, list(map(leaf_value, self.leaves)))  # type: ignore[no-any-return]


def _plan_of(outputs: Operands, backend: Backend) -> _Plan:
    first = outputs[0][0]
    plan = plan_of(first)
    if isinstance(plan, _Plan) and plan.backend is backend and _points_to(plan, outputs):
        return plan
    values = tuple(starmap(Value, outputs))
    bound = bind(values, ())[0]
    surroundings = surroundings_of(bound.program.labels)
    run = prepare(bound.program, backend, bound.nodes)
    plan = _Plan(values[0].index, values[1:], backend, bound.leaves, surroundings, run)
    set_plan(first, plan)
    return plan


def _points_to(plan: _Plan, outputs: Operands) -> bool:
    # The first output's node holds the plan and is not in its rest: with one output there is no reference cycle.
    if len(plan.rest) != len(outputs) - 1 or outputs[0][1] != plan.index:
        return False
    rest = zip(plan.rest, outputs[1:], strict=True)
    return all(value.node is node and value.index == index for value, (node, index) in rest)


_prepared: OrderedDict[tuple[int, Key], tuple[Backend, PreparedProgram]] = OrderedDict()
_prepared_lock = fork_safe_lock()


def prepare(program: Program, backend: Backend, nodes: Sequence[Node | None] = ()) -> PreparedProgram:
    """Return the program made runnable by the backend, from the cache if one of this digest was prepared before.

    nodes: those of the instructions, for backends that are told about tensors
    """
    if isinstance(backend, ForPrograms):
        backend = backend.for_program(program, nodes)
    key = (id(backend), program.digest)
    with _prepared_lock:
        known = _prepared.get(key)
        if known is not None:
            _prepared.move_to_end(key)
            return known[1]
    check_supported(program, backend)
    run = backend.prepare(without_values(program))
    with _prepared_lock:
        # The entry keeps the backend alive, so that no other one gets its id.
        _prepared[key] = (backend, run)
        while len(_prepared) > MAX_PREPARED_PROGRAMS:
            _prepared.popitem(last=False)
    return run


def clear_prepared_programs() -> None:
    """Forget all prepared programs, with the memory that backends hold for them."""
    with _prepared_lock:
        _prepared.clear()


def owned(values: Sequence[Any]) -> list[Any]:  # Any: arrays and numpy scalars
    """Return the values for the caller to keep: copied where they share memory with leaves, with each other, or with a backend."""
    seen: set[int] = set()
    owned = []
    for value in values:
        shared = isinstance(value, np.ndarray) and (
            value.base is not None or not value.flags.writeable or not value.flags.owndata or id(value) in seen
        )
        seen.add(id(value))
        owned.append(from_outside(value.copy(order="K") if shared else _as_numpy(value)))
    return owned


def _as_numpy(value: Any) -> Array | np.generic:
    return value if isinstance(value, np.ndarray | np.generic) else np.asarray(value)[()]


def _evaluate_on(
    handles: Sequence[TensorHandle], inputs: Mapping[Any, Any], backend: Backend, guards: str
) -> list[Array]:
    if not isinstance(inputs, Mapping):
        raise OperandError(
            f"inputs: got {described(inputs):.80} of type {type(inputs).__name__}; expected a mapping from tensors to arrays; write "
            "inputs={tensor: array}"
        )
    outputs = [value_of(handle) for handle in handles]
    given = tensors_given(inputs, outputs)
    outputs, replacements = _at_shapes_given(outputs, given, list(inputs.values()))
    # For other shapes all inputs are given that change. Some of them may matter only for what Python read.
    is_resized = replacements is not given
    arrays = [_fitting(handle, value) for handle, value in zip(replacements, inputs.values(), strict=True)]
    cuts = [value_of(handle) for handle in replacements]
    checked = guards_for(outputs, cuts) if guards == "check" else []
    bound, reached = bind(outputs, cuts)
    for handle, is_reached in zip(replacements, reached, strict=True):
        if not is_reached and not is_resized:
            raise UnreachedInputError(unreached_message(handle, outputs))
    if checked:
        bound, reached = bind([*outputs, *(guard.read for guard in checked)], cuts)
    leaves = _leaves(bound, cuts, arrays)
    with reads_checked_first(checked, cuts, arrays):
        values = run_in(surroundings_of(bound.program.labels), prepare(bound.program, backend, bound.nodes), leaves)
    check_guards(checked, values[len(outputs) :])
    return owned(values[: len(outputs)])


def _at_shapes_given(
    outputs: list[Value], given: list[TensorHandle], values: Sequence[Any]
) -> tuple[list[Value], list[TensorHandle]]:
    """Return outputs and inputs of the graph for arrays of these shapes: another one where an input can have it built."""
    shapes = [_shape_of(value) for value in values]
    for tensor, shape in zip(given, shapes, strict=True):
        operation = tensor.node.operation
        if shape != tensor.shape and isinstance(operation, Input) and operation.sized_program is not None:
            return operation.sized_program.resized(outputs, given, shapes)
    return outputs, given


def _shape_of(value: Any) -> tuple[int, ...]:
    shape = getattr(value, "shape", None)
    return tuple(np.shape(value) if shape is None else shape)


# Errors that numpy and functions of users raise because of values.
_ERRORS_OF_VALUES = (ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)


@contextmanager
def reads_checked_first(guards: Sequence[Guard], cuts: Sequence[Value], arrays: Sequence[Any]) -> Iterator[None]:
    """Raise GuardError in place of the block's error, if a read would differ: Python would not have taken this path.

    arrays: the values in place of the cuts; each read is computed by itself, since the rest of the program may raise too
    """
    try:
        yield
    except _ERRORS_OF_VALUES as error:
        for guard in guards:
            bound, _ = bind([guard.read], cuts)
            try:
                (value,) = get_backend("numpy").prepare(bound.program)(_leaves(bound, cuts, arrays))
            except _ERRORS_OF_VALUES:
                break
            guard.check(value, error)
        raise


def _leaves(bound: BoundProgram, cuts: Sequence[Value], arrays: Sequence[Any]) -> list[Array]:
    given = {cut.identity: array for cut, array in zip(cuts, arrays, strict=True)}
    return [given[leaf.identity] if leaf.identity in given else leaf_value(leaf) for leaf in bound.leaves]


def bind(outputs: Sequence[Value], inputs: Sequence[Value]) -> tuple[BoundProgram, list[bool]]:
    """Return the program with `inputs` (leaves or inner values) as inputs, and which of these it needs."""
    cuts = [value for value in inputs if not _is_input(value.node)]
    bound = build_program(outputs, cuts)
    kept = _kept_values(bound, inputs)
    if kept:
        bound = build_program(outputs, [*cuts, *kept])
    reached = {leaf.identity for leaf in bound.leaves}
    return bound, [value.identity in reached for value in inputs]


def _kept_values(bound: BoundProgram, inputs: Sequence[Value]) -> list[Value]:
    """Return the values of operations that ran at the call, where these depend on no input."""
    if not any(node is not None and node.operation.runs_at_call for node in bound.nodes):
        return []
    replaced = {value.identity for value in inputs}
    kept: list[Value] = []
    depends: list[bool] = []  # by instruction; None stands for the placeholder of an input
    for instruction, node in zip(bound.program.instructions, bound.nodes, strict=True):
        is_new = node is None or (not node.operands and identity_of(node, 0) in replaced)
        depends.append(is_new or any(depends[source] for source, _ in instruction.operands))
        if node is not None and node.operation.runs_at_call and not depends[-1]:
            indices = range(len(node.types))
            kept.extend(Value(node, index) for index in indices if kept_value(node, index) is not None)
    return kept


def _is_input(node: Node) -> bool:
    return isinstance(node.operation, Input)


def unreached_message(handle: TensorHandle, outputs: Sequence[Value]) -> str:
    """Return the message for an input that no output depends on, with the reads that took its value out of the graph."""
    reads = list(islice(reads_of(handle.node), 3)) if _is_input(handle.node) else []
    dropped = "".join(f"\n  {guard.kind} at {describe_source(guard.source)}" for guard in reads)
    because = f"; its value was read by Python, which took it out of the graph:{dropped}" if reads else ""
    return (
        f"inputs: no output depends on {described(handle)}; give tensors that the outputs are computed from"
        f"{why_unreached(handle, outputs)}{because}"
    )


def why_unreached(handle: TensorHandle, outputs: Sequence[Value]) -> str:
    """Return why no output depends on the tensor: they use its earlier value, or an equal expression; "" if unknown."""
    for node in ancestors_in_order([output.node for output in outputs]):
        if identity_of(node, 0) == identity_of(handle.node, 0):
            return "; they depend on it only through other tensors that are given as well"
        if node is not handle.node and _has_pointed_to(handle, node):
            return (
                "; it was assigned to after the output was built, and only its earlier value feeds the output: take the "
                f"output, or a copy of the tensor, before. The assignment:\n  {describe_source(handle.node.source)}"
            )
        if node == handle.node:
            return (
                "; they depend on another tensor of the same expression, which is the one to give. It was built at\n  "
                f"{describe_source(node.source)}"
            )
    return ""


def _has_pointed_to(handle: TensorHandle, node: Node) -> bool:
    """Return whether a tensor pointed to the node before writes; the first operand of a write is the value before it."""
    storage = own_storage(handle)
    earlier: Node | None = handle.node if storage is not None and storage.has_moved else None
    while earlier is not None and earlier is not node and earlier.operands:
        earlier = earlier.operands[0][0]
    return earlier is node


def _fitting(handle: TensorHandle, value: Any) -> Array:
    expected = handle.type
    if isinstance(value, TensorHandle):
        value = evaluate(value)
    array = array_given(value)
    if not hasattr(value, "__array__") and _is_of_kind(array, expected.dtype):
        array = np.asarray(value, dtype=expected.dtype)
    if array.shape != expected.shape:
        raise ShapeError(
            f"inputs: {described(handle)} was given an array of shape {array.shape}; expected {expected.shape}: a program is built for "
            "its shapes; build the graph again for other shapes"
        )
    _check_dtype(handle, array, expected)
    # A read-only view, so that `_own` copies it if the program returns its input.
    array = array.view()
    array.flags.writeable = False
    return array


def _is_of_kind(array: Array, dtype: Dtype) -> bool:
    # Lists and numbers have no dtype, but 1.5 must not become an integer; numpy itself refuses integers that are too large.
    is_integer = array.dtype.kind in "iu" and dtype.kind in "iu"
    return is_integer or not array.size or np.can_cast(array.dtype, dtype, "same_kind")


def _check_dtype(handle: TensorHandle, array: Array, expected: TensorType) -> None:
    if array.dtype != expected.dtype:
        raise DtypeError(
            f"inputs: {described(handle)} was given an array of dtype {array.dtype}; expected {expected.dtype}; convert it, for example "
            f"with array.astype({expected.dtype.name!r})"
        )
