"""What a contender is: a name and a module with `prepare(workload, *arguments) -> Run`, or a reason why it cannot take part."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

Run = Callable[[], Any]  # Any: an array, or several; all contenders of a suite give the same


class SkipContender(RuntimeError):
    """A contender cannot take part on this machine; the message says why."""


def skip(reason: str) -> NoReturn:
    """Leave the contender out, with a reason that the report prints."""
    raise SkipContender(reason)


@dataclass(frozen=True, slots=True)
class Contender:
    """A contender: the module is imported, and the run prepared, in a process of its own with this environment.

    arguments: what `prepare` gets after the workload
    """

    name: str
    module: str
    environment: Mapping[str, str] = field(default_factory=dict)
    arguments: tuple[object, ...] = ()


def has_avx512() -> bool:
    """Whether the processor says that it knows AVX-512."""
    return "avx512f" in Path("/proc/cpuinfo").read_text()


def has_cpp_compiler() -> bool:
    """Whether g++ or clang++ is on the path."""
    return any(shutil.which(name) for name in ("g++", "clang++"))
