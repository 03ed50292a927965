"""Rows for arrays made of parameters. Each call makes its own array, so equal calls are two expressions."""

from __future__ import annotations

import numpy as np

from tests.operations.sample import Sample, between, normal

CREATION = (
    Sample("creation.zeros", lambda xp: xp.zeros((2, 3)), (), is_fresh=True),
    Sample("creation.ones of float32", lambda xp: xp.ones((2, 3), dtype=np.float32), (), is_fresh=True),
    Sample("creation.full", lambda xp: xp.full((2, 0), 7), (), is_fresh=True),
    Sample("creation.full of float", lambda xp: xp.full(3, 2.5, dtype=np.float32), (), is_fresh=True),
    Sample("creation.zeros_like", lambda xp, x: xp.zeros_like(x), (normal(2, 3, dtype=np.float32),), is_fresh=True),
    Sample("creation.ones_like", lambda xp, x: xp.ones_like(x, dtype=np.int8), (normal(2, 3),), is_fresh=True),
    Sample("creation.arange", lambda xp: xp.arange(2, 9, 3), (), is_fresh=True),
    Sample("creation.arange of floats", lambda xp: xp.arange(0.0, 1.0, 0.1), (), is_fresh=True),
    Sample("creation.arange of float32", lambda xp: xp.arange(5, dtype=np.float32), (), is_fresh=True),
    Sample("creation.array of scalars", lambda xp, x: xp.array([x.max(), 2.5, x.min()], "i4"), (between(-9, 9, 2, 3),)),
    Sample("creation.linspace", lambda xp: xp.linspace(-1.0, 2.0, 7), (), is_fresh=True),
    Sample("creation.eye", lambda xp: xp.eye(3, 4, k=1), (), is_fresh=True),
    Sample("creation.identity of int8", lambda xp: xp.identity(3, dtype=np.int8), (), is_fresh=True),
)
