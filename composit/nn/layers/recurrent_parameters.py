"""Parameters of recurrent layers: arrays by torch's names, sorted by layer and direction and checked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from composit.errors import ParameterError
from composit.nn.arguments import check_shape, floating
from composit.numpy.arguments.normalizing import TensorLike

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

_NAME = re.compile(r"(weight_ih|weight_hh|weight_hr|bias_ih|bias_hh)_l(\d+)(_reverse)?")
_FIRST = "weight_ih_l0"


@dataclass(frozen=True, slots=True)
class Direction:
    """The parameters of one direction of a layer.

    bias:        what is added to the product with the input: of both biases, where they are only added
    hidden_bias: what is added to the product with the hidden state in each step; None where nothing is
    projection:  (outputs, hidden), None without one
    """

    input_weight: LazyTensor
    hidden_weight: LazyTensor
    bias: LazyTensor | None
    hidden_bias: LazyTensor | None
    projection: LazyTensor | None
    is_reversed: bool
    num_gates: int

    @property
    def num_hidden(self) -> int:
        return self.hidden_weight.shape[0] // self.num_gates

    @property
    def num_outputs(self) -> int:
        return self.hidden_weight.shape[1]


def directions_of(
    function: str, parameters: Mapping[str, TensorLike], num_gates: int, num_inputs: int
) -> list[list[Direction]]:
    """Return the parameters of each layer and direction.

    Raises:  ParameterError: names are missing or unknown; ShapeError: an array does not fit
    """
    if not isinstance(parameters, Mapping):
        raise ParameterError(
            f"{function}: parameters of type {type(parameters).__name__} were given; expected a mapping with torch's names, such as"
            f" {_FIRST!r}; pass dict(module.named_parameters()), as arrays"
        )
    places: set[tuple[int, bool]] = set()
    for name in parameters:
        match = _NAME.fullmatch(str(name))
        if match is None or (match[1] == "weight_hr" and function != "lstm"):
            raise ParameterError(
                f"{function}: a parameter {name!r} was given; expected torch's names, such as {_FIRST!r}, 'bias_hh_l1' or"
                " 'weight_ih_l0_reverse'; leave it out, or cut off what stands before"
            )
        places.add((int(match[2]), bool(match[3])))
    num_layers = 1 + max((layer for layer, _ in places), default=0)
    suffixes = ("", "_reverse") if any(is_reversed for _, is_reversed in places) else ("",)
    layers: list[list[Direction]] = []
    for layer in range(num_layers):
        own = [_direction(function, parameters, f"_l{layer}{suffix}", num_gates) for suffix in suffixes]
        for each, suffix in zip(own, suffixes, strict=True):
            _check(function, each, f"_l{layer}{suffix}", num_inputs, own[0])
        num_inputs = sum(each.num_outputs for each in own)
        layers.append(own)
    return layers


def _direction(function: str, parameters: Mapping[str, TensorLike], suffix: str, num_gates: int) -> Direction:
    def found(kind: str) -> Any:
        name = kind + suffix
        return floating(function, parameters[name], name) if name in parameters else None

    input_weight, hidden_weight = found("weight_ih"), found("weight_hh")
    missing = [kind + suffix for kind in ("weight_ih", "weight_hh") if kind + suffix not in parameters]
    if missing:
        raise ParameterError(
            f"{function}: the parameters have no {' and no '.join(map(repr, missing))}; expected both weights for each layer and direction;"
            f" given were {', '.join(map(repr, list(parameters)[:8])) or 'none'}"
        )
    biases = [bias for bias in (found("bias_ih"), found("bias_hh")) if bias is not None]
    # A gru multiplies a part of the hidden bias, the others only add it.
    is_added = function != "gru"
    own = found("bias_ih") if not is_added else sum(biases[1:], biases[0]) if biases else None
    hidden_bias = None if is_added else found("bias_hh")
    is_reversed = suffix.endswith("_reverse")
    return Direction(input_weight, hidden_weight, own, hidden_bias, found("weight_hr"), is_reversed, num_gates)


def _check(function: str, own: Direction, suffix: str, num_inputs: int, first: Direction) -> None:
    hidden = own.num_hidden
    rows = own.num_gates * hidden
    outputs = hidden if own.projection is None else own.num_outputs
    check_shape(
        function, f"weight_hh{suffix}", own.hidden_weight, (rows, outputs), f"{own.num_gates} rows for each hidden unit"
    )
    check_shape(function, f"weight_ih{suffix}", own.input_weight, (rows, num_inputs), f"for {num_inputs} inputs")
    if own.projection is not None:
        check_shape(function, f"weight_hr{suffix}", own.projection, (outputs, hidden), "(projected, hidden)")
    for bias in (own.bias, own.hidden_bias):
        if bias is not None:
            check_shape(function, f"the bias {suffix[1:]}", bias, (rows,), "one number for each row of the weights")
    if (own.num_hidden, own.num_outputs) != (first.num_hidden, first.num_outputs):
        check_shape(
            function, f"weight_hh{suffix}", own.hidden_weight, first.hidden_weight.shape, "as in the other direction"
        )
