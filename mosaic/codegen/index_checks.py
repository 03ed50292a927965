"""Checks of computed indices in C: negative ones count from the end, errors are noted and raised after the run."""

from __future__ import annotations

from functools import lru_cache

from mosaic import c
from mosaic.c.helpers import Helper, inline_function

_index, _extent, _status = c.Name("index"), c.Name("extent"), c.Name("status")


@lru_cache(maxsize=8)
def checked_index(mode: str) -> Helper:
    """Return ``checked_index(index, extent, status)`` for numpy's mode "raise", "wrap" or "clip".

    An index out of bounds sets ``*status`` and reads element 0 instead: nothing outside the array is touched, and the
    call raises when the run is over.
    """
    name = f"index_{mode}"
    parameters = (
        c.Parameter(c.int64, "index"),
        c.Parameter(c.int64, "extent"),
        c.Parameter(c.pointer(c.int64), "status"),
    )
    function = inline_function(name, c.int64, parameters, (*_bodies[mode], c.Return(_index)))
    return Helper(name, (c.Include("stdint.h"), function))


_negative = c.If(_index < 0, (c.AugmentedAssign(_index, "+", _extent),))
_raise = (
    _negative,
    c.If(
        c.logical_or(_index < 0, _index >= _extent),
        (c.Assign(c.dereference(_status), c.literal(1)), c.Assign(_index, c.literal(0))),
    ),
)
_unused = c.ExpressionStatement(c.Cast(c.void, _status))
_wrap = (_unused, c.Assign(_index, _index % _extent), _negative)
_clip = (
    _unused,
    c.If(_index < 0, (c.Assign(_index, c.literal(0)),)),
    c.If(_index >= _extent, (c.Assign(_index, _extent - 1),)),
)
_bodies = {"raise": _raise, "wrap": _wrap, "clip": _clip}
