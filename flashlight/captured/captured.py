"""`capture` and `Captured`: a function whose graph is evaluated where it holds, and traced again where it does not."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import update_wrapper
from typing import Any

import torch

from composit.backends import Backend, BackendChoice, backend_for_parts, get_backend
from composit.errors import GuardError, OperandError, ParameterError
from composit.locks import fork_safe_lock
from flashlight.capture.active import active_recorder
from flashlight.captured.named_sizes import Names, checked_names, tensors_with_names
from flashlight.captured.paths import Path
from flashlight.captured.python_state import PythonState, modes_key, random_state
from flashlight.captured.recordings import PathFamily, Recording
from flashlight.captured.structures import Key, Structure
from flashlight.captured.templates import Templates
from flashlight.sizes.sized_tensor import plain
from flashlight.tracer import trace

MAX_PATHS = 32
MAX_REASONS = 32
_PARTS_OF_KEYS = (
    "arguments of other shapes, or other numbers, flags and containers among them",
    "another mode of torch",
)
# One trace at a time: two that run one model would both record in its parameters.
_tracing = fork_safe_lock()


class _Call:
    """A call of a captured function. given: its arguments; key: what a path depends on, other than values of tensors and Python's state"""

    def __init__(
        self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], dynamic: Mapping[str, Names]
    ) -> None:
        self.args, self.kwargs = args, kwargs
        self.named = tensors_with_names(function, args, kwargs, dynamic)
        self.given = Structure((args, kwargs), named=self.named)
        # What the key knows by identity alone: functions and modules among the arguments, and the classes of objects.
        self.others = (*self.given.others, *dict.fromkeys(map(type, self.given.holders)))
        _check_arguments(self.given)
        self.key = (self.given.key, modes_key())


@dataclass(frozen=True, slots=True)
class _Kept:
    """A path that is kept, and the state of Python in which it was traced."""

    state: PythonState
    family: PathFamily


class Captured:
    """A function of torch tensors that runs by composit: what `capture` returns.

    function:    the function or module
    traces:      how many calls were traced; evaluations: how many ran without torch, by a program made before
    reasons:     why the latest traces were needed, the last one last

    has_constants: whether tensors that are no arguments may be stored as a backend reads them, until they are written to; a call that is
                 traced then returns what the program computes, rather than what torch has computed
    """

    def __init__(
        self,
        function: Callable[..., Any],
        backend: Backend,
        max_paths: int,
        dynamic: dict[str, Names],
        *,
        has_constants: bool = False,
    ) -> None:
        self.function = function
        self.traces = 0
        self.evaluations = 0
        self._backend = backend
        self._max_paths = max_paths
        self._dynamic = dynamic
        self._has_constants = has_constants
        self._paths: OrderedDict[tuple[Key, int], _Kept] = OrderedDict()
        self._newest = 0
        self._reasons: deque[str] = deque(maxlen=MAX_REASONS)
        self._lock = fork_safe_lock()
        if not isinstance(function, torch.nn.Module):
            update_wrapper(self, function, updated=())
        # So that a captured function that calls this one finds what it is made of.
        self.__wrapped__ = function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Return what the function returns; its tensors are new ones, which autograd does not follow.

        Inside a trace, the function is called.
        """
        if active_recorder() is not None:
            return self.function(*args, **kwargs)
        call = _Call(self.function, args, kwargs, self._dynamic)
        reason = self._reason_without_paths(call.key)
        for number, kept in self._paths_for(call.key):
            difference = kept.state.difference()
            if difference is not None:
                reason = difference
                continue
            try:
                output = kept.family.at(call.given.sizes)(call.given)
            except GuardError as different:
                reason = str(different)
                continue
            self._note_evaluation(call.key, number)
            return output
        return self._trace(call, reason)

    @property
    def paths(self) -> int:
        """How many programs are kept."""
        return len(self._paths)

    @property
    def latest_path(self) -> Path | None:
        """The program that was made or used last, None if none is kept."""
        with self._lock:
            latest = next(reversed(self._paths.values()), None)
        return None if latest is None else latest.family.first

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why the latest calls were traced, the last one last."""
        return tuple(self._reasons)

    def clear(self) -> None:
        """Forget all programs, and the tensors that they keep alive."""
        with self._lock:
            self._paths.clear()

    def explain(self) -> str:
        """Return how often the function was traced and evaluated, and why it was traced."""
        counts = (
            f"{self.traces} traced, {self.evaluations} evaluated, {self.paths} of at most {self._max_paths} paths kept"
        )
        return "\n".join([counts, *(f"traced: {reason}" for reason in self._reasons)])

    def _paths_for(self, key: Key) -> list[tuple[int, _Kept]]:
        """Return the paths for a key, the one that was used last first."""
        with self._lock:
            return [(number, kept) for (known, number), kept in reversed(self._paths.items()) if known == key]

    def _reason_without_paths(self, key: tuple[Key, ...]) -> str:
        if not self.traces:
            return "the first call"
        with self._lock:
            latest: Any = next(reversed(self._paths), (None,))[0]
        if latest is None:
            return "no path is kept"
        return (
            "; ".join(what for what, old, new in zip(_PARTS_OF_KEYS, latest, key, strict=True) if old != new)
            or "no path holds"
        )

    def _note_evaluation(self, key: Key, number: int) -> None:
        with self._lock:
            self.evaluations += 1
            if (key, number) in self._paths:
                self._paths.move_to_end((key, number))

    def _trace(self, call: _Call, reason: str) -> object:
        given, state = call.given, PythonState(self.function, call.others)
        before, drawn = given.contents(), random_state(given.generators)
        with _tracing, trace(dynamic=dict(call.named.values())) as recorder:
            starts = [recorder.lazy_of(plain(tensor)) for tensor in given.tensors]
            with state.following():
                output = self.function(*call.args, **call.kwargs)
            recorder.settle()
            templates = Templates(given)
            filled = templates.of(output)
            changed = [at for at, (old, new) in enumerate(zip(before, given.contents(), strict=True)) if old != new]
            updates = tuple((at, templates.parts_of(given.holders[at])) for at in changed)
            recording = Recording(recorder, given.tensors, starts, templates.results)
            # Before the program is compiled, for which a backend may start threads.
            obstacles = recording.why_not_again()
            family = recording.family(filled, updates, (self._backend, self._has_constants), given.sizes)
        # Other paths need not run what the keys of a mapping select.
        self._backend = backend_for_parts(self._backend)
        obstacles += state.obstacles
        if random_state(given.generators) != drawn:
            obstacles.append("it draws random numbers, which each call draws anew")
        elif (change := state.difference()) is not None:
            obstacles.append(f"it changes Python's state: {change}")
        self._keep(call.key, _Kept(state, family), reason, obstacles)
        if self._has_constants and family.first.can_follow_torch:
            return family.first(given)
        return family.first.finish(given, [_alone(tensor) for tensor in templates.results])

    def _keep(self, key: Key, path: _Kept, reason: str, obstacles: list[str]) -> None:
        with self._lock:
            self.traces += 1
            self._reasons.append("; ".join([reason, *(f"the path is not kept: {obstacle}" for obstacle in obstacles)]))
            if obstacles:
                return
            for known in [
                each for each, kept in self._paths.items() if kept.family.first.written_constant() is not None
            ]:
                del self._paths[known]
            self._newest += 1
            self._paths[key, self._newest] = path
            while len(self._paths) > self._max_paths:
                self._paths.popitem(last=False)


