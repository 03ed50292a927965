"""Methods of other libraries that are replaced while some thread traces, and put back when the last trace has ended.

A mode of torch that sees calls of methods (`TorchFunctionMode`) is no way to do this: while one is active, torch itself takes
other paths, as in `nn.TransformerEncoder`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from composit.locks import fork_safe_lock


@dataclass(frozen=True, slots=True)
class Patch:
    """An attribute of a class or module, and what makes its replacement from the original, which is None if there is none."""

    owner: Any
    name: str
    make: Callable[[Any], Any]


_lock = fork_safe_lock()
# How many traces are open in all threads, and how to put back what they replaced. Changed only under the lock.
_num_open = [0]
_originals: list[tuple[Any, str, Any, bool]] = []


@contextmanager
def patched(patches: Sequence[Patch]) -> Iterator[None]:
    """Replace the attributes until the last of the blocks that are open in any thread ends."""
    with _lock:
        _replace(patches)
        _num_open[0] += 1
    try:
        yield
    finally:
        with _lock:
            _num_open[0] -= 1
            if not _num_open[0]:
                _put_back()


def patch_meanwhile(patches: Sequence[Patch]) -> None:
    """Replace more attributes, of a module that was imported inside a block, until the last of the open blocks ends."""
    with _lock:
        if _num_open[0]:
            _replace(patches)


def _replace(patches: Sequence[Patch]) -> None:
    replaced = {(id(owner), name) for owner, name, _, _ in _originals}
    for patch in patches:
        if (id(patch.owner), patch.name) in replaced:
            continue
        original = getattr(patch.owner, patch.name, None)
        own = vars(patch.owner)
        # As it is stored: of a class method that is not what the class shows.
        _originals.append((patch.owner, patch.name, own.get(patch.name), patch.name in own))
        setattr(patch.owner, patch.name, patch.make(original))


def _put_back() -> None:
    while _originals:
        owner, name, original, is_own = _originals.pop()
        if is_own:
            setattr(owner, name, original)
        else:
            # It was inherited, or there was none.
            delattr(owner, name)
