"""The derivative of a scan: a scan in the other direction, which carries the cotangents of the carried values.

With carried values c, slices x and constants k, a step is c', y = f(c, x, k). Backwards in time, from the cotangents g of c' and of
y, one step of the derivative gives those of c, which are carried on, and of x, which are stacked. Those of k are added up over
the steps. Where such a term is a product of two matrices, both are stacked instead and multiplied at once, behind the loop:
sum over t of a[t] @ b[t] is one product whose depth runs over t as well, and no step touches an array as large as k.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import Context
from dataclasses import dataclass, field
from enum import Enum
from itertools import chain
from typing import Any

import composit.numpy as cnp
from composit.apply import as_tensor, placeholder
from composit.eager_results import lazily
from composit.handle import make_tensor
from composit.nn.differentiate import pulled_back
from composit.nn.scans.body import Body, replayed
from composit.nn.scans.making import MadeBody, Step, made_body
from composit.node import Node
from composit.numpy.elementwise.functions import Elementwise
from composit.numpy.elementwise.table import add
from composit.numpy.manipulation.reshaping import Transpose
from composit.numpy.products.matrix_products import Matmul
from composit.operation import Input, Scalar, TensorType, tensor_type
from composit.program import ancestors_in_order
from composit.value import Identity, Value, value_of


class Origin(Enum):
    """Where an operand of the derivative, or of the stacks of matrices in it, comes from."""

    OPERAND = "operand"  # of the scan
    RESULT = "result"  # of the scan
    COTANGENT = "cotangent"  # of a result of the scan, zeros if there is none
    ZEROS = "zeros"  # of the type of an operand of the scan
    OWN = "own"  # a result of the derivative
    ARRAY = "array"  # made by the rule of an operation


@dataclass(frozen=True, slots=True)
class Source:
    """Where a value comes from: an operand or a result by number, or an array."""

    origin: Origin
    number: int = 0
    array: Any = field(default=None, compare=False)  # Any: an array, for Origin.ARRAY


@dataclass(frozen=True, slots=True)
class Matrices:
    """A matrix for each step; `is_turned`: its transpose is stacked."""

    source: Source
    is_turned: bool


@dataclass(frozen=True, slots=True)
class Product:
    """The sum over all steps of left @ right."""

    left: Matrices
    right: Matrices


@dataclass(frozen=True, slots=True)
class Backward:
    """The derivative of a scan.

    operands: of the scan that computes it, carried values first
    num_along, num_stacked: how many of them it runs along, and how many values it stacks
    entries:  for each operand of the differentiated scan the terms of its cotangent; none where no cotangent flows
    """

    body: Body
    operands: tuple[Source, ...]
    num_along: int
    num_stacked: int
    entries: tuple[tuple[Source | Product, ...], ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """The scan to differentiate, the operands whose cotangents are wanted, and which results have a cotangent."""

    body: Body
    num_along: int
    needs: tuple[bool, ...]
    is_given: tuple[bool, ...]


def backward_of(asked: Asked) -> Backward:
    """Return the derivative of a scan.

    Raises:  MissingDerivativeError: an operation of the step has none yet; a note names the user's line
    """
    # In a new context: what surrounds the first caller (name scope, errstate) is not part of the derivative.
    return Context().run(_backward_of, asked)


def _backward_of(asked: Asked) -> Backward:
    with lazily():
        return _Derivation(asked).backward()


class _Derivation:
    """The graph of one step and of its derivative."""

    def __init__(self, asked: Asked) -> None:
        body = self._body = asked.body
        program, self._num_carried = body.program, body.num_carried
        self._asked = asked
        inputs = body.placeholders()
        self._inputs = dict(zip(body.numbers, inputs, strict=True))
        values = replayed(program, inputs)
        # New handles: one value may be carried and stacked, and each has a cotangent.
        self._outputs = [make_tensor(values[source][0].node, index) for source, index in program.outputs]
        self._states = _states(asked)
        self._constants = [
            (value_of(x), Source(Origin.OPERAND, n))
            for n, x in self._inputs.items()
            if n >= self._num_carried + asked.num_along
        ]
        self._is_constant = {value.identity for value, _ in self._constants}
        self._along: dict[Identity, tuple[Value, Source]] = {}
        for number, tensor in self._inputs.items():
            if self._is_along(number):
                self._note(tensor, Source(Origin.OPERAND, number))
        for number, tensor in enumerate(self._outputs[self._num_carried :], self._num_carried):
            self._note(tensor, Source(Origin.RESULT, number))
        self._stacked: dict[Identity, int] = {}
        self._emitted: list[Value] = []

    def _is_along(self, number: int) -> bool:
        return self._num_carried <= number < self._num_carried + self._asked.num_along

    def _note(self, tensor: Any, source: Source) -> None:
        """Note that the value of each step is stacked somewhere, so that the derivative reads it there."""
        value = value_of(tensor)
        if value.identity not in self._is_constant and not isinstance(value.node.operation, Scalar):
            self._along.setdefault(value.identity, (value, source))

    def backward(self) -> Backward:
        """Return the derivative."""
        states = {number: self._cotangent_placeholder(number) for number in self._states}
        given = [number for number, each in enumerate(self._asked.is_given) if each and number >= self._num_carried]
        incoming = {number: self._cotangent_placeholder(number) for number in given}
        for number, tensor in incoming.items():
            self._note(tensor, Source(Origin.COTANGENT, number))
        seeds = [(self._outputs[number], tensor) for number, tensor in chain(states.items(), incoming.items())]
        wanted = [n for n in self._inputs if n in self._states or (n >= self._num_carried and self._is_wanted(n))]
        found = pulled_back(seeds, [self._inputs[number] for number in wanted])
        cotangents = dict(zip(wanted, found, strict=True))
        following = [_or_zeros(cotangents.get(number), tensor) for number, tensor in states.items()]
        return self._assembled(states, cotangents, following)

    def _is_wanted(self, number: int) -> bool:
        return self._asked.needs[number] and self._inputs[number].dtype.kind in "fc"

    def _cotangent_placeholder(self, number: int) -> Any:
        return placeholder(_plain(self._outputs[number].type), f"cotangent {number}")

    def _assembled(self, states: dict[int, Any], cotangents: dict[int, Any], following: list[Any]) -> Backward:
        terms: dict[int, list[Source | Product]] = {}
        carried, sums = [value_of(each) for each in states.values()], list[Any]()
        sources = [Source(Origin.COTANGENT, number) for number in states]
        for number, cotangent in cotangents.items():
            if number < self._num_carried or cotangent is None:
                continue
            if self._is_along(number):
                terms[number] = [self._source_of(value_of(cotangent))]
                continue
            terms[number], rest = self._products(value_of(cotangent))
            if rest is not None:
                so_far = placeholder(_plain(cotangent.type), f"sum {number}")
                terms[number].append(Source(Origin.OWN, len(carried)))
                carried.append(value_of(so_far))
                sources.append(Source(Origin.ZEROS, number))
                sums.append(cnp.add(so_far, rest))
        for place, number in enumerate(states):
            if self._asked.needs[number]:
                terms[number] = [Source(Origin.OWN, place)]
        made, along, constant = self._made(carried, [value_of(each) for each in (*following, *sums)])
        operands = (*sources, *(along[n] for n in made.along), *(constant[n] for n in made.constant))
        entries = [self._settled(terms.get(n, ()), len(carried)) for n in range(len(self._asked.needs))]
        return Backward(made.body, tuple(operands), len(made.along), len(self._emitted), tuple(entries))

    def _made(self, carried: list[Value], following: list[Value]) -> tuple[MadeBody, list[Source], list[Source]]:
        """Return the body, and the sources of its slices and constants."""
        along, constants = list(self._along.values()), list(self._constants)
        seen = {value.identity for value in (*carried, *(value for value, _ in (*along, *constants)))}
        constants += [
            (leaf, Source(Origin.ARRAY, array=leaf.node.operation.evaluate()))
            for leaf in _leaves([*following, *self._emitted])
            if leaf.identity not in seen
        ]
        step = Step(carried, [v for v, _ in along], [v for v, _ in constants], following, self._emitted)
        return made_body(step, has_errstate=False), [s for _, s in along], [s for _, s in constants]

    def _emit(self, value: Value) -> Source:
        """Return the source of a value for each step: as an own result, counted among those that are stacked."""
        number = self._stacked.get(value.identity)
        if number is None:
            number = self._stacked[value.identity] = len(self._emitted)
            self._emitted.append(value)
        return Source(Origin.OWN, -1 - number)

    def _settled(self, terms: Sequence[Source | Product], num_carried: int) -> tuple[Source | Product, ...]:
        """Return the terms with the numbers of own results; stacked ones were counted before the carried ones were known."""

        def settled(source: Source) -> Source:
            is_stacked = source.origin is Origin.OWN and source.number < 0
            return Source(Origin.OWN, num_carried - 1 - source.number) if is_stacked else source

        def matrices(each: Matrices) -> Matrices:
            return Matrices(settled(each.source), each.is_turned)

        return tuple(
            Product(matrices(each.left), matrices(each.right)) if isinstance(each, Product) else settled(each)
            for each in terms
        )

    def _products(self, cotangent: Value) -> tuple[list[Source | Product], Any]:
        """Return the terms that are products of matrices, and the sum of the others, None if there is none."""
        products: list[Source | Product] = []
        rest = []
        for term in _terms(cotangent):
            product = self._product(term)
            if product is None:
                rest.append(make_tensor(term.node, term.index))
            else:
                products.append(product)
        return products, sum(rest[1:], rest[0]) if rest else None

    def _product(self, term: Value) -> Product | None:
        node = term.node
        if not isinstance(node.operation, Matmul):
            return None
        operands = [Value(*operand) for operand in node.operands]
        types = [each.node.types[each.index] for each in operands]
        if any(each.ndim != 2 or each.dtype != node.types[0].dtype for each in types):
            return None
        left, right = (_turned(each) for each in operands)
        if any(value.identity in self._is_constant for value, _ in (left, right)):
            return None
        return Product(*(Matrices(self._source_of(value), is_turned) for value, is_turned in (left, right)))

    def _source_of(self, value: Value) -> Source:
        known = self._along.get(value.identity)
        return self._emit(value) if known is None else known[1]


def _turned(value: Value) -> tuple[Value, bool]:
    """Return the matrix of which a value is the transpose, and True; or the value itself, and False."""
    node = value.node
    if isinstance(node.operation, Transpose) and node.operation.axes == (1, 0):
        return Value(*node.operands[0]), True
    return value, False


def _terms(value: Value) -> list[Value]:
    """Return the terms of a sum that all have its type, in order."""
    found, stack = list[Value](), [value]
    while stack:
        term = stack.pop()
        node = term.node
        is_sum = isinstance(node.operation, Elementwise) and node.operation.function is add
        parts = [Value(*operand) for operand in node.operands]
        if is_sum and all(_has_type(part, node.types[0]) for part in parts):
            stack += reversed(parts)
        else:
            found.append(term)
    return found


def _has_type(value: Value, wanted: TensorType) -> bool:
    own = value.node.types[value.index]
    return own.shape == wanted.shape and own.dtype == wanted.dtype and own.weak is None


def _states(asked: Asked) -> list[int]:
    """Return the carried values whose cotangents the derivative carries: those on a way from a wanted operand to a cotangent."""
    body, count = asked.body, asked.body.num_carried
    types, depends_on = body.output_types, body.dependencies
    floating = [number for number in range(count) if types[number].dtype.kind in "fc"]
    reached = {number for number in floating if asked.needs[number]}
    wanted = sum(1 << number for number, need in enumerate(asked.needs) if need and number >= count)
    _spread(reached, lambda found: {n for n in floating if depends_on[n] & (wanted | _bits(found))})
    reading = {number for number in floating if asked.is_given[number]}
    given = [depends_on[number] for number, each in enumerate(asked.is_given) if each and number >= count]
    _spread(reading, lambda found: {n for n in floating if any(each >> n & 1 for each in given)})
    _spread(reading, lambda found: {n for n in floating if any(depends_on[each] >> n & 1 for each in found)})
    return [number for number in floating if number in reached and number in reading]


def _spread(found: set[int], more: Any) -> None:
    """Add to a set what follows from it, until nothing new does."""
    size = -1
    while len(found) != size:
        size = len(found)
        found |= more(found)


def _bits(numbers: set[int]) -> int:
    return sum(1 << number for number in numbers)


def _leaves(values: Sequence[Value]) -> list[Value]:
    """Return the inputs that values depend on and that hold arrays."""
    found = [node for node in ancestors_in_order([value.node for value in values]) if _holds_array(node)]
    return [Value(node) for node in found]


def _holds_array(node: Node) -> bool:
    return isinstance(node.operation, Input) and node.operation.has_value


def _plain(own: TensorType) -> TensorType:
    """Return the type of a carried value: numpy's scalar, where it has no axes."""
    return tensor_type(own.shape, own.dtype, is_scalar=not own.shape)


def _or_zeros(cotangent: Any, like: Any) -> Any:
    if cotangent is not None:
        return cotangent
    zero = as_tensor(like.dtype.type(0))
    return zero if not like.shape else cnp.broadcast_to(zero, like.shape)