def _alone(tensor: torch.Tensor) -> torch.Tensor:
    """Return what an evaluation would give for a result: a tensor with memory of its own, in C order."""
    ordinary: torch.Tensor = plain(tensor)
    return ordinary.detach().clone(memory_format=torch.contiguous_format)


def _check_arguments(given: Structure) -> None:
    if not torch.is_grad_enabled():
        return
    for tensor in given.tensors:
        if tensor.requires_grad and not isinstance(tensor, torch.nn.Parameter):
            raise OperandError(
                f"capture: an argument of shape {tuple(tensor.shape)} requires a gradient; expected arguments that need none, since "
                "autograd does not follow what a captured function returns; call it within torch.no_grad(), or make a module with "
                "flashlight.to_module"
            )


def capture(
    function: Callable[..., Any],
    *,
    backend: BackendChoice = "numpy",
    max_paths: int = MAX_PATHS,
    dynamic: Mapping[str, Names] | None = None,
) -> Captured:
    """Return the function, or module, as one that runs by composit: traced once, and then evaluated for other tensors.

    A call evaluates a program that an earlier call made, if it holds for these arguments: equal shapes, dtypes, settings and
    modes, and each value that Python read (`if x.sum() > 0`) the same. Otherwise torch runs and is traced again. So branches, lengths
    and whole loops (`model.generate`) may be handed over. What the function does to its arguments (a cache that it fills) and to
    tensors from before (statistics of a norm) is done by both.

    A call that draws random numbers, assigns to attributes of a module or sets `.grad` is traced each time.

    backend:   runs the programs; max_paths: how many are kept
    dynamic:   sizes of arguments that may differ without another trace: {"input_ids": {0: "batch", 1: "length"}}

    Raises:  OperandError: the function cannot be called, or `dynamic` names no sizes; ParameterError: max_paths below 1
    Example:
        >>> import torch
        >>> halved = capture(lambda x: x / 2 if x.sum() > 0 else x)
        >>> [halved(torch.full((2,), value)).tolist() for value in (1.0, 3.0, -1.0)]
        [[0.5, 0.5], [1.5, 1.5], [-1.0, -1.0]]
        >>> halved.traces, halved.evaluations
        (2, 1)
    """
    if not callable(function):
        raise OperandError(
            f"capture: {function!r:.60} of type {type(function).__name__} was given; expected a function or a torch module; write "
            "capture(model), capture(model.generate) or capture(lambda x: ...)"
        )
    if max_paths < 1:
        raise ParameterError(
            f"capture: max_paths={max_paths} was given; expected 1 or more programs to keep; leave it out for {MAX_PATHS}"
        )
    return Captured(function, get_backend(backend), max_paths, checked_names(dynamic))
