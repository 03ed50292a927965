"""Calls the function of a scan once, on placeholders, and makes the scan's operation of the graph that it builds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from composit.apply import placeholder
from composit.containers import Rebuild
from composit.eager_results import lazily
from composit.errors import DtypeError, NoValueError, OperandError, ShapeError, TracingError
from composit.handle import described, make_tensor
from composit.nn.scans.forms import in_order_of, leaves_of, paths_of, with_tensors
from composit.nn.scans.making import MadeBody, Step, captured_values, made_body
from composit.nn.transforms import Container, being_traced
from composit.numpy.arguments.normalizing import spell_shape
from composit.numpy.elementwise.casting import astype
from composit.operation import TensorType, tensor_type
from composit.value import Value, value_of

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

# (carry, x) -> (carry, y)
StepFunction = Callable[[Container, Container], Container]


@dataclass(frozen=True, slots=True)
class Traced:
    """A step as a body, with its operands and how its results are put into containers.

    init:     the carried values before the first step, in the types in which they are carried
    captured: tensors from outside that the step reads
    """

    made: MadeBody
    init: list[Any]
    captured: list[Any]
    fill_carry: Rebuild
    fill_stacked: Rebuild
    stacked_types: list[TensorType]


def traced(function: StepFunction, init: Container, slices: Container, slice_types: Sequence[TensorType]) -> Traced:
    """Return the step that a function computes.

    slices: a container with the form of `xs`

    Raises:  TracingError: it reads a value; OperandError, ShapeError, DtypeError: what it returns does not fit
    """
    form = with_tensors(init)
    leaves, fill_carry = leaves_of(form)
    _, fill_x = leaves_of(slices)
    names = paths_of(form, "carry")
    call = _Call(function, fill_carry, fill_x, [*names, *paths_of(slices, "x")])
    first = call([_carried(each.type) for each in leaves], slice_types)
    following = in_order_of(form, first.carry, "carry", "scan: f returned")
    adapted = leaves
    if any(_is_python_number(each) for each in leaves):
        # A Python number takes the dtype that the step gives it, as in an expression.
        adapted = [_adapted(leaf, each) for leaf, each in zip(leaves, following, strict=True)]
        first = call([_carried(each.type) for each in adapted], slice_types)
        following = in_order_of(form, first.carry, "carry", "scan: f returned")
    for name, leaf, each in zip(names, adapted, following, strict=True):
        _check_type(name, leaf, each)
    stacked, fill_stacked = leaves_of(first.stacked)
    return _assembled(call, first, adapted, following, stacked, fill_carry, fill_stacked)


def _assembled(
    call: _Call,
    step: _Traced,
    init: list[Any],
    following: Sequence[Any],
    stacked: Sequence[Any],
    fill_carry: Rebuild,
    fill_stacked: Rebuild,
) -> Traced:
    results = [value_of(each) for each in (*following, *stacked)]
    captured = captured_values(results, [*step.carried, *step.along])
    names = [*call.names, *_names_of(captured)]
    count = len(following)
    made = made_body(Step(step.carried, step.along, captured, results[:count], results[count:]), names)
    outside = [make_tensor(captured[n].node, captured[n].index) for n in made.constant]
    return Traced(made, init, outside, fill_carry, fill_stacked, [each.type for each in stacked])


def _names_of(captured: Sequence[Value]) -> list[str]:
    labels: list[str | None] = [each.node.label for each in captured]
    return [f"captured {number}" if label is None else label for number, label in enumerate(labels)]


@dataclass(frozen=True, slots=True)
class _Traced:
    """What one call of the function gave. carried, along: the placeholders that it got."""

    carried: list[Value]
    along: list[Value]
    carry: Container
    stacked: Container


@dataclass(frozen=True, slots=True)
class _Call:
    """Calls the function on placeholders of given types."""

    function: StepFunction
    fill_carry: Rebuild
    fill_x: Rebuild
    names: list[str]

    def __call__(self, carry_types: Sequence[TensorType], slice_types: Sequence[TensorType]) -> _Traced:
        made = [placeholder(each, name) for each, name in zip([*carry_types, *slice_types], self.names, strict=True)]
        values = [value_of(each) for each in made]
        count = len(carry_types)
        with being_traced(), lazily():
            try:
                result = self.function(self.fill_carry(made[:count]), self.fill_x(made[count:]))
            except NoValueError as error:
                raise TracingError(
                    f"scan: f asked for a value that differs from step to step: {error}; expected a function that builds the same"
                    " graph for all values, since it is called once for all steps; write cnp.where for a condition"
                ) from error
        if not isinstance(result, tuple) or len(result) != 2:
            raise OperandError(
                f"scan: f returned {described(result):.60} of type {type(result).__name__}; expected a tuple (carry, y); return"
                " (carry, None) if nothing is to be stacked"
            )
        return _Traced(values[:count], values[count:], with_tensors(result[0]), with_tensors(result[1]))


def _carried(own: TensorType) -> TensorType:
    """Return the type of a value as it is carried: numpy's scalar, where it has no axes."""
    return tensor_type(own.shape, own.dtype, is_scalar=not own.shape, weak=own.weak)


def _is_python_number(leaf: LazyTensor) -> bool:
    return leaf.type.weak is not None


def _adapted(leaf: LazyTensor, following: LazyTensor) -> LazyTensor:
    """Return the start of a carried value; a Python number in the dtype of what follows, if that holds its kind of numbers."""
    if not _is_python_number(leaf):
        return leaf
    holds = _KINDS.find(leaf.dtype.kind) <= _KINDS.find(following.dtype.kind)
    return astype(leaf, following.dtype if holds else leaf.dtype)


# Each kind of dtype holds the numbers of those before it.
_KINDS = "biufc"


def _check_type(name: str, leaf: LazyTensor, following: LazyTensor) -> None:
    if following.shape != leaf.shape:
        raise ShapeError(
            f"scan: f returned {name} with shape {spell_shape(following.shape)}; expected {spell_shape(leaf.shape)}, the shape in"
            f" init, since a carried value keeps its shape from step to step; broadcast init to {spell_shape(following.shape)}, or"
            f" reshape {name}"
        )
    if following.dtype != leaf.dtype:
        raise DtypeError(
            f"scan: f returned {name} with dtype {following.dtype}; expected {leaf.dtype}, the dtype in init, since a carried value"
            f" keeps its dtype from step to step; write init with .astype({following.dtype.name!r}), or convert {name}"
        )
