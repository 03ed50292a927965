"""The registered algorithms by operation. Those of mosaic register when `mosaic.algorithms` is imported, others by `register`."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from composit.errors import ParameterError
from composit.operation import Operation
from mosaic.algorithms.families import plain
from mosaic.algorithms.record import Algorithm, Case, FromOutside

SELECTORS = ("default", "guess", "measured", "custom")
"""Words that choose among algorithms; no algorithm may have such a name."""

_registered: dict[str, dict[str, Algorithm]] = {}


def register(algorithm: Algorithm) -> Algorithm:
    """Make an algorithm known under its name; one of the same name for the same operation is replaced if it is not mosaic's own.

    Raises:  ParameterError: the name is taken by mosaic, or is one of the words that choose
    """
    known = _registered.setdefault(plain(algorithm.operation), {})
    earlier = known.get(algorithm.name)
    if algorithm.name in SELECTORS[:-1] or (earlier is not None and is_own(earlier)):
        taken = ", ".join(map(repr, (*SELECTORS[:-1], *known)))
        raise ParameterError(
            f"register: {algorithm.name!r} was given as the name of an algorithm for {algorithm.operation}; expected one that is"
            f" not taken ({taken}); choose another name, such as 'my {algorithm.name}'"
        )
    known[algorithm.name] = algorithm
    return algorithm


def unregister(algorithm: Algorithm) -> None:
    """Forget an algorithm that `register` made known; one that is not known is no error."""
    known = _registered.get(plain(algorithm.operation), {})
    if known.get(algorithm.name) is algorithm and not is_own(algorithm):
        del known[algorithm.name]


def is_own(algorithm: Algorithm) -> bool:
    """Whether the algorithm is part of mosaic, so that its code is known by mosaic's version."""
    lowering: Any = algorithm.lower  # Any: a function, or an object that is called
    while isinstance(lowering, partial):
        lowering = lowering.func
    own: str = lowering.__module__
    return not isinstance(lowering, FromOutside) and own.partition(".")[0] == "mosaic"


def has_defaults_from_outside() -> bool:
    """Whether an algorithm of somebody else may be the default, so that the default is not the same at all times."""
    return any(each.is_default and not is_own(each) for known in _registered.values() for each in known.values())


def algorithms_of(operation: str) -> dict[str, Algorithm]:
    """Return the algorithms of an operation by name, mosaic's own first; "maxpool2d" and "max_pool2d" are the same.

    Example:
        >>> import mosaic
        >>> "direct" in mosaic.algorithms_of("relu")
        True
    """
    return dict(_registered.get(plain(operation), {}))


def family_of(operation: Operation) -> str:
    """Return the name of the operations that share algorithms with this one; "" if there is nothing to choose."""
    for name in (*reversed(operation.aliases), operation.name):
        known = _registered.get(plain(name))
        if known:
            return next(iter(known.values())).operation
    return ""


def operations() -> Iterator[str]:
    """Yield the operations that have algorithms, as they are written."""
    for known in _registered.values():
        yield from {algorithm.operation: None for algorithm in known.values()}


def custom_of(operation: str) -> Algorithm | None:
    """Return the algorithm that "custom" stands for: the one of that name, or the latest that is not mosaic's own."""
    known = _registered.get(plain(operation), {})
    others = [algorithm for algorithm in known.values() if not is_own(algorithm)]
    return known.get("custom") or (others[-1] if others else None)


def those_that_can(operation: str, case: Case) -> list[str]:
    """Return the names of the algorithms that take a case."""
    return [name for name, each in algorithms_of(operation).items() if not each.why_not(case)]
