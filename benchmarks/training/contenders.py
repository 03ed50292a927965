"""Who takes part in the suite `training`: names, and the modules that are imported when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module

from benchmarks.contender import skip
from benchmarks.training.cases import Case

OURS = "mosaic"
_NAME_TO_PLACE: Mapping[str, tuple[str, str]] = {
    OURS: ("with_mosaic", "prepare"),
    "torch eager": ("with_torch", "prepare_eager"),
    "torch.compile": ("with_torch", "prepare_compiled"),
    "jax.jit": ("with_jax", "prepare"),
}
NAMES = tuple(_NAME_TO_PLACE)


def prepare(name: str, case: Case, num_threads: int) -> Callable[[], float]:
    """Return the contender's step: a function that does one and returns the loss.

    Raises:  SkipContender: its library is not installed
    """
    module, function = _NAME_TO_PLACE[name]
    try:
        found = getattr(import_module(f"benchmarks.training.{module}"), function)
    except ModuleNotFoundError as error:
        skip(f"{error.name} is not installed")
    step: Callable[[], float] = found(case, num_threads)
    return step
