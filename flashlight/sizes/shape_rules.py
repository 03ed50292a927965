"""`ShapeRules`: shapes of results as expressions of sizes, by torch's own rules on fake tensors."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import torch
from torch._decomp import decomposition_table
from torch._ops import OpOverload
from torch._subclasses.fake_tensor import DataDependentOutputException, DynamicOutputShapeException, FakeTensorMode
from torch.utils import _pytree as pytree

from composit.errors import UnsupportedOperationError
from flashlight.sizes.symbols import SizeEnvironment, known_value

# What torch raises where it has no rule for the shape of a result.
_NO_RULE = (RuntimeError, NotImplementedError, TypeError, ValueError, AssertionError, IndexError)


class ShapeRules:
    """The fake tensors of one trace. They have no memory, and expressions as shapes."""

    def __init__(self, environment: SizeEnvironment) -> None:
        self._environment = environment
        self._mode = FakeTensorMode(shape_env=environment)
        # A rule from the cache would not tell again that it makes a number of an expression.
        self._mode.cache_enabled = False

    def empty(self, shape: Sequence[Any], order: Sequence[int], dtype: torch.dtype) -> torch.Tensor:
        """Return a fake tensor of this shape, whose axes lie in memory in this order."""
        with self._mode, self._environment.suppress_guards():
            made = torch.empty([shape[axis] for axis in order], dtype=dtype)
            return made.permute(sorted(range(len(order)), key=lambda axis: order[axis]))

    def like(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return a fake tensor with the shape of a tensor, in numbers."""
        return self._mode.from_tensor(tensor.detach(), static_shapes=True)

    def results(
        self, operation: OpOverload[..., Any], args: Any, kwargs: Any, parts: Sequence[Any]
    ) -> list[torch.Tensor | None] | None:
        """Return what an operation gives on fake tensors, None for a part that is no tensor; None alone if values decide.

        parts: what it gave at the sizes of the trace

        Raises:  UnsupportedOperationError: torch has no rule, or a wrong one
        """
        try:
            found = self._by_rule(operation, args, kwargs)
        except (DataDependentOutputException, DynamicOutputShapeException):
            return None
        except _NO_RULE as error:
            raise UnsupportedOperationError(
                f"torch has no rule for the shapes that {operation} gives ({type(error).__name__}: {error!s:.120})"
            ) from error
        if not _are_shapes_of(found, parts):
            raise UnsupportedOperationError(
                f"torch's rule for the shapes that {operation} gives differs from what it gave"
            )
        pairs = zip(found, parts, strict=True)
        return [shape_of if isinstance(part, torch.Tensor) else None for shape_of, part in pairs]

    def _by_rule(self, operation: OpOverload[..., Any], args: Any, kwargs: Any) -> list[Any]:
        """Return the results, by torch's decomposition where its rule in C++ makes numbers of expressions."""
        with self._mode, self._environment.suppress_guards(), _muted:
            lost = self._environment.num_lost
            found = pytree.tree_leaves(operation(*args, **kwargs))
            decomposition = decomposition_table.get(operation)
            if self._environment.num_lost > lost and decomposition is not None and not operation._schema.is_mutable:
                found = pytree.tree_leaves(decomposition(*args, **kwargs))
        return found


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


def _are_shapes_of(found: Sequence[Any], parts: Sequence[Any]) -> bool:
    if len(found) != len(parts):
        return False
    pairs = [(fake, part) for fake, part in zip(found, parts, strict=True) if isinstance(part, torch.Tensor)]
    return all(
        isinstance(fake, torch.Tensor)
        and tuple(map(known_value, fake.shape)) == tuple(part.shape)
        and fake.dtype == part.dtype
        for fake, part in pairs
    )
