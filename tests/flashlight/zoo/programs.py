"""The table of hard programs: functions of a few random tensors, with the tensors' shapes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

PROGRAMS: dict[str, tuple[Callable[..., Any], dict[str, tuple[int, ...]]]] = {}


def program(**shapes: tuple[int, ...]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add a function to the programs; shapes: of its arguments."""

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        assert function.__name__ not in PROGRAMS, f"two programs are called {function.__name__}"
        PROGRAMS[function.__name__] = (function, shapes)
        return function

    return add
