"""Rows for axes moved, joined, split, padded and rearranged."""

from __future__ import annotations

import numpy as np

from tests.operations.sample import Sample, booleans, integers, normal

_X = normal(2, 3, 4)

MOVEMENT = (
    Sample("movement.transpose", lambda xp, x: xp.transpose(x), (_X,), True),
    Sample("movement.transpose by axes", lambda xp, x: xp.transpose(x, (2, -3, 1)), (_X,), True),
    Sample("movement.transpose of float32", lambda xp, x: xp.transpose(x), (normal(5, 7, dtype=np.float32),)),
    Sample("movement.transpose of rank 0", lambda xp, x: xp.transpose(x), (normal(),), True),
    Sample("movement.swapaxes", lambda xp, x: xp.swapaxes(x, 0, -1), (_X,), True),
    Sample("movement.moveaxis", lambda xp, x: xp.moveaxis(x, (0, 1), (-1, 0)), (_X,), True),
    Sample("movement.reshape", lambda xp, x: xp.reshape(x, (4, -1)), (_X,), True),
    Sample("movement.reshape after transpose", lambda xp, x: xp.reshape(xp.transpose(x), (6, 4)), (_X,), True),
    Sample("movement.reshape of nothing", lambda xp, x: xp.reshape(x, (3, 0)), (normal(0, 5),)),
    Sample("movement.reshape to rank 0", lambda xp, x: xp.reshape(x, ()), (normal(1, 1),), True),
    Sample("movement.ravel of int8", lambda xp, x: xp.ravel(x), (integers(0, 9, 2, 3, dtype=np.int8),)),
    Sample("movement.broadcast_to", lambda xp, x: xp.broadcast_to(x, (5, 2, 3)), (normal(2, 1),), True),
    Sample("movement.broadcast_to of rank 0", lambda xp, x: xp.broadcast_to(x, (2, 3)), (normal(),), True),
    Sample("movement.expand_dims", lambda xp, x: xp.expand_dims(x, (0, -1)), (_X,), True),
    Sample("movement.squeeze", lambda xp, x: xp.squeeze(x), (normal(1, 3, 1),), True),
    Sample("movement.squeeze of one axis", lambda xp, x: xp.squeeze(x, -1), (normal(1, 3, 1),), True),
    Sample("movement.concatenate", lambda xp, x, y: xp.concatenate([x, y], axis=1), (normal(2, 3), normal(2, 5)), True),
    Sample(
        "movement.concatenate of mixed dtypes",
        lambda xp, x, y: xp.concatenate([x, y], axis=-1),
        (normal(2, 3, dtype=np.float32), integers(0, 3, 2, 2)),
    ),
    Sample(
        "movement.concatenate with nothing", lambda xp, x, y: xp.concatenate([x, y]), (normal(0, 3), normal(2, 3)), True
    ),
    Sample("movement.stack", lambda xp, x, y: xp.stack([x, y], axis=-1), (normal(2, 3), normal(2, 3)), True),
    Sample("movement.split", lambda xp, x: xp.split(x, [1, 3], axis=-1), (_X,), True),
    Sample("movement.split used in part", lambda xp, x: xp.split(x, 2)[1], (_X,), True),
    Sample("movement.pad", lambda xp, x: xp.pad(x, ((1, 0), (2, 3)), constant_values=1.5), (normal(2, 3),), True),
    # Borders that repeat elements take them by an array of positions, which each call makes.
    Sample("movement.pad by edges", lambda xp, x: xp.pad(x, 2, mode="edge"), (normal(3, 4),), True),
    Sample("movement.pad by reflection", lambda xp, x: xp.pad(x, 1, mode="reflect"), (normal(3, 4),), True),
    Sample("movement.flip", lambda xp, x: xp.flip(x, (0, -1)), (_X,), True),
    Sample("movement.roll", lambda xp, x: xp.roll(x, 5, axis=1), (_X,), True),
    Sample("movement.roll of all", lambda xp, x: xp.roll(x, -3), (normal(2, 3),), True),
    Sample("movement.tile", lambda xp, x: xp.tile(x, (2, 1, 3)), (normal(2, 3),), True),
    Sample("movement.repeat", lambda xp, x: xp.repeat(x, 3, axis=0), (normal(2, 3),), True),
    Sample("movement.tril", lambda xp, x: xp.tril(x, -1), (normal(4, 4),), True),
    Sample("movement.triu of booleans", lambda xp, x: xp.triu(x), (booleans(3, 5),)),
    Sample("movement.diag of a matrix", lambda xp, x: xp.diag(x, 1), (normal(4, 4),), True),
    Sample(
        "movement.sliding_window_view",
        lambda xp, x: xp.lib.stride_tricks.sliding_window_view(x, (2, 3)) * 1.0,
        (normal(4, 5),),
        True,
    ),
    Sample(
        "movement.sliding_window_view along one axis twice",
        lambda xp, x: xp.lib.stride_tricks.sliding_window_view(x, (2, 2), (1, 1)) * 1.0,
        (normal(2, 5),),
        True,
    ),
    Sample(
        "movement.as_strided",
        lambda xp, x: xp.lib.stride_tricks.as_strided(x, (2, 3), (16, 8)) * 1.0,
        (normal(6),),
        True,
    ),
    Sample("movement.r_", lambda xp, x, y: xp.r_[x, 1.0, y], (normal(3), normal(2)), True),
    Sample("movement.c_", lambda xp, x, y: xp.c_[x, y], (normal(3), normal(3)), True),
)
