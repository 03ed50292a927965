"""`checkpoint`: a part of a graph whose intermediate values are computed again for its derivative, not kept until then.

The results of the part go through a node `Checkpointed`, which also has the values that the part was computed from. Its
derivative builds the nodes between these values and the results once more, on values behind a fence (`fencing.Fence`):

    Before:  g of y = tanh(w @ tanh(w @ x))
    After:   x', w', g' = fence(x, w, g); y' = tanh(w' @ tanh(w' @ x')); gradients of y' by x' and w' for g'

The fence has two effects: the expressions differ from those of the first run, so nothing merges them with it; and they
depend on g, so nothing runs them before. The gradients are `Checkpointed` too, so second derivatives compute again as well, and
all gradients of a part are computed before an earlier part begins.

Reference: Chen et al., Training Deep Nets with Sublinear Memory Cost, 2016; jax.checkpoint
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from composit.apply import as_tensor, tensor_of
from composit.containers import flatten, map_leaves
from composit.handle import TensorHandle, make_tensor
from composit.nn.differentiate import pulled_back
from composit.nn.fencing import Fence, Fenced, fenced
from composit.nn.transforms import Container, being_traced
from composit.node import Node, inside_scope, next_serial
from composit.operation import Input, Scalar, VjpContext
from composit.program import ancestors_in_order
from composit.value import Identity, Value, identity_of, value_of


def checkpoint(function: Callable[..., Container], *args: Container, **kwargs: Container) -> Container:
    """Return function(*args, **kwargs), whose derivative computes the intermediate values again instead of keeping them.

    A chain of layers in checkpoints keeps one value for each, and those of one layer at a time. What runs again has the same
    values: drawn masks are kept. Tensors that the function uses besides its arguments get their gradients as always.

    Raises:  what the function raises
    Example:
        >>> import composit.numpy as cnp
        >>> from composit.nn import checkpoint, grad
        >>> slope = grad(lambda x: cnp.sum(checkpoint(lambda x: cnp.sin(cnp.exp(x)), x)))(cnp.asarray([0.0]))
        >>> cnp.evaluate(slope).round(4)
        array([0.5403])
    """
    arguments, named = map_leaves((args, kwargs), _as_tensor)
    start = next_serial()
    with being_traced():
        result = map_leaves(function(*arguments, **named), _as_tensor)
    outputs, rebuild = flatten(result)
    if not outputs:
        return result
    sources = [make_tensor(value.node, value.index) for value in _values_before(start, list(map(value_of, outputs)))]
    return rebuild(fenced(Checkpointed(len(outputs)), *outputs, *sources))


def _as_tensor(leaf: Any) -> Any:  # Any: a tensor, array, number or anything else in a container
    is_array = isinstance(leaf, np.ndarray | np.generic) and not isinstance(leaf, TensorHandle)
    return as_tensor(leaf) if is_array else leaf


def _values_before(start: int, outputs: Sequence[Value]) -> list[Value]:
    """Return the values that the outputs were computed from by nodes that are not older than a serial: operands and leaves."""
    found: dict[Identity, Value] = {}
    seen: set[int] = set()
    stack = list(reversed(outputs))
    while stack:
        value = stack.pop()
        node = value.node
        if node.serial < start or isinstance(node.operation, Input) or node.operation.runs_at_call:
            if not isinstance(node.operation, Scalar):
                found.setdefault(value.identity, value)
        elif id(node) not in seen:
            seen.add(id(node))
            stack.extend(Value(*operand) for operand in reversed(node.operands))
    return list(found.values())


@dataclass(frozen=True, slots=True)
class Checkpointed(Fenced):
    """The first operands, which are computed from the others: results of a part of a graph, and where it begins.

    Derivative:  that of the part, of its values computed again
    """

    count: int

    @property
    def num_results(self) -> int:
        return self.count

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        results, sources = context.operands[: self.count], context.operands[self.count :]
        needs = context.needs[self.count :]
        given = [g for g in context.cotangents if g is not None]
        behind = fenced(Fence(len(sources) + len(given)), *sources, *given)
        inside, incoming = behind[: len(sources)], iter(behind[len(sources) :])
        again = _built_again(results, sources, inside)
        seeds = [(y, next(incoming)) for y, g in zip(again, context.cotangents, strict=True) if g is not None]
        is_wanted = [need and x.dtype.kind in "fc" for need, x in zip(needs, inside, strict=True)]
        wanted = [x for x, is_one in zip(inside, is_wanted, strict=True) if is_one]
        found = pulled_back(seeds, wanted)
        reached = [g for g in found if g is not None]
        kept = iter(fenced(Checkpointed(len(reached)), *reached, *behind) if reached else ())
        gradients = iter([None if g is None else next(kept) for g in found])
        return [None] * self.count + [next(gradients) if is_one else None for is_one in is_wanted]


def _built_again(results: Sequence[Any], sources: Sequence[Any], inside: Sequence[Any]) -> list[Any]:
    """Return the results as they are computed from the values `inside` in place of the sources, by new nodes."""
    values = {value_of(x).identity: value_of(other) for x, other in zip(sources, inside, strict=True)}
    cuts = [value_of(x) for x in sources]
    roots = [value_of(y) for y in results]
    for node in ancestors_in_order([each.node for each in roots if each.identity not in values], cuts):
        _build_again(node, values)
    found = [values.get(each.identity, each) for each in roots]
    return [make_tensor(each.node, each.index) for each in found]


def _build_again(node: Node, values: dict[Identity, Value]) -> None:
    """Note what stands for the results of a node: those of a new node, if some operand has another value."""
    operands = [values.get(identity_of(*each), Value(*each)) for each in node.operands]
    if all(new.node is old and new.index == index for new, (old, index) in zip(operands, node.operands, strict=True)):
        return
    flat: list[Any] = [part for each in operands for part in (each.node, each.index)]
    with inside_scope(node.scope):
        made = tensor_of(node.operation, tuple(flat), node.types, node.source)
    for index, each in enumerate(made if isinstance(made, tuple) else (made,)):
        values[identity_of(node, index)] = value_of(each)
