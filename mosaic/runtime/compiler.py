"""Finds a C compiler, identifies it, and makes the environment it runs in.

The order is: the command in `CC`; then `cc`, `gcc`, `clang` on the path; then the `ziglang` wheel. What it is follows
from its own `--version`, never from its name, because `cc` may be anything.

A compiler reads many variables that change what it makes (CPATH, LIBRARY_PATH, GCC_EXEC_PREFIX, LD_RUN_PATH, and what
its wrappers add). Such a variable would make a library that another process must not find, so the compiler gets only
what it needs to run. Whoever wants it to see more writes so in CC, which is part of every key: CC="env CPATH=/x gcc".
"""

import contextlib
import errno
import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from composit.errors import CompilerNotFoundError
from mosaic.runtime.processes import Finished, run_program

COMPILER_NAMES: Final = ("cc", "gcc", "clang")

# A compiler that cannot say its version in this time will not compile either.
_VERSION_TIMEOUT_S: Final = 30.0

# What the system says of a command that is no program. Other refusals, as of too many processes, may pass.
_NOT_A_PROGRAM: Final = frozenset(
    (errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.EPERM, errno.ENOEXEC, errno.ELOOP, errno.ENAMETOOLONG)
)

# Where programs lie, where compilers and their wrappers keep caches, and where a compiler outside the system's
# directories finds its own libraries. LD_LIBRARY_PATH is part of the compiler's identity, because it decides which
# assembler's or optimiser's library runs.
_HANDED_ON: Final = ("PATH", "HOME", "XDG_CACHE_HOME", "ZIG_GLOBAL_CACHE_DIR", "CCACHE_DIR", "LD_LIBRARY_PATH")

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
    variables = tuple((name, os.environ[name]) for name in _HANDED_ON if name in os.environ)
    return _find_compiler(os.environ.get("CC", "").strip(), variables)


def compiler_environment(directory: Path) -> dict[str, str]:
    """All variables that a compiler sees; its temporary files go to the directory, so that killing it leaves none."""
    private = {"TMPDIR": str(directory), "ZIG_LOCAL_CACHE_DIR": str(directory / "zig"), "LC_ALL": "C"}
    handed_on = {name: os.environ[name] for name in _HANDED_ON if name in os.environ}
    if not _can_write_user_cache(handed_on):  # zig then waits for ever
        private["ZIG_GLOBAL_CACHE_DIR"] = str(directory / "zig")
    return {**handed_on, **private, "PATH": _absolute_path(handed_on.get("PATH", os.defpath))}


def _absolute_path(path: str) -> str:
    """The same directories for a program that runs elsewhere, without the current one, which anybody could have filled."""
    words = [word for word in path.split(os.pathsep) if word not in ("", ".")]
    with contextlib.suppress(FileNotFoundError):  # the current directory was removed, so no relative one exists
        words = [os.path.abspath(word) for word in words]
    return os.pathsep.join(words) or os.defpath


def _can_write_user_cache(variables: Mapping[str, str]) -> bool:
    """Whether zig finds a place for what it keeps, where it looks for one."""
    place = variables.get("ZIG_GLOBAL_CACHE_DIR") or variables.get("XDG_CACHE_HOME") or variables.get("HOME", "")
    if not os.path.isabs(place):
        return False
    nearest = next(each for each in (Path(place), *Path(place).parents) if each.exists())
    return os.access(nearest, os.W_OK | os.X_OK, effective_ids=True)


@lru_cache(maxsize=16)
def _find_compiler(cc: str, variables: tuple[tuple[str, str], ...]) -> Compiler:
    environment = dict(variables)
    if cc:
        return _named_by_cc(cc, environment)
    for argv in _candidates(environment.get("PATH", os.defpath)):
        found = _identify(argv, variables)
        if found is not None:
            return found
    raise CompilerNotFoundError(
        f"compile: no C compiler: CC is not set, none of {', '.join(COMPILER_NAMES)} runs, and the ziglang wheel is "
        f"not installed; compiled code needs one of these: {HOW_TO_GET_ONE}"
    )


def _named_by_cc(cc: str, environment: Mapping[str, str]) -> Compiler:
    try:
        words = shlex.split(cc)
    except ValueError as error:
        raise CompilerNotFoundError(
            f"compile: CC={cc!r} was asked for and is not a command: {error}; CC must be a command with its arguments as "
            f"a shell reads them, or be unset so that {', '.join(COMPILER_NAMES)} are tried"
        ) from error
    command = shutil.which(words[0], path=environment.get("PATH", os.defpath))
    argv = None if command is None else (os.path.abspath(command), *words[1:])
    found = None if argv is None else _identify(argv, tuple(environment.items()))
    if found is None:
        raise CompilerNotFoundError(
            f"compile: CC={cc!r} was asked for and does not run as a C compiler (`{cc} --version` failed); "
            f"CC must be a command that does, or be unset so that {', '.join(COMPILER_NAMES)} are tried"
        )
    return found


def _candidates(path: str) -> list[tuple[str, ...]]:
    """The commands worth trying, in order of preference; absolute, because the compiler runs in another directory."""
    located = [shutil.which(name, path=path) for name in COMPILER_NAMES]
    candidates: list[tuple[str, ...]] = [(os.path.abspath(command),) for command in located if command is not None]
    if importlib.util.find_spec("ziglang") is not None:
        candidates.append((sys.executable, "-m", "ziglang", "cc"))
    return candidates


@lru_cache(maxsize=16)
def _identify(argv: tuple[str, ...], variables: tuple[tuple[str, str], ...]) -> Compiler | None:
    """The compiler behind a command, or None if it does not run; asked once, because one that hangs takes its time.

    Raises: CompilerNotFoundError: no program can be started now
    """
    try:
        finished = _ask_for_version(argv)
    except subprocess.TimeoutExpired:
        return None
    except OSError as error:
        if error.errno in _NOT_A_PROGRAM:
            return None
        raise CompilerNotFoundError(
            f"compile: {shlex.join(argv)} cannot be started: {error}; compiled code needs a process for the compiler; "
            f"raise the limits of this process (`ulimit -a`)"
        ) from error
    if finished.exit_status != 0 or not finished.output.strip():
        return None
    libraries = dict(variables).get("LD_LIBRARY_PATH", "")
    identity = f"{finished.output.strip()}\nLD_LIBRARY_PATH={libraries}" if libraries else finished.output.strip()
    return Compiler(argv, identity, _kind(argv, finished.output))


def _ask_for_version(argv: Sequence[str]) -> Finished:
    with contextlib.ExitStack() as stack:
        directory = "/"
        with contextlib.suppress(OSError):  # only zig writes something
            directory = stack.enter_context(tempfile.TemporaryDirectory())
        environment = compiler_environment(Path(directory))
        return run_program([*argv, "--version"], timeout_s=_VERSION_TIMEOUT_S, environment=environment)


def _kind(argv: tuple[str, ...], version_text: str) -> str:
    if "ziglang" in argv or os.path.basename(argv[0]) == "zig":
        return "zig"
    return "clang" if "clang" in version_text else "gcc"
