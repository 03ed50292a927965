"""`chain_rule`: lazy gradients by one reverse sweep over the graph.

The sweep is reverse accumulation (Griewank and Walther, Evaluating Derivatives, chapter 3). Rules of operations
(`Operation.vjp`) may ignore broadcasting: the sweep sums every cotangent to the shape of its operand.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

import composit.numpy as cnp
from composit.apply import apply, as_tensor
from composit.containers import flatten
from composit.errors import DerivativeError, OperandError, ParameterError, ShapeError, UnreachedInputError
from composit.evaluation import why_unreached
from composit.handle import TensorHandle, described, make_tensor
from composit.input_keys import tensors_given
from composit.nn.read_numbers import warn_of_read_numbers
from composit.node import Node, inside_scope
from composit.numpy.elementwise.casting import Astype
from composit.operation import TensorType, VjpContext
from composit.program import ancestors_in_order
from composit.source import describe_source, noting
from composit.value import Identity, Value, identity_of, value_of

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor


def chain_rule(
    output_to_cotangent: Mapping[Any, Any],  # Any: tensors, or objects with __lazy_tensor__
    inputs: Sequence[Any],
    *,
    unreached: str = "raise",
) -> list[Any]:
    """Return the lazy gradients of the outputs with respect to the inputs, one per input, in order.

    In `{loss: loss}` the loss maps to itself, which stands for d loss / d loss = 1. Any other value is the incoming
    gradient of its output, with the output's shape. Inputs may be leaves or intermediate values. The gradients are
    ordinary tensors, so they can be drawn, compiled and differentiated again.

    Shapes:  gradient i has the shape and dtype of input i
    Raises:  UnreachedInputError: no output depends on an input (unreached="zeros" gives zeros instead);
             DerivativeError: outputs depend on an input only through operations that have no derivative;
             MissingDerivativeError: an operation's derivative is not written yet; a note names the user's line
    Warns:   ReadNumberWarning: Python read a number from an input (float(x), math.exp(x), x.item(), x.tolist(), a
             parameter of a random generator), and an output seems to use it, as a constant
    Example:
        >>> import composit.numpy as cnp
        >>> x = cnp.asarray([1.0, 2.0, 3.0])
        >>> loss = cnp.sum(x * x)
        >>> (gradient,) = chain_rule({loss: loss}, [x])
        >>> cnp.evaluate(gradient)
        array([2., 4., 6.])
    """
    if unreached not in ("raise", "zeros"):
        raise ParameterError(f"chain_rule: unreached={unreached!r} was given; expected 'raise' or 'zeros'")
    _check_arguments(output_to_cotangent, inputs)
    outputs = [value_of(as_tensor(output)) for output in output_to_cotangent]
    wanted = [handle for each in inputs for handle in _handles_of(each, outputs)]
    for handle in wanted:
        _check_inexact(handle)
    sweep = _Sweep(wanted)
    for output, value in output_to_cotangent.items():
        handle = as_tensor(output)
        sweep.seed(handle, _incoming(handle, output, value))
    warn_of_read_numbers(wanted, sweep.run())
    return [sweep.gradient(handle, unreached) for handle in wanted]


def pulled_back(seeds: Iterable[tuple[Any, Any]], inputs: Sequence[Any]) -> list[LazyTensor | None]:
    """Return the gradient of each input, None where none flows, from pairs of outputs and their incoming gradients.

    Both are tensors, and an incoming gradient has the type of its output: for derivatives of graphs that operations hold.
    """
    sweep = _Sweep(inputs)
    for output, cotangent in seeds:
        sweep.seed(output, cotangent)
    sweep.run()
    return [sweep.found(handle) for handle in inputs]


def _check_arguments(outputs: object, inputs: object) -> None:
    if not isinstance(outputs, Mapping):
        raise OperandError(
            f"chain_rule: outputs={described(outputs):.60} of type {type(outputs).__name__} was given; expected a mapping from outputs to "
            "their incoming gradients; for the gradient of a loss write {loss: loss}"
        )
    if not isinstance(inputs, Iterable) or getattr(inputs, "__lazy_tensor__", None) is not None:
        raise OperandError(
            f"chain_rule: inputs={described(inputs):.60} of type {type(inputs).__name__} was given; expected a list of tensors; for one "
            "write [x]"
        )


def _handles_of(value: Any, outputs: Sequence[Value]) -> list[TensorHandle]:  # Any: a tensor, or a container of them
    if getattr(value, "__lazy_tensor__", None) is not None:
        return tensors_given([value], outputs)
    handles, _ = flatten(value)
    if not handles:
        # Skipping it would return one gradient fewer, and the caller would assign the following ones to wrong inputs.
        raise OperandError(
            f"chain_rule: the input {described(value):.60} of type {type(value).__name__} holds no tensor; expected the tensors that the "
            "outputs were computed from; make it one with cnp.asarray before it is used"
        )
    return handles


def _check_inexact(handle: TensorHandle) -> None:
    if handle.dtype.kind not in "fc":
        raise DerivativeError(
            f"chain_rule: the input {described(handle)} has dtype {handle.dtype}; expected a floating or complex dtype, since integers and "
            "booleans have no derivative; make the input floating before it is used, as in x.astype('float64')"
        )


def _incoming(handle: TensorHandle, output: object, value: object) -> LazyTensor:
    if handle.dtype.kind not in "fc":
        raise DerivativeError(
            f"chain_rule: the output {described(handle)} has dtype {handle.dtype}, which has no derivative; expected a floating or complex "
            "dtype; differentiate the value it is made from"
        )
    if value is output:
        return _broadcast(as_tensor(handle.dtype.type(1)), handle.shape)
    cotangent = as_tensor(value)
    if cotangent.shape != handle.shape and cotangent.ndim:
        raise ShapeError(
            f"chain_rule: the incoming gradient of {described(handle)} has shape {cotangent.shape}; expected {handle.shape}, the shape of "
            "the output; pass {loss: loss} for a gradient of ones"
        )
    return _broadcast(_cast(cotangent, handle.type), handle.shape)


def _broadcast(tensor: Any, shape: tuple[int, ...]) -> LazyTensor:
    return tensor if tensor.shape == shape else cnp.broadcast_to(tensor, shape)


class _Sweep:
    """One reverse pass: sums the cotangents of each value and calls each node's rule once, consumers first."""

    def __init__(self, wanted: Sequence[TensorHandle]) -> None:
        self._wanted = {value_of(handle).identity for handle in wanted}
        # Nodes older than all inputs depend on none of them and are not visited: the gradient of a training step stops
        # at the weights, however long the history before them.
        self._oldest = min((handle.node.serial for handle in wanted), default=0)
        self._outputs: list[Value] = []
        self._cotangents: dict[Identity, LazyTensor] = {}
        self._stopped_at: dict[Identity, Node] = {}
        self._reached: set[Identity] = set()

    def seed(self, handle: TensorHandle, cotangent: Any) -> None:
        output = value_of(handle)
        self._outputs.append(output)
        self._accumulate(output.identity, cotangent)

    def run(self) -> Sequence[Node]:
        """Carry the cotangents from the outputs to the wanted inputs; return the nodes on the way, operands first."""
        order = ancestors_in_order([output.node for output in self._outputs], oldest=self._oldest)
        self._mark_reached(order)
        for node in reversed(order):
            if node.operands:
                self._pass_through(node)
        return order

    def _mark_reached(self, order: Sequence[Node]) -> None:
        for node in order:
            depends = any(identity_of(*operand) in self._reached for operand in node.operands)
            for index in range(len(node.types)):
                identity = identity_of(node, index)
                if depends or identity in self._wanted:
                    self._reached.add(identity)

    def _pass_through(self, node: Node) -> None:
        # Cotangents flow on through wanted values, since another wanted input may lie behind one.
        needs = [identity_of(*operand) in self._reached for operand in node.operands]
        cotangents = [self._cotangents.get(identity_of(node, index)) for index in range(len(node.types))]
        if not any(needs) or all(cotangent is None for cotangent in cotangents):
            return
        for operand, need, entry in zip(
            node.operands, needs, _operand_cotangents(node, cotangents, needs), strict=True
        ):
            if not need:
                continue
            if entry is None or operand[0].types[operand[1]].dtype.kind not in "fc":
                self._stopped_at.setdefault(identity_of(*operand), node)
                continue
            self._accumulate(identity_of(*operand), entry)

    def _accumulate(self, identity: Identity, cotangent: Any) -> None:
        earlier = self._cotangents.get(identity)
        self._cotangents[identity] = cotangent if earlier is None else cnp.add(earlier, cotangent)

    def found(self, handle: TensorHandle) -> LazyTensor | None:
        """Return the sum of the cotangents that have reached a value, None if none has."""
        return self._cotangents.get(value_of(handle).identity)

    def gradient(self, handle: TensorHandle, unreached: str) -> LazyTensor:
        identity = value_of(handle).identity
        found = self.found(handle)
        if found is not None:
            return found
        if unreached == "zeros":
            return _broadcast(as_tensor(handle.dtype.type(0)), handle.shape)
        if identity in self._reached:
            raise DerivativeError(self._stopped_message(handle))
        raise UnreachedInputError(self._unreached_message(handle))

    def _stopped_message(self, handle: TensorHandle) -> str:
        stops = list({id(node): node for node in self._stopped_at.values()}.values())[:3]
        lines = "".join(f"\n  {node.name} at {describe_source(node.source)}" for node in stops)
        return (
            f"chain_rule: the outputs depend on {described(handle)} only through operations that have no derivative; expected a "
            f"differentiable path; pass unreached='zeros' if zero is meant. No gradient passes:{lines}"
        )

    def _unreached_message(self, handle: TensorHandle) -> str:
        return (
            f"chain_rule: no output depends on the input {described(handle)}; expected an input that the outputs are computed from; "
            f"pass unreached='zeros' if its gradient is meant to be zero{why_unreached(handle, self._outputs)}"
        )


