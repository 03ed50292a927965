"""The common part of the optimizers: a rule per parameter, the number of the step, and rates that may follow a schedule.

A learning rate is an input of the program, so another value needs no new compilation. Scalars are computed in float64 and cast
to each parameter's dtype at the end: float32 parameters stay float32.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

import composit.numpy as cnp
from composit.apply import input_of
from composit.errors import DtypeError, OperandError, ParameterError, ShapeError
from composit.handle import TensorHandle, described
from composit.nn.optimizer import Optimizer, Tensors, check_number, number_input
from composit.operation import Dtype

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

# A rate, or a function of the number of steps taken before (a lazy float64 number) that gives the rate as a tensor.
Schedule: TypeAlias = Callable[[Any], Any]
Rate: TypeAlias = "float | Schedule | TensorHandle"

# "count": the number of steps taken before, where the optimizer needs it; "slots": what the rule keeps per parameter.
RuleState: TypeAlias = "dict[str, Any] | tuple[()]"  # Any: a tensor, or a list of tuples of tensors
RuleOptimizer: TypeAlias = "Optimizer[RuleState]"

# The values that a rule keeps for one parameter, in the order of `init`.
Slots: TypeAlias = Sequence[Any]
# (learning rate, number of this step from 1) -> what all parameters of the step share
Shared: TypeAlias = "Callable[[Any, Any], Sequence[Factor]]"
# (parameter, gradient, slots, shared factors) -> (new parameter, new slots)
Rule: TypeAlias = "Callable[[Any, Any, Slots, Sequence[Factor]], tuple[Any, Slots]]"


class Factor:
    """A number of a step that multiplies tensors: it is computed once, and cast once for each of their dtypes."""

    __slots__ = ("_casts", "value")

    def __init__(self, value: Any) -> None:  # Any: a number, or a scalar tensor of any dtype
        self.value = value
        self._casts: dict[Dtype, Any] = {}

    def times(self, tensor: Any) -> Any:
        """Return tensor * number in the tensor's dtype."""
        value = self.value
        if isinstance(value, TensorHandle) and value.dtype != tensor.dtype and not value.type.weak:
            value = self._casts.get(tensor.dtype)
            if value is None:
                value = self._casts[tensor.dtype] = cnp.astype(self.value, tensor.dtype)
        return tensor * value


def rate_alone(rate: Any, number: Any) -> list[Factor]:
    """Return the learning rate, for rules that share nothing else."""
    return [Factor(rate)]


def optimizer_of(
    name: str,
    rule: Rule,
    rate: Rate,
    slots: Callable[[Any], Slots],
    shared: Shared,
    needs_count: bool = True,
    kinds: str = "f",
) -> RuleOptimizer:
    """Return the optimizer that applies a rule to each parameter.

    slots:       the rule's values for a parameter before the first step
    shared:      numbers that are the same for all parameters of a step
    needs_count: whether the rule reads the number of the step; a schedule always does
    kinds:       dtype.kind of parameters; "c" only for rules that are linear in the gradient
    """
    rate_at = _rate_function(name, rate)
    is_counted = needs_count or callable(rate)
    num_slots = len(slots(cnp.zeros(())))

    def init(parameters: Tensors) -> RuleState:
        _check_parameters(name, parameters, kinds)
        kept = [tuple(slots(parameter)) for parameter in parameters]
        if not is_counted:
            return {"slots": kept} if any(kept) else ()
        return {"count": input_of(np.zeros(()), f"{name}.count"), "slots": kept}

    def update(parameters: Tensors, gradients: Tensors, state: RuleState) -> tuple[list[Any], RuleState]:
        _check_parameters(name, parameters, kinds)
        _check_gradients(name, parameters, gradients)
        kept = state["slots"] if isinstance(state, dict) else [()] * len(parameters)
        before = state.get("count") if isinstance(state, dict) else None
        _check_state(name, parameters, kept, num_slots, is_counted, before)
        number = None if before is None else before + 1.0
        factors = shared(rate_at(before), number)
        results = [
            rule(parameter, gradient, own, factors)
            for parameter, gradient, own in zip(parameters, gradients, kept, strict=True)
        ]
        stepped = [as_parameter(value, parameter) for (value, _), parameter in zip(results, parameters, strict=True)]
        later = [tuple(own) for _, own in results]
        if is_counted:
            return stepped, {"count": number, "slots": later}
        return stepped, {"slots": later} if any(later) else ()

    return Optimizer(name, init, update)


def as_parameter(value: Any, parameter: Any) -> Any:
    """Return a value in the dtype of a parameter."""
    return value if value.dtype == parameter.dtype else value.astype(parameter.dtype)


def zeros_like(parameter: Any) -> LazyTensor:
    """Return a fresh input of zeros: the state is given to each step from outside."""
    return input_of(np.zeros(parameter.shape, parameter.dtype), None)


def _rate_function(name: str, rate: Rate) -> Callable[[Any], Any]:
    if isinstance(rate, TensorHandle):
        if rate.shape != ():
            raise OperandError(
                f"{name}: learning_rate={described(rate)} was given; expected one number, a schedule, or a tensor of shape (); use "
                "grouped for different rates"
            )
        return lambda count: rate
    if callable(rate):
        return rate
    constant = number_input(check_number(name, "learning_rate", rate), "learning_rate")
    return lambda count: constant


def _check_parameters(name: str, parameters: Tensors, kinds: str) -> None:
    if not isinstance(parameters, list | tuple) or not all(hasattr(each, "dtype") for each in parameters):
        raise OperandError(
            f"{name}: {described(parameters)!s:.80} of type {type(parameters).__name__} was given for the parameters; expected a list of "
            "tensors; for a mapping write list(parameters.values())"
        )
    for position, each in enumerate(parameters):
        if each.dtype.kind not in kinds:
            raise DtypeError(
                f"{name}: parameter {position} has dtype {each.dtype}; expected {'real ' if kinds == 'f' else ''}floating numbers; "
                "convert integers with astype, and split complex numbers with cnp.real and cnp.imag"
            )


def _check_gradients(name: str, parameters: Tensors, gradients: Tensors) -> None:
    shapes = [tuple(np.shape(each)) for each in parameters]
    given = [tuple(each.shape) for each in gradients]
    if shapes != given:
        raise ShapeError(
            f"{name}: gradients of shapes {given!s:.100} were given for parameters of shapes {shapes!s:.100}; expected the same ones in "
            "the same order; sum a gradient over the axes it has more"
        )


def _check_state(
    name: str, parameters: Tensors, kept: Sequence[Slots], num_slots: int, is_counted: bool, count: Any
) -> None:
    if len(kept) != len(parameters):
        raise ParameterError(
            f"{name}: a state for {len(kept)} parameters was given with {len(parameters)} parameters; expected the state of the same "
            "parameters; make it with optimizer.init(parameters)"
        )
    if any(len(own) != num_slots for own in kept) or is_counted != (count is not None):
        raise ParameterError(
            f"{name}: a state with {len(kept[0]) if kept else 0} values per parameter {'without' if count is None else 'with'} a number of "
            f"steps was given; expected {num_slots} {'with' if is_counted else 'without'} it; another optimizer made this state: make "
            "it with this one's init(parameters)"
        )
