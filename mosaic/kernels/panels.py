"""Matrices in panels, by numpy: how constant operands of a product are stored, once, before anything runs."""

from __future__ import annotations

import numpy as np


def pack_panels(matrix: np.ndarray, nr: int, out: np.ndarray | None = None) -> np.ndarray:
    """Return `matrix` in panels of nr neighbouring columns, the last one filled up with zeros.

    Shapes:      (depth, columns) -> (ceil(columns / nr), depth, nr)
    """
    depth, columns = matrix.shape
    whole, rest = divmod(columns, nr)
    panels = np.empty((whole + bool(rest), depth, nr), matrix.dtype) if out is None else out
    panels[:whole] = matrix[:, : whole * nr].reshape(depth, whole, nr).transpose(1, 0, 2)
    if rest:
        panels[whole, :, :rest] = matrix[:, whole * nr :]
        panels[whole, :, rest:] = 0
    return panels
