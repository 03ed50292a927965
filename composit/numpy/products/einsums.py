"""einsum and einsum_path.

The operation Einsum holds explicit subscripts of letters only. The function einsum reduces to it implicit outputs,
ellipses, lists of numbers, and letters repeated in one operand, of which it takes diagonals.
"""

from __future__ import annotations

import math
import string
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from composit.apply import apply
from composit.errors import NoRuleError, ParameterError, ShapeError
from composit.handle import TensorHandle
from composit.numpy.arguments.normalizing import (
    check_casting,
    handle_of,
    named_dtype,
    promoted,
)
from composit.numpy.calls.declarations import rule_for
from composit.numpy.calls.expressions import Expressed, expressed
from composit.numpy.indexing.diagonals import diagonal_view
from composit.numpy.manipulation.reshaping import transpose
from composit.numpy.views.view_operations import WritableDiagonalView
from composit.operation import Array, Operation, OperationKind, Results, Shape, TensorType, VjpContext, tensor_type

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

__all__ = ["einsum", "einsum_path"]

# Below this many products numpy's direct loop is faster than finding a sequence of matrix products (about 30 us).
MIN_PRODUCTS_FOR_PATH = 16384


@dataclass(frozen=True, slots=True)
class Einsum(Operation):
    """Sums of products over the letters that the result lacks.

    subscripts:  explicit, letters only, none twice in one operand: "ij,jk->ik"
    optimize:    passed to np.einsum; large sums use a sequence of matrix products even if it is False
    Derivative:  an einsum with g in the operand's place, broadcast along letters that only this operand has
    Reference:   https://numpy.org/doc/stable/reference/generated/numpy.einsum.html
    """

    subscripts: str
    optimize: bool | str = False
    kind = OperationKind.CONTRACTION

    @property
    def is_matrix_product(self) -> bool:
        return _is_matrix_product(self.subscripts)

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        return _einsum_types(self.subscripts, operand_types)

    def cost(self, operand_types: Sequence[TensorType], result_types: Sequence[TensorType]) -> int:
        lengths = _lengths(self.subscripts, tuple(operand.shape for operand in operand_types))
        return max(1, math.prod(lengths.values()))

    def evaluate(self, *operands: Array) -> Results:
        lengths = _lengths(self.subscripts, tuple(np.shape(operand) for operand in operands))
        # In half precision the intermediate results of a sequence of products may overflow.
        is_wide = all(np.asarray(operand).dtype != np.float16 for operand in operands)
        worth_it = is_wide and len(operands) > 1 and math.prod(lengths.values()) >= MIN_PRODUCTS_FOR_PATH
        result: Array = np.einsum(self.subscripts, *operands, optimize=self.optimize or worth_it)
        return result if result.ndim else result[()]

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        return [
            self._cotangent(context.xp, index, context.cotangents[0], context.operands) if needed else None
            for index, needed in enumerate(context.needs)
        ]

    def _cotangent(self, xp: Any, index: int, g: Any, operands: Sequence[Any]) -> Any:
        terms, output = _terms(self.subscripts)
        wanted = terms[index]
        others = [
            (term, operand) for place, (term, operand) in enumerate(zip(terms, operands, strict=True)) if place != index
        ]
        found = {letter for term in (output, *(term for term, _ in others)) for letter in term}
        kept = "".join(letter for letter in wanted if letter in found)
        subscripts = ",".join([output, *(term for term, _ in others)]) + "->" + kept
        result = xp.einsum(subscripts, g, *(operand for _, operand in others))
        missing = tuple(axis for axis, letter in enumerate(wanted) if letter not in found)
        if missing:
            result = xp.expand_dims(result, missing)
        # If a letter has length 1 in the others and more here, broadcast. In the reverse case the result is longer than
        # the operand, and chain_rule sums it.
        shape = xp.shape(operands[index])
        full = tuple(max(here, there) for here, there in zip(shape, xp.shape(result), strict=True))
        return result if xp.shape(result) == full else xp.broadcast_to(result, full)


def _terms(subscripts: str) -> tuple[list[str], str]:
    inputs, _, output = subscripts.partition("->")
    return inputs.split(","), output


def _is_matrix_product(subscripts: str) -> bool:
    # "abij,abjk->abik", with any number of leading axes
    terms, output = _terms(subscripts)
    if len(terms) != 2 or any(len(term) < 2 for term in (*terms, output)):
        return False
    (first, second), (batch, row, column) = terms, (output[:-2], output[-2], output[-1])
    return first == batch + row + second[-2] and second == batch + first[-1] + column and first[-1] not in output


