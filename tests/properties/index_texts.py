"""Random indices and shapes as text."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence


def _pick(source: random.Random, options: Sequence[str]) -> str:
    return options[source.randrange(len(options))]


def entry_of_slice(source: random.Random) -> str:
    """Return a slice, with bounds that may lie outside."""
    first, last = (_pick(source, ["", "", str(source.randint(-4, 4))]) for _ in range(2))
    return f"{first}:{last}{_pick(source, ['', '', ':2', ':-1', ':-2'])}"


def basic(source: random.Random, ndim: int) -> str:
    """Return integers, slices, None and an Ellipsis."""
    entries = []
    for _ in range(source.randint(1, max(ndim, 1))):
        entries.append(_pick(source, [entry_of_slice(source), entry_of_slice(source), str(source.randint(-2, 2)), ":"]))
    if source.randrange(5) == 0:
        entries.insert(source.randint(0, len(entries)), "...")
    if source.randrange(6) == 0:
        entries.insert(source.randint(0, len(entries)), "None")
    return ", ".join(entries)


def integers(source: random.Random) -> str:
    """Return a list of small integers, some of them twice."""
    return str([source.randint(-2, 2) for _ in range(source.randint(1, 4))])


def lengths(source: random.Random, size: int) -> tuple[int, ...]:
    """Return a shape for so many elements, one time in ten a wrong one."""
    divisors = [d for d in range(1, size + 1) if size % d == 0] or [1]
    first = divisors[source.randrange(len(divisors))]
    rest = size // first
    second = next((d for d in divisors[1:] if rest % d == 0), 1)
    shapes = [(first, -1), (-1, first), (size,), (-1,), (first, rest), (rest, 1, first), (second, first, -1)]
    if source.randrange(10) == 0:
        shapes = [(first + 1, -1), (size + 1,), (-1, -1)]
    return shapes[source.randrange(len(shapes))]


def any_index(source: random.Random, name: str, shape: tuple[int, ...], positions: str) -> str:
    """Return an index of any kind for the array of this name; `positions` names an array of integers."""
    ndim = len(shape)
    some = integers(source)
    known_mask = [source.randrange(2) == 1 for _ in range(shape[0] if shape else 1)]
    options = [basic(source, ndim)] * 6 + ["...", "()", "None", "..., None", ":"]
    options += [f"{name} > 0", f"{name} == {name}", f"{name}.real < 1", f"({name} > 2) | ({name} < -2)"]
    options += [some, f"{some}, 0", f":, {some}", f"{some}, {some}", f"..., {some}", f"np.array({some})", positions]
    options += [str(known_mask), f"np.array({known_mask})", f"{known_mask}, 0", f"np.array({[[0], [-1]]}), {some}"]
    options += [f"0, ..., {some}", f"{some}, None", f"xp.argsort({name}.ravel())[:2]", "True", "False", "[]"]
    options += [
        f"np.ones({shape}, bool)",
        f"{name} > 0, ...",
        f"{name}[0] > 0",
        f"{positions} % {max(shape[:1], default=1) or 1}",
    ]
    options += [str(source.randint(-math.prod(shape) - 1, 4)), "0.5", "'a'", "np.int64(0)", "xp.asarray(0)", "[0.0]"]
    return _pick(source, options)
