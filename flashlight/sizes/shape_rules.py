"""`ShapeRules`: shapes of results as expressions of sizes: by rules of ours, else by torch's on fake tensors, once for equal arguments."""

from __future__ import annotations

import logging
from collections.abc import Hashable, Sequence
from typing import Any, TypeAlias

import torch
from torch._decomp import decomposition_table
from torch._ops import OpOverload
from torch._subclasses.fake_tensor import DataDependentOutputException, DynamicOutputShapeException, FakeTensorMode

from composit.errors import NoRuleError, UnsupportedOperationError
from flashlight.sizes.leaves import each_leaf, leaves_of
from flashlight.sizes.metadata import Metadata, key_of, order_of
from flashlight.sizes.own_rules import own_rule, own_view
from flashlight.sizes.symbols import SYMBOLIC, SizeEnvironment, known_value

Operator: TypeAlias = OpOverload[..., Any]
Records: TypeAlias = list[Metadata | None]

# What torch raises where it has no rule for the shape of a result.
_NO_RULE = (RuntimeError, NotImplementedError, TypeError, ValueError, AssertionError, IndexError)


class ShapeRules:
    """The rules of one trace. What torch's gave is kept by arguments, since a network repeats its layers."""

    def __init__(self, environment: SizeEnvironment) -> None:
        self._environment = environment
        self._mode = FakeTensorMode(shape_env=environment)
        # A rule from the cache would not tell again that it makes a number of an expression.
        self._mode.cache_enabled = False
        self._known: dict[Hashable, Records] = {}

    def empty(self, shape: Sequence[Any], order: Sequence[int], dtype: torch.dtype) -> Metadata:
        """Return the record of a tensor of this shape, whose axes lie in memory in this order."""
        with self._mode, self._environment.suppress_guards():
            made = torch.empty([shape[axis] for axis in order], dtype=dtype)
            return Metadata.of(made.permute(sorted(range(len(order)), key=lambda axis: order[axis])))

    def like(self, tensor: torch.Tensor) -> Metadata:
        """Return the record of a tensor, in numbers."""
        if not _is_ordinary(tensor):
            return Metadata.of(self._mode.from_tensor(tensor.detach(), static_shapes=True))
        return Metadata(tensor.shape, tensor.dtype, tensor.device, tensor.stride(), tensor.storage_offset())

    def results(self, operation: Operator, args: Any, kwargs: Any, parts: Sequence[Any]) -> Records | None:
        """Return the records of what an operation gives, None for a part that is no tensor; None alone if values decide.

        args, kwargs: its arguments, with records in place of tensors; parts: what it gave at the sizes of the trace

        Raises:  UnsupportedOperationError: torch has no rule, or a wrong one
        """
        return self._by_own_rule(operation, args, kwargs, parts) or self._by_torch(operation, args, kwargs, parts)

    def _by_own_rule(self, operation: Operator, args: Any, kwargs: Any, parts: Sequence[Any]) -> Records | None:
        rule = own_rule(operation)
        if rule is None:
            return self._as_view(operation, args, kwargs, parts)
        with self._environment.suppress_guards():
            shapes = rule(*args, **kwargs)
        if shapes is None or len(shapes) != len(parts):
            return None
        offset = args[0].offset if operation._schema.returns[0].alias_info is not None else 0
        found: Records = []
        for shape, part in zip(shapes, parts, strict=True):
            order = order_of(part) if _is_shape_of(shape, part) else None
            if order is None:
                return None
            found.append(Metadata(shape, part.dtype, part.device, None, offset, order))
        return found

    def _as_view(self, operation: Operator, args: Any, kwargs: Any, parts: Sequence[Any]) -> Records | None:
        rule = own_view(operation)
        if rule is None:
            return None
        with self._environment.suppress_guards():
            view = rule(*args, **kwargs)
            part, offset = parts[0], args[0].offset
            if not _is_shape_of(view.shape, part):
                return None
            if not isinstance(view.offset, int) or view.offset:
                offset = offset + view.offset
            order = order_of(part)
            strides = view.strides if order is None else None
            return [Metadata(view.shape, part.dtype, part.device, strides, offset, order)]

    def _by_torch(self, operation: Operator, args: Any, kwargs: Any, parts: Sequence[Any]) -> Records | None:
        moves = torch.Tag.inplace_view in operation.tags
        key = None if moves else _key_of_call(operation, args, kwargs)
        known = None if key is None else self._known.get(key)
        if known is None:
            known = self._asked(operation, args, kwargs, moves)
            if key is not None and known is not None:
                self._known[key] = known
        if known is None:
            return None
        if not _are_of(known, parts):
            raise UnsupportedOperationError(
                f"torch's rule for the shapes that {operation} gives differs from what it gave"
            )
        pairs = zip(known, parts, strict=True)
        return [record if isinstance(part, torch.Tensor) else None for record, part in pairs]

    def _asked(self, operation: Operator, args: Any, kwargs: Any, moves: bool) -> Records | None:
        """Return the results of an operation by torch's rule. moves: it changes the shape of an argument, whose fake tensor is its own"""
        try:
            with self._mode, self._environment.suppress_guards(), _muted:
                fakes = {
                    id(each): each.fake_by(moves) for each in leaves_of((args, kwargs)) if isinstance(each, Metadata)
                }
                own_args, own_kwargs = each_leaf((args, kwargs), lambda leaf: fakes.get(id(leaf), leaf))
                found = self._by_rule(operation, own_args, own_kwargs)
                return [Metadata.of(each) if isinstance(each, torch.Tensor) else None for each in found]
        except (DataDependentOutputException, DynamicOutputShapeException):
            return None
        except _NO_RULE as error:
            raise UnsupportedOperationError(
                f"torch has no rule for the shapes that {operation} gives ({type(error).__name__}: {error!s:.120})"
            ) from error

    def _by_rule(self, operation: Operator, args: Any, kwargs: Any) -> list[Any]:
        """Return the results, by torch's decomposition where its rule in C++ makes numbers of expressions."""
        lost = self._environment.num_lost
        found = leaves_of(operation(*args, **kwargs))
        decomposition = decomposition_table.get(operation)
        if self._environment.num_lost > lost and decomposition is not None and not operation._schema.is_mutable:
            found = leaves_of(decomposition(*args, **kwargs))
        return found