@lru_cache(maxsize=1024)
def _einsum_types(subscripts: str, operand_types: tuple[TensorType, ...]) -> tuple[TensorType]:
    terms, output = _terms(subscripts)
    assert all(len(set(term)) == len(term) for term in terms), (
        "cnp.einsum takes diagonals before it makes the operation"
    )
    lengths = _lengths(subscripts, tuple(operand.shape for operand in operand_types))
    shape = tuple(lengths[letter] for letter in output)
    dtype = promoted(*(operand.dtype for operand in operand_types))
    return (tensor_type(shape, dtype, is_scalar=not shape),)


@lru_cache(maxsize=1024)
def _lengths(subscripts: str, shapes: tuple[Shape, ...]) -> dict[str, int]:
    lengths: dict[str, int] = {}
    for term, shape in zip(_terms(subscripts)[0], shapes, strict=True):
        for letter, length in zip(term, shape, strict=True):
            known = lengths.setdefault(letter, length)
            if known != length and 1 not in (known, length):
                raise ShapeError(
                    f"einsum: operands could not be broadcast together: {subscripts!r} with shapes {list(shapes)} gives"
                    f" {letter!r} the lengths {known} and {length}; a subscript has one length everywhere, or 1"
                )
            if known == 1:
                lengths[letter] = length
    return lengths


@rule_for(np.einsum)
def einsum(
    *operands: Any, dtype: Any = None, order: Any = "K", casting: str = "safe", optimize: Any = False
) -> LazyTensor:
    """Return the sum of products that the subscripts describe. See np.einsum.

    Example:
        >>> import composit.numpy as cnp
        >>> cnp.einsum("ij,jk", cnp.ones((2, 3)), cnp.ones((3, 4))).shape
        (2, 4)
    """
    if order not in ("K", None) or casting not in _CASTINGS or optimize not in _OPTIMIZATIONS:
        raise NoRuleError(f"einsum: no rule for order={order!r}, casting={casting!r}, optimize={optimize!r}")
    subscripts, tensors = _parse_operands(operands)
    if any(tensor.dtype.kind not in "biufc" for tensor in tensors):
        raise NoRuleError(f"einsum: no rule for dtypes {[str(tensor.dtype) for tensor in tensors]}")
    terms, output = _resolve(subscripts, [tensor.shape for tensor in tensors])
    for index, term in enumerate(terms):
        terms[index], tensors[index] = _without_repeats(term, tensors[index])
    if len(terms) == 1 and dtype is None and output and sorted(terms[0]) == sorted(output):
        # Nothing is summed: numpy returns a view.
        return transpose(tensors[0], tuple(terms[0].index(letter) for letter in output))
    if dtype is not None:
        for tensor in tensors:
            check_casting(tensor.dtype, named_dtype(dtype), casting)
        tensors = [tensor.astype(dtype) for tensor in tensors]
    return apply(Einsum(",".join(terms) + "->" + output, optimize), *tensors)


_CASTINGS = ("no", "equiv", "safe", "same_kind", "unsafe")
# An explicit path is left to numpy, which checks and follows it.
_OPTIMIZATIONS = (False, True, "greedy", "optimal")


@rule_for(np.einsum_path)
def einsum_path(*operands: Any, optimize: Any = "greedy", einsum_call: bool = False) -> tuple[list[Any], str]:
    """Return the order in which einsum would multiply, and a printable table of it. See np.einsum_path.

    Only shapes matter, so nothing is evaluated.
    """
    shapes_only = [_without_values(operand) for operand in operands]
    return np.einsum_path(*shapes_only, optimize=optimize, einsum_call=einsum_call)  # type: ignore[arg-type]  # numpy takes it


def _without_values(operand: Any) -> object:
    if not isinstance(operand, TensorHandle):
        return operand
    return np.broadcast_to(np.zeros((), operand.dtype), operand.shape)


def _parse_operands(operands: Sequence[Any]) -> tuple[str, list[Any]]:
    if not operands:
        raise ParameterError(
            "must specify the einstein sum subscripts string and at least one operand, or at least one operand and its "
            "corresponding subscripts list: einsum was given nothing"
        )
    if isinstance(operands[0], str):
        return operands[0].replace(" ", ""), [handle_of(operand) for operand in operands[1:]]
    pairs = list(zip(operands[0::2], operands[1::2], strict=False))
    terms = ",".join(_letters(subscripts) for _, subscripts in pairs)
    if len(operands) % 2:
        terms += "->" + _letters(operands[-1])
    return terms, [handle_of(operand) for operand, _ in pairs]


def _letters(numbers: Sequence[Any]) -> str:
    if any(number is not Ellipsis and not 0 <= number < len(string.ascii_letters) for number in numbers):
        raise ParameterError(
            f"subscript is not within the valid range [0, {len(string.ascii_letters)}): einsum was given {list(numbers)};"
            " each number stands for a letter"
        )
    return "".join("..." if number is Ellipsis else string.ascii_letters[number] for number in numbers)


