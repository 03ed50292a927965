"""What products over other axes than the last are differentiated as: `matmul(x, y, axes=[(0, 1), (0, 1), (0, 1)])`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from composit.numpy.calls.expressions import Expressed

# Any, everywhere here: tensors, their namespace, and numpy's arguments.


def over_axes(function: Any) -> Callable[..., Any]:
    """Return the expression of a generalized function with `axes=`, `axis=`, `keepdims=`, `dtype=` or `where=`."""
    # The signature (n?,k),(k,m?)->(n?,m?) has one letter per core axis.
    parts = [
        part.strip("()")
        for part in function.signature.replace("->", ",->").replace("),(", ")|(").replace(",->", "|").split("|")
    ]
    counts = [len([name for name in part.split(",") if name]) for part in parts]

    def expression(
        xp: Any,
        results: Sequence[Any],
        *operands: Any,
        axes: Any = None,
        axis: Any = None,
        keepdims: bool = False,
        dtype: Any = None,
        **options: Any,
    ) -> Expressed:
        given = [xp.asarray(operand) for operand in operands]
        if axes is None:
            axes = [axis if axis is not None and count == 1 else tuple(range(-count, 0)) for count in counts]
        chosen = [(each,) if np.ndim(each) == 0 else tuple(each) for each in axes]
        chosen += [tuple(range(-count, 0)) for count in counts[len(chosen) :]]
        moved = [
            xp.moveaxis(operand, places, tuple(range(-len(places), 0))) if places and operand.ndim > 1 else operand
            for operand, places in zip(given, chosen, strict=False)
        ]
        result = getattr(xp, function.__name__)(*moved)
        if keepdims:
            return xp.expand_dims(result, chosen[0])
        last = chosen[-1] if result.ndim >= len(chosen[-1]) else ()
        return xp.moveaxis(result, tuple(range(-len(last), 0)), last) if last else result

    return expression
