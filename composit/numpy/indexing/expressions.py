"""What choices that numpy makes at the call are differentiated as: select, choose, compress, extract."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from composit.numpy.calls.expressions import Expressed, expressed

# Any, everywhere here: tensors, their namespace, and numpy's arguments.


@expressed(np.select)
def _select(xp: Any, results: Sequence[Any], condlist: Any, choicelist: Any, default: Any = 0) -> Expressed:
    result = xp.asarray(default)
    for condition, choice in zip(reversed(condlist), reversed(choicelist), strict=True):
        result = xp.where(condition, choice, result)
    return xp.broadcast_to(result, results[0].shape)


@expressed(np.choose)
def _choose(xp: Any, results: Sequence[Any], a: Any, choices: Any, mode: str = "raise") -> Expressed:
    number = xp.asarray(a)
    parts = [xp.asarray(each) for each in (choices if isinstance(choices, list | tuple) else xp.asarray(choices))]
    # With one axis more, a single element is an array.
    chosen = xp.choose(xp.expand_dims(number, 0), [xp.astype(each, results[0].dtype) for each in parts], mode=mode)
    return xp.reshape(chosen, results[0].shape)


@expressed(np.compress)
def _compress(xp: Any, results: Sequence[Any], condition: Any, a: Any, axis: Any = None) -> Expressed:
    x = xp.asarray(a)
    places = xp.flatnonzero(xp.asarray(condition))
    return xp.take(xp.ravel(x) if axis is None else x, places, axis=0 if axis is None else axis)


@expressed(np.extract)
def _extract(xp: Any, results: Sequence[Any], condition: Any, arr: Any) -> Expressed:
    return xp.take(xp.ravel(xp.asarray(arr)), xp.flatnonzero(xp.asarray(condition)))
