"""Turning C text into a shared library, through the cache.

The flags keep numpy's arithmetic: integers wrap here, and the target adds what its floating point needs; never
-ffast-math, which at link flushes denormals in the whole process. `-march` is always explicit, because a library
compiled for `native` would be loaded on another machine.
"""

import os
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Protocol

from composit.errors import CompileError
from mosaic.runtime.abi import ABI_VERSION
from mosaic.runtime.cache import LIBRARY_FILE, SOURCE_FILE, Cache, content_key, open_cache
from mosaic.runtime.cache_directory import stand_in_root
from mosaic.runtime.compiler import Compiler, find_compiler
from mosaic.runtime.library import Library, load_library
from mosaic.runtime.processes import Finished, run_program
from mosaic.runtime.settings import number_from_environment

Progress = Callable[[str], None]

BASE_FLAGS: Final = (
    "-std=gnu11",
    "-O3",
    "-fwrapv",
    "-fno-strict-aliasing",
    "-shared",
    "-fPIC",
)
KIND_TO_FLAGS: Final = {
    "gcc": ("-pipe",),
    "clang": (),
    # zig turns the sanitizer on by default, whose traps stop vectorisation.
    "zig": ("-fno-sanitize=undefined",),
}
DEFAULT_TIMEOUT_S: Final = 600.0
_MAX_SHOWN_OUTPUT: Final = 6000


class CompileTarget(Protocol):
    """What compilation asks of a target record."""

    @property
    def name(self) -> str: ...

    @property
    def flags(self) -> tuple[str, ...]: ...

    @property
    def zig_flags(self) -> tuple[str, ...]: ...


def compile_library(
    source: str,
    *,
    target: CompileTarget,
    flags: Sequence[str] = (),
    compiler: Compiler | None = None,
    progress: Progress | None = None,
) -> Path:
    """The shared library of a C text: from the cache, or compiled and put there.

    Raises: CompilerNotFoundError: there is no compiler
            CompileError: the compiler fails or does not finish; shows its command and output
    """
    compiler = find_compiler() if compiler is None else compiler
    cache = open_cache()
    arguments = compiler_arguments(compiler, target, flags)
    key = library_key(source, compiler, arguments, target)
    found = cache.lookup_library(key)
    if found is not None:
        return found
    timeout_s = number_from_environment("COMPOSIT_COMPILE_TIMEOUT", DEFAULT_TIMEOUT_S)
    job = _Job(source, (*arguments, SOURCE_FILE, "-o", LIBRARY_FILE, "-lm"), timeout_s, progress)
    try:
        return _compile_into(cache, key, job)
    except OSError as error:  # a full or broken disk must not stop the program
        stand_in = replace(cache, root=stand_in_root(cache.root, error))
        return stand_in.lookup_library(key) or _compile_into(stand_in, key, job)


def compile_and_load(
    source: str,
    *,
    target: CompileTarget,
    flags: Sequence[str] = (),
    compiler: Compiler | None = None,
    progress: Progress | None = None,
) -> Library:
    """The loaded library of a C text; a stored one that does not load is compiled again.

    Raises: CompilerNotFoundError, CompileError: as `compile_library`
    """

    def path() -> Path:
        return compile_library(source, target=target, flags=flags, compiler=compiler, progress=progress)

    stored = path()
    try:
        return load_library(stored)
    except CompileError:  # evicted by another process since it was found, or made for another system
        open_cache().discard(stored)
        return load_library(path())


def compiler_arguments(compiler: Compiler, target: CompileTarget, flags: Sequence[str] = ()) -> tuple[str, ...]:
    """The compiler's command up to the names of the files."""
    target_flags = target.zig_flags if compiler.kind == "zig" else target.flags
    return (*compiler.argv, *BASE_FLAGS, *KIND_TO_FLAGS[compiler.kind], *target_flags, *flags)


def library_key(source: str, compiler: Compiler, arguments: Sequence[str], target: CompileTarget) -> bytes:
    """The name under which the library of a C text is stored: everything its machine code depends on."""
    parts = [source, compiler.identity, target.name, str(ABI_VERSION), *arguments]
    return content_key(*(part.encode() for part in parts))


@dataclass(frozen=True, slots=True)
class _Job:
    """One run of the compiler."""

    source: str
    command: tuple[str, ...]
    timeout_s: float
    progress: Progress | None

    def say(self, message: str) -> None:
        """Tell whoever waits how far it is."""
        if self.progress is not None:
            self.progress(message)


def _compile_into(cache: Cache, key: bytes, job: _Job) -> Path:
    """The library, compiled and stored under its key."""
    started = time.monotonic()
    with cache.staging() as directory:
        (directory / SOURCE_FILE).write_text(job.source, encoding="utf-8")
        job.say(f"compiling {len(job.source) // 1024 + 1} KiB of C with {job.command[0]}")
        _compile(job, directory)
        job.say(f"compiled in {time.monotonic() - started:.1f} s")
        return cache.publish_library(key, directory)


def _compile(job: _Job, directory: Path) -> None:
    """Run the compiler in a directory that ends up with the library and nothing but the library and its source."""
    finished = _run_compiler(job, directory)
    if finished.exit_status != 0 or not (directory / LIBRARY_FILE).is_file():
        raise CompileError(
            f"compile: the C compiler ended with status {finished.exit_status} and should have written a shared "
            f"library; check the compiler with `python -m composit doctor`\n{_shown(job.command, finished.output)}"
        )
    for leftover in directory.iterdir():
        if leftover.is_dir():
            shutil.rmtree(leftover)
        elif leftover.name not in (SOURCE_FILE, LIBRARY_FILE):
            leftover.unlink()


def _run_compiler(job: _Job, directory: Path) -> Finished:
    # Its temporary files go where ours go, so that killing it leaves none behind.
    environment = {**os.environ, "TMPDIR": str(directory), "ZIG_LOCAL_CACHE_DIR": str(directory / "zig"), "LC_ALL": "C"}
    try:
        return run_program(job.command, timeout_s=job.timeout_s, directory=directory, environment=environment)
    except subprocess.TimeoutExpired as error:
        raise CompileError(
            f"compile: the C compiler was given {job.timeout_s:g} s, has not finished, and was stopped with all its "
            f"children; set COMPOSIT_COMPILE_TIMEOUT (seconds) to wait longer\n{_shown(job.command, '')}"
        ) from error
    except OSError as error:
        raise CompileError(
            f"compile: the C compiler cannot be started: {error}; check it with `python -m composit doctor`\n"
            f"{_shown(job.command, '')}"
        ) from error


def _shown(command: Sequence[str], output: str) -> str:
    """The command and what it said, bounded in length."""
    cut = output if len(output) <= _MAX_SHOWN_OUTPUT else output[:_MAX_SHOWN_OUTPUT] + "\n[...]"
    return f"command: {shlex.join(command)}\noutput:\n{cut}"
