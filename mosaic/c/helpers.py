"""Helpers: C functions and types with the helpers they require.

Kernels call helpers; the C file then contains each helper once, after those that it requires.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mosaic import c


@dataclass(frozen=True, slots=True)
class Helper:
    """A C function or type by name: its declarations, and the helpers that must precede them."""

    name: str
    items: tuple[c.TopLevel, ...]
    requires: tuple[Helper, ...] = ()

    def __call__(self, *arguments: c.Operand) -> c.Call:
        """Return a call of the function."""
        return c.Name(self.name)(*arguments)


def in_dependency_order(helpers: Iterable[Helper]) -> tuple[c.TopLevel, ...]:
    """Return the declarations of `helpers` and of all they need, each once, needed ones first."""
    placed: dict[str, Helper] = {}
    for helper in helpers:
        _place(helper, placed)
    return tuple(item for helper in placed.values() for item in helper.items)


def _place(helper: Helper, placed: dict[str, Helper]) -> None:
    present = placed.get(helper.name)
    if present is not None:
        if present is not helper and present != helper:
            raise ValueError(
                f"in_dependency_order: two different helpers are called {helper.name!r}; expected one meaning per "
                "name; give one of them another name"
            )
        return
    for each in helper.requires:  # helpers are built from finished helpers: there are no cycles
        _place(each, placed)
    placed[helper.name] = helper


def inline_function(
    name: str,
    result: c.CType,
    parameters: tuple[c.Parameter, ...],
    body: tuple[c.Statement, ...],
    comment: str = "",
) -> c.Function:
    """Return a function that costs no call, with the attribute that keeps gcc from giving up on it."""
    return c.Function(
        name,
        result,
        parameters,
        body,
        is_static=True,
        is_inline=True,
        attributes=("always_inline", "unused"),
        comment=comment,
    )
