"""`PythonState`: what a path depends on besides its arguments: Python's objects and variables, torch's modes, random generators."""

from __future__ import annotations

import gc
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from operator import attrgetter
from threading import get_ident
from types import CodeType, FrameType
from typing import Any

import numpy as np
import torch
from torch.nn.modules import module as torch_modules

from flashlight.captured.cells import Cell, cell_of_answer
from flashlight.captured.reachable import Reachable
from flashlight.captured.structures import Key

_HOOKS_OF_ALL_MODULES = {
    f"torch's {name}": getattr(torch_modules, name)
    for name in ("_global_forward_hooks", "_global_forward_pre_hooks", "_global_backward_hooks")
}


class PythonState:
    """What Python's code may read: objects as they were when this was made, and variables as they were when code began to use them.

    obstacles: why it cannot be known
    """

    def __init__(self, function: Callable[..., Any], others: Sequence[object]) -> None:
        given = {f"argument {position}": each for position, each in enumerate(others)}
        self._found = Reachable({_name_of(function): function, **given, **_HOOKS_OF_ALL_MODULES})
        self._begun: dict[int, CodeType] = {}
        self._is_collecting = False
        self._empties: list[Any] = []
        self._cells: list[Cell] = []

    @property
    def obstacles(self) -> list[str]:
        """Why the state cannot be known."""
        return list(dict.fromkeys(self._found.obstacles))

    @contextmanager
    def following(self) -> Iterator[None]:
        """Follow which code this thread runs; afterwards the state is complete."""
        if sys.getprofile() is not None:
            self._found.obstacles.append("a profiler is active, so that the code that runs is not followed")
            yield
        else:
            profile = self._note
            with self._ignoring_collections():
                sys.setprofile(profile)
                try:
                    yield
                finally:
                    if sys.getprofile() is profile:
                        sys.setprofile(None)
        self._finish()

    @contextmanager
    def _ignoring_collections(self) -> Iterator[None]:
        """Note nothing while garbage is collected: callbacks and finalizers that run then are no code of the function."""
        own = get_ident()

        def begin(phase: str, _: object) -> None:
            self._is_collecting = self._is_collecting or get_ident() == own

        def end(phase: str, _: object) -> None:
            self._is_collecting = self._is_collecting and (phase != "stop" or get_ident() != own)

        # The first and the last of them, so that the others run in between.
        gc.callbacks.insert(0, begin)
        gc.callbacks.append(end)
        try:
            yield
        finally:
            gc.callbacks.remove(begin)
            gc.callbacks.remove(end)

    def _note(self, frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        if event == "call" and not self._is_collecting and id(code) not in self._begun:
            self._begun[id(code)] = code
            self._found.begin(code, frame.f_globals)

    def _finish(self) -> None:
        self._found.finish()
        self._begun.clear()
        self._empties, self._cells = self._found.empties, self._found.cells
        tensors = self._found.tensors
        if tensors:
            flags = attrgetter("requires_grad")
            self._cells.append(cell_of_answer("requires_grad of parameters", lambda: tuple(map(flags, tensors))))

    def difference(self) -> str | None:
        """Return in words what is not as it was; None if all is."""
        if any(self._empties):
            return "a container of the function's objects was empty and is not"
        cell = next((cell for cell in self._cells if not cell.holds()), None)
        return None if cell is None else cell.difference()

    @property
    def num_cells(self) -> int:
        """How many places are looked at."""
        return len(self._cells) + len(self._empties)


def _name_of(function: Any) -> str:
    return str(getattr(function, "__qualname__", type(function).__name__))


def modes_key() -> Key:
    """Return torch's modes."""
    return (
        torch.is_grad_enabled(),
        torch.is_inference_mode_enabled(),
        torch.is_autocast_enabled("cpu"),
        torch.get_autocast_dtype("cpu"),
        torch.get_default_dtype(),
        torch.are_deterministic_algorithms_enabled(),
    )


def random_state(generators: Sequence[torch.Generator]) -> list[bytes]:
    """Return the states of torch's, Python's and numpy's generators, to see whether a call drew."""
    states = [torch.get_rng_state(), *(generator.get_state() for generator in generators)]
    drawn = [state.numpy().tobytes() for state in states]
    return [*drawn, repr(random.getstate()).encode(), repr(np.random.get_state(legacy=False)).encode()]