def _operand_cotangents(node: Node, cotangents: Sequence[Any], needs: Sequence[bool]) -> Sequence[Any]:
    """Call the operation's rule, sum each cotangent to its operand's shape, and cast it to its dtype."""
    operands = [make_tensor(operand, index) for operand, index in node.operands]
    results = [make_tensor(node, index) for index in range(len(node.types))]
    where = f"while differentiating {node.name}, built at:\n  "
    with noting(lambda: where + describe_source(node.source)), inside_scope(node.scope):
        entries = node.operation.vjp(VjpContext(cnp, cotangents, operands, results, needs))
        return [
            None if entry is None or not need else _cast(_unbroadcast(as_tensor(entry), operand.type), operand.type)
            for entry, operand, need in zip(entries, operands, needs, strict=True)
        ]


def _unbroadcast(cotangent: LazyTensor, operand: TensorType) -> LazyTensor:
    """Return the cotangent summed over the axes along which the operand was broadcast."""
    shape = cotangent.shape
    if shape == operand.shape:
        return cotangent
    extra = len(shape) - operand.ndim
    if extra < 0:
        return _broadcast(cotangent, operand.shape)
    repeated = [extra + i for i, length in enumerate(operand.shape) if length == 1 and shape[extra + i] != 1]
    if extra and repeated:
        summed = cnp.sum(cotangent, axis=(*range(extra), *repeated), keepdims=True)
        summed = cnp.reshape(summed, summed.shape[extra:])
    elif extra:
        summed = cnp.sum(cotangent, axis=tuple(range(extra)))
    else:
        summed = cnp.sum(cotangent, axis=tuple(repeated), keepdims=True) if repeated else cotangent
    return _broadcast(summed, operand.shape)


def _cast(cotangent: LazyTensor, operand: TensorType) -> LazyTensor:
    if cotangent.dtype == operand.dtype and not cotangent.type.weak:
        return cotangent
    if cotangent.dtype.kind == "c" and operand.dtype.kind == "f":
        # A real operand changes along the real line only, so the imaginary part of its cotangent does not count.
        cotangent = cnp.real(cotangent)
    return apply(Astype(np.dtype(operand.dtype)), cotangent)
