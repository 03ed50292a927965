"""Arguments of compiled steps: a key of their structure and types, placeholders in their places, and their values."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from composit.apply import placeholder
from composit.containers import map_leaves
from composit.errors import NoRuleError, OperandError, ParameterError
from composit.evaluation import evaluate
from composit.handle import TensorHandle, described
from composit.nn.transforms import Container
from composit.object_attributes import is_record
from composit.operation import TensorType, tensor_type


class StepArguments:
    """The arguments of one call: a key of their structure and types, and the values of the numeric leaves.

    A step has hundreds of leaves and each call looks at all of them, so this is one pass without objects per leaf.
    """

    def __init__(self, args: tuple[Container, ...], kwargs: Mapping[str, Container]) -> None:
        self._given = args, kwargs
        self._leaves: list[Any] = []
        self._has_tensors = False
        # How many leaves there are up to the end of each argument, by position or name.
        self._ends: dict[int | str, int] = {}
        given: list[tuple[int | str, Container]] = [*enumerate(args), *kwargs.items()]
        self.key = tuple([self._described(name, each) for name, each in given])

    def _described(self, name: int | str, argument: Container) -> object:
        structure = self._structure(argument)
        self._ends[name] = len(self._leaves)
        return name, structure

    def _structure(self, value: Any) -> object:  # Any: what users pass
        """Return a hashable description of a container and its leaves without the values of numbers, which are collected."""
        kind = type(value)
        if kind is np.ndarray:
            self._leaves.append(value)
            dtype = value.dtype
            return value.shape, dtype, dtype.num
        if kind is dict or isinstance(value, Mapping):
            return kind, tuple([(key, self._structure(child)) for key, child in value.items()])
        if isinstance(value, list | tuple):
            return kind, tuple([self._structure(child) for child in value])
        if is_record(value):
            return kind, tuple([self._structure(getattr(value, each.name)) for each in fields(value) if each.init])
        return self._leaf(value)

    def _leaf(self, leaf: Any) -> object:  # Any: what users pass
        if not _is_number(leaf):
            _check_constant(leaf)
            return type(leaf), leaf
        self._leaves.append(leaf)
        self._has_tensors = self._has_tensors or _is_tensor(leaf)
        own = _type_of(leaf)
        # As an array of this type: a tensor may come where an array came before. long and longlong have equal dtypes.
        return own.weak or (own.shape, own.dtype, own.dtype.num)

    @property
    def types(self) -> list[TensorType]:
        """The types of the numeric leaves."""
        return [_type_of(leaf) for leaf in self._leaves]

    def check_donated(self, donate: Collection[int | str]) -> None:
        """Raise unless all these arguments are there."""
        missing = [each for each in donate if each not in self._ends]
        if missing:
            raise ParameterError(
                f"compile_step: donate names the argument {missing[0]!r}, but the step was called with {list(self._ends)!r:.60}; expected "
                "positions and names of arguments as they are passed; leave it out of donate, or pass it so"
            )

    def donated(self, donate: Collection[int | str]) -> list[int]:
        """Return the numbers of the leaves in these arguments."""
        starts = dict(zip(self._ends, [0, *self._ends.values()], strict=False))
        return [leaf for name in donate for leaf in range(starts[name], self._ends[name])]

    def placeholders(self) -> tuple[list[Any], Container]:
        """Return a placeholder per numeric leaf, and the arguments with these in their places."""
        made = [placeholder(each, f"argument {number}") for number, each in enumerate(self.types)]
        rest = iter(made)
        return made, map_leaves(self._given, lambda leaf: next(rest) if _is_number(leaf) else leaf)

    def arrays(self) -> list[Any]:
        """Return the values of the leaves; tensors are evaluated together."""
        if not self._has_tensors:
            return self._leaves
        values = iter(evaluate([leaf for leaf in self._leaves if _is_tensor(leaf)]))
        return [next(values) if _is_tensor(leaf) else leaf for leaf in self._leaves]


def _is_tensor(leaf: Any) -> bool:
    return isinstance(leaf, TensorHandle) or hasattr(leaf, "__lazy_tensor__")


def _is_number(leaf: Any) -> bool:
    return _is_tensor(leaf) or (
        isinstance(leaf, np.ndarray | np.generic | float | complex) and not isinstance(leaf, np.str_)
    )


def _check_constant(leaf: Any) -> None:
    """Raise for an argument that would be part of the program although its contents may change between calls."""
    if isinstance(leaf, type):
        return
    try:
        hash(leaf)
    except TypeError:
        is_fixed = False
    else:
        is_fixed = not hasattr(leaf, "__array__")
    if not is_fixed:
        raise OperandError(
            f"compile_step: an argument holds {described(leaf):.80} of type {type(leaf).__name__}, whose contents may change between "
            "calls without a sign; expected arrays, tensors, numbers, lists, tuples, mappings and dataclasses of these, or hashable "
            "options; pass np.asarray(...) for arrays of other libraries, a tuple or a frozenset for a set"
        )


def _type_of(leaf: Any) -> TensorType:
    """Return the type of a leaf; a scalar counts as an array of rank 0, so that results can be given again."""
    if type(leaf) in (float, complex):
        return tensor_type((), np.dtype(type(leaf)), is_scalar=True, weak=type(leaf))
    if _is_tensor(leaf):
        own = leaf.__lazy_tensor__().type
        return tensor_type(own.shape, own.dtype)
    if isinstance(leaf, np.ndarray) and type(leaf) not in (np.ndarray, np.memmap):
        raise NoRuleError(
            f"compile_step: an argument is an array of the class {type(leaf).__name__}, which may have rules of its own; expected one of "
            "np.ndarray; convert it with np.asarray, and pass the mask of a masked array as another argument"
        )
    array = np.asarray(leaf)
    return tensor_type(array.shape, array.dtype)
