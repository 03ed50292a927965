"""Processors that C is generated for."""

from __future__ import annotations

from composit.errors import ParameterError
from mosaic.targets.detection import check_runs_here, choose_target, detect, for_bfloat16
from mosaic.targets.table import named_targets, with_bfloat16
from mosaic.targets.target import CacheSizes, Target, arithmetic_flags, line_bytes


def get_target(target: object = None) -> Target:  # object: it comes from the user as it is
    """Return the target of that name, a target as it is, or this machine's for None.

    Raises:      ParameterError: no target has that name
    """
    if target is None:
        return detect()
    if isinstance(target, Target):
        return target
    known = {**named_targets, **{each.name: each for each in with_bfloat16}}
    if not isinstance(target, str) or target not in known:
        raise ParameterError(
            f"get_target: no target is called {target!r}; expected one of {', '.join(known)}, a Target, or "
            "None for this machine; pass one of these, or build a mosaic.targets.Target"
        )
    return known[target]


__all__ = [
    "CacheSizes",
    "Target",
    "arithmetic_flags",
    "check_runs_here",
    "choose_target",
    "detect",
    "for_bfloat16",
    "get_target",
    "line_bytes",
    "named_targets",
]