def _is_ordinary(tensor: torch.Tensor) -> bool:
    is_strided = tensor.layout is torch.strided and not tensor.is_nested
    return is_strided and not tensor.is_quantized and not tensor.is_conj() and not tensor.is_neg()


def _key_of_call(operation: Operator, args: Any, kwargs: Any) -> Hashable | None:
    """Return what is equal for calls for which a rule gives the same; None for a call that is unlike all others."""
    try:
        return operation, _key_of(args), _key_of(kwargs)
    except NoRuleError:
        return None


def _key_of(value: Any) -> Hashable:
    if isinstance(value, Metadata):
        return value.key
    if isinstance(value, SYMBOLIC):
        return "expression", key_of(value)
    if isinstance(value, list | tuple):
        return (type(value), *map(_key_of, value))
    if isinstance(value, dict):
        return tuple((name, _key_of(each)) for name, each in value.items())
    if isinstance(value, float | complex):
        return type(value), repr(value)
    if isinstance(value, Hashable) and not isinstance(value, torch.Generator):
        return type(value), value
    raise NoRuleError(f"shapes: {type(value).__name__} has no key")


def _is_shape_of(shape: Sequence[Any], part: Any) -> bool:
    return isinstance(part, torch.Tensor) and tuple(map(known_value, shape)) == tuple(part.shape)


def _are_of(found: Sequence[Metadata | None], parts: Sequence[Any]) -> bool:
    """Return whether records are those of what an operation gave."""
    if len(found) != len(parts):
        return False
    pairs = [(record, part) for record, part in zip(found, parts, strict=True) if isinstance(part, torch.Tensor)]
    return all(
        record is not None and _is_shape_of(record.shape, part) and record.dtype == part.dtype for record, part in pairs
    )


class _Muted:
    """Lets torch's fake tensors log nothing: what they cannot do is an obstacle on the tape."""

    def __enter__(self) -> None:
        """Begin."""
        _log.disabled = True

    def __exit__(self, *error: object) -> None:
        """Let it log again."""
        _log.disabled = False


_log = logging.getLogger("torch._subclasses.fake_tensor")
_muted = _Muted()
