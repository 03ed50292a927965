"""`Sizes`: named sizes as torch's symbolic integers, expressions of them, and the lines where Python's code looked at one.

torch computes with symbolic integers (`torch.SymInt`) as with numbers: `x.shape[0] * heads` is an expression. Where Python needs a
number or an answer (`if length > 512`, `range(length)`), torch asks its ShapeEnv, which notes what has to hold for the answer to
be the same: a *condition* here.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Any

import sympy  # type: ignore[import-untyped]
import torch
from torch._dynamo.source import ConstantSource
from torch.fx.experimental.symbolic_shapes import DimDynamic, ShapeEnv
from torch.utils._sympy.interp import sympy_interp
from torch.utils._sympy.reference import PythonReferenceAnalysis

from composit.errors import GuardError
from composit.source import Source, describe_source, find_source


@dataclass(frozen=True, slots=True)
class Condition:
    """What has to hold for sizes, and the line that looked. by_torch: torch's own code did, to choose between ways to compute one thing"""

    holds: Any  # Any: an expression of sympy
    source: Source | None
    by_torch: bool


class SizeEnvironment(ShapeEnv):
    """Notes with each condition the line of the user's code."""

    def __init__(self) -> None:
        # Neither are sizes 0 and 1 taken for constants, nor equal sizes for one size.
        super().__init__(
            specialize_zero_one=False,
            duck_shape=False,
            allow_scalar_outputs=False,
            allow_dynamic_output_shape_ops=False,
        )
        self.is_open = True
        self.conditions: list[Condition] = []
        # How often a rule for the shape of a result has made a number of an expression.
        self.num_lost = 0

    def evaluate_expr(self, *args: Any, **kwargs: Any) -> Any:  # Any: as ShapeEnv's
        """Return the answer for the sizes of the trace, and note the condition."""
        if not self.is_open:
            # Symbolic integers that outlive the trace, in autograd for one, are numbers.
            with self.suppress_guards():
                return super().evaluate_expr(*args, **kwargs)
        known = len(self.guards)
        answer = super().evaluate_expr(*args, **kwargs)
        if self._suppress_guards_tls() and any(
            asker.f_code.co_name == "guard_int" for asker in _askers(sys._getframe(1))
        ):
            self.num_lost += 1
        if len(self.guards) > known:
            source, by_torch = find_source(), _is_asked_by_torch(sys._getframe(1))
            self.conditions += [Condition(guard.expr, source, by_torch) for guard in self.guards[known:]]
        return answer


def _askers(frame: FrameType | None) -> Iterator[FrameType]:
    """Yield the frames of torch's `guard_int`, `guard_bool`, `guard_or_true` and the like that asked, the innermost first."""
    while frame is not None and frame.f_code.co_filename.startswith(_TORCH_SYMBOLS):
        if frame.f_code.co_name.startswith("guard_"):
            yield frame
        frame = frame.f_back


def _is_asked_by_torch(frame: FrameType | None) -> bool:
    """Return whether torch's own code asked: C++, which tells its file, or code that is right for either answer (`guard_or_true`)."""
    return any(asker.f_locals.get("file") or asker.f_code.co_name.startswith("guard_or_") for asker in _askers(frame))


_TORCH_SYMBOLS = torch.fx.experimental.__path__[0]


class Sizes:
    """The named sizes of one trace.

    values: the sizes at the trace, by name
    """

    def __init__(self) -> None:
        self.values: dict[str, int] = {}
        self.environment = SizeEnvironment()
        self._sizes: dict[str, torch.SymInt] = {}
        self._names: dict[Any, str] = {}

    def size(self, name: str, value: int) -> torch.SymInt:
        """Return the size of this name, which is `value` at the trace."""
        if name not in self._sizes:
            source = ConstantSource(name)
            symbol = self.environment.create_symbol(
                value,
                source=source,
                dynamic_dim=DimDynamic.DYNAMIC,
                constraint_dim=None,
                do_not_specialize_zero_one=True,
            )
            self._names[symbol] = name
            self.values[name] = value
            size = self.environment.create_symintnode(symbol, hint=value, source=source)
            assert isinstance(size, torch.SymInt), "a dynamic size is no constant"
            self._sizes[name] = size
        return self._sizes[name]

    def value_of(self, number: Any, sizes: Mapping[str, int]) -> Any:  # Any: SymInt, SymFloat, SymBool, or a number
        """Return what a number or expression is for these sizes."""
        if not isinstance(number, SYMBOLIC):
            return number
        kind = int if isinstance(number, torch.SymInt) else float if isinstance(number, torch.SymFloat) else bool
        return kind(self._evaluated(number.node.expr, sizes))

    def is_fixed(self, numbers: Sequence[Any]) -> bool:
        """Return whether none of the numbers depends on a size."""
        return not any(isinstance(number, SYMBOLIC) and number.node.expr.free_symbols for number in numbers)

    def check(self, sizes: Mapping[str, int]) -> None:
        """Raise GuardError if Python's code would have got another answer for these sizes."""
        for condition in self.environment.conditions:
            if self._evaluated(condition.holds, sizes) or self._is_indifferent(condition, sizes):
                continue
            raise GuardError(
                f"guard: the graph was asked for at {worded(sizes)}, and Python's code looked at a size at\n"
                f"  {describe_source(condition.source)}\nwhere {self._worded(condition.holds)} held at {worded(self.values)}, where it was "
                "traced; expected sizes for which that is so, since Python might take another path; trace at such sizes, or use "
                "flashlight.capture, which traces again"
            )

    def _is_indifferent(self, condition: Condition, sizes: Mapping[str, int]) -> bool:
        """Return whether a condition is torch's own question for a length of 1, whose axis may be broadcast.

        Either way of computing is right for it. The shapes of results are compared when the graph is built.
        """
        return condition.by_torch and min(sizes.values()) > 0 and _compares_with_one(condition.holds)

    def _evaluated(self, expression: Any, sizes: Mapping[str, int]) -> Any:
        values = {symbol: sizes[name] for symbol, name in self._names.items()}
        return sympy_interp(PythonReferenceAnalysis, values, sympy.sympify(expression))

    def _worded(self, expression: Any) -> str:
        return str(expression.xreplace({symbol: sympy.Symbol(name) for symbol, name in self._names.items()}))


def _compares_with_one(expression: Any) -> bool:
    is_comparison = isinstance(expression, sympy.Ne | sympy.Gt | sympy.Ge | sympy.Lt | sympy.Le)
    return is_comparison and any(side in (1, 2) for side in expression.args)


SYMBOLIC = (torch.SymInt, torch.SymFloat, torch.SymBool)


def worded(sizes: Mapping[str, int]) -> str:
    """Return sizes as text: batch=2, length=5."""
    return ", ".join(f"{name}={value}" for name, value in sizes.items())


def known_value(number: Any) -> Any:  # Any: as Sizes.value_of
    """Return what a number or expression is for the sizes of the trace; nothing is noted."""
    return number.node.hint if isinstance(number, SYMBOLIC) else number
