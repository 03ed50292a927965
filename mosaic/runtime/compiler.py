"""Finding a C compiler and saying exactly which one it is.

The order is: the command in `CC`; then `cc`, `gcc`, `clang` on the path; then the `ziglang` wheel. What it is follows
from its own `--version`, never from its name, because `cc` may be anything.
"""

import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from composit.errors import CompilerNotFoundError
from mosaic.runtime.processes import run_program

COMPILER_NAMES: Final = ("cc", "gcc", "clang")

# A compiler that cannot say its version in this time will not compile either.
_VERSION_TIMEOUT_S: Final = 30.0

HOW_TO_GET_ONE: Final = (
    "install gcc (`apt-get install gcc`) or the wheel that brings a compiler along (`pip install ziglang`), "
    "or set CC to the command of yours"
)


@dataclass(frozen=True, slots=True)
class Compiler:
    """A working C compiler: how to call it, what it calls itself, which family's options it takes."""

    argv: tuple[str, ...]
    identity: str
    kind: str  # "gcc", "clang" or "zig"

    @property
    def version(self) -> str:
        """The first line of its own description."""
        return self.identity.partition("\n")[0]


def find_compiler() -> Compiler:
    """The compiler this process uses.

    Raises: CompilerNotFoundError: there is none, or the one that CC names does not run
    """
    return _find_compiler(os.environ.get("CC", "").strip(), os.environ.get("PATH", ""))


@lru_cache(maxsize=16)
def _find_compiler(cc: str, path: str) -> Compiler:
    if cc:
        found = _identify(tuple(shlex.split(cc)))
        if found is None:
            raise CompilerNotFoundError(
                f"compile: CC={cc!r} was asked for and does not run as a C compiler (`{cc} --version` failed); "
                f"CC must be a command that does, or be unset so that {', '.join(COMPILER_NAMES)} are tried"
            )
        return found
    for argv in _candidates(path):
        found = _identify(argv)
        if found is not None:
            return found
    raise CompilerNotFoundError(
        f"compile: no C compiler: CC is not set, none of {', '.join(COMPILER_NAMES)} runs, and the ziglang wheel is "
        f"not installed; compiled code needs one of these: {HOW_TO_GET_ONE}"
    )


def _candidates(path: str) -> list[tuple[str, ...]]:
    """The commands worth trying, in order of preference."""
    located = [shutil.which(name, path=path) for name in COMPILER_NAMES]
    candidates: list[tuple[str, ...]] = [(command,) for command in located if command is not None]
    if importlib.util.find_spec("ziglang") is not None:
        candidates.append((sys.executable, "-m", "ziglang", "cc"))
    return candidates


@lru_cache(maxsize=16)
def _identify(argv: tuple[str, ...]) -> Compiler | None:
    """The compiler behind a command, or None if it does not run; asked once, because one that hangs takes its time."""
    try:
        finished = run_program([*argv, "--version"], timeout_s=_VERSION_TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired):
        return None
    if finished.exit_status != 0 or not finished.output.strip():
        return None
    return Compiler(argv, finished.output.strip(), _kind(argv, finished.output))


def _kind(argv: tuple[str, ...], version_text: str) -> str:
    if "ziglang" in argv or os.path.basename(argv[0]) == "zig":
        return "zig"
    return "clang" if "clang" in version_text else "gcc"