def _resolve(subscripts: str, shapes: Sequence[Shape]) -> tuple[list[str], str]:
    """Return terms and output in letters only, for example ("...i,i", shapes (2, 3), (3,)) -> ["ai", "i"], "a"."""
    _check_characters(subscripts)
    inputs, arrow, output = subscripts.partition("->")
    terms = inputs.split(",")
    if len(terms) != len(shapes):
        # numpy's message, which says "more" where fewer operands were given.
        word = "more" if len(terms) > len(shapes) else "fewer"
        raise ShapeError(
            f"{word} operands provided to einstein sum function than specified in the subscripts string: {subscripts!r}"
            f" describes {len(terms)} operands and was given {len(shapes)}; give one term per operand"
        )
    widths = [
        _ellipsis_width(index, term, shape, subscripts)
        for index, (term, shape) in enumerate(zip(terms, shapes, strict=True))
    ]
    free = [letter for letter in string.ascii_letters if letter not in subscripts]
    widest = max(widths, default=0)
    if widest > len(free):
        raise NoRuleError(f"einsum: an ellipsis stands for {widest} axes, and {len(free)} letters are free")
    broadcast = "".join(free[:widest])
    named = [
        term.replace("...", broadcast[len(broadcast) - width :]) for term, width in zip(terms, widths, strict=True)
    ]
    if not arrow:
        counts = Counter("".join(term.replace("...", "") for term in terms))
        return named, broadcast + "".join(sorted(letter for letter, count in counts.items() if count == 1))
    _check_output(output, named, broadcast, subscripts)
    return named, output.replace("...", broadcast)


def _check_characters(subscripts: str) -> None:
    rest = subscripts.replace("...", "").replace("->", "", 1).replace(",", "")
    for character in rest:
        if character not in string.ascii_letters:
            raise ParameterError(
                f"invalid subscript {character!r} in einstein sum subscripts string, subscripts must be letters: "
                f"{subscripts!r} was given; write one letter per axis, as in 'ij,jk->ik'"
            )


def _ellipsis_width(index: int, term: str, shape: Shape, subscripts: str) -> int:
    if term.count("...") > 1:
        raise ParameterError(
            f"einstein sum subscripts string contains a '.' that is not part of an ellipsis ('...') in operand {index}:"
            f" {subscripts!r}; one ellipsis at most stands for the operand's other axes"
        )
    width = len(shape) - len(term.replace("...", ""))
    if width < 0:
        raise ShapeError(
            f"einstein sum subscripts string contains too many subscripts for operand {index}: {subscripts!r} with"
            f" shape {shape}; give one letter per axis"
        )
    if width and "..." not in term:
        raise ShapeError(
            "operand has more dimensions than subscripts given in einstein sum, but no '...' ellipsis provided to"
            f" broadcast the extra dimensions.: operand {index} of {subscripts!r} has shape {shape}"
        )
    return width


def _check_output(output: str, terms: Sequence[str], broadcast: str, subscripts: str) -> None:
    for letter, count in Counter(output.replace("...", "")).items():
        if count > 1:
            raise ParameterError(
                f"einstein sum subscripts string includes output subscript {letter!r} multiple times: {subscripts!r};"
                " name it once"
            )
        if not any(letter in term for term in terms):
            raise ParameterError(
                f"einstein sum subscripts string included output subscript {letter!r} which never appeared in an input:"
                f" {subscripts!r}; use letters of the operands"
            )
    if broadcast and "..." not in output:
        raise ParameterError(
            "output has more dimensions than subscripts given in einstein sum, but no '...' ellipsis provided to"
            f" broadcast the extra dimensions.: {subscripts!r} leaves {len(broadcast)} axes; write '->...' and sum"
            " afterwards"
        )


def _without_repeats(term: str, tensor: Any) -> tuple[str, Any]:
    while len(set(term)) < len(term):
        letter = next(letter for letter in term if term.count(letter) > 1)
        first = term.index(letter)
        second = term.index(letter, first + 1)
        if tensor.shape[first] != tensor.shape[second]:
            raise ShapeError(
                f"dimensions in operand for collapsing index {letter!r} don't match ({tensor.shape[first]} !="
                f" {tensor.shape[second]}): einsum subscripts {term!r} with shape {tensor.shape}; a diagonal needs"
                " equal lengths"
            )
        tensor = diagonal_view(tensor, WritableDiagonalView(0, first, second))
        term = term[:first] + term[first + 1 : second] + term[second + 1 :] + letter
    return term, tensor


@expressed(np.einsum)
def _einsum(xp: Any, results: Sequence[Any], *operands: Any, optimize: Any = False, **options: Any) -> Expressed:
    # The order of the products, which numpy was given, changes only last bits.
    return xp.einsum(*operands)
