"""Compiles C text to a shared library, through the cache.

The flags keep numpy's arithmetic: integers wrap here, and the target adds what its floating point needs; never
-ffast-math, which at link flushes denormals in the whole process. `-march` is always explicit, because a library
compiled for `native` would be loaded on another machine.
"""

import os
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final, Protocol, TypeVar

from composit.errors import CodeStorageError, CompileError, CompilerNotFoundError
from mosaic.runtime.abi import ABI_MARK, ABI_VERSION, RUN_SYMBOL
from mosaic.runtime.cache import LIBRARY_FILE, SOURCE_FILE, Cache, Key, content_key, open_caches
from mosaic.runtime.cache_directory import check_takes_files, stand_in_root, without_name
from mosaic.runtime.compiler import Compiler, compiler_environment, find_compiler
from mosaic.runtime.library import Library, load_library
from mosaic.runtime.processes import Finished, run_program
from mosaic.runtime.settings import number_from_environment

Progress = Callable[[str], None]
Checked = TypeVar("Checked")

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
_LARGEST_TIMEOUT_S: Final = 1e6
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
    """The path of the shared library of a C text, which need not be for this machine and is not loaded.

    Raises: as `compile_and_load`
    """
    job = _new_job(source, target, flags, compiler, progress)
    for cache in open_caches():
        for stored in cache.libraries(job.key):
            return stored
    return _compile_somewhere(job, lambda staged: staged, lambda _, published: published)


def compile_and_load(
    source: str,
    *,
    target: CompileTarget,
    symbols: Sequence[str] = (RUN_SYMBOL,),
    flags: Sequence[str] = (),
    compiler: Compiler | None = None,
    progress: Progress | None = None,
    stays: bool = False,
) -> Library:
    """The loaded library of a C text, which exports the symbols: from the cache, or compiled and put there.

    A stored one that cannot be loaded is compiled again. A new one is loaded before it is published, so no process finds
    one that lacks a symbol, and nobody can take it away before it is loaded.

    stays: the library is never unloaded

    Raises: CompilerNotFoundError: there is no compiler, and the cache has nothing that fits
            CompileError: the compiler fails or does not finish; shows its command and output
            CodeStorageError: no directory of this machine takes the library, or it may not be executed
    """
    job = _new_job(source, target, flags, compiler, progress)
    found = load_first(((cache, path) for cache in open_caches() for path in cache.libraries(job.key)), symbols, stays)
    if found is not None:
        return found
    load = partial(load_library, symbols=symbols, stays=stays)
    return _compile_somewhere(job, load, lambda library, published: replace(library, path=published))


def load_first(stored: Iterable[tuple[Cache, Path]], symbols: Sequence[str], stays: bool = False) -> Library | None:
    """The first of some stored libraries that can be loaded; those before it are forgotten.

    Raises: CodeStorageError: nothing may be executed here
    """
    for cache, path in stored:
        try:
            return load_library(path, symbols, stays=stays)
        except CodeStorageError:
            raise
        except CompileError:  # evicted since it was found, broken when it was compiled, or made for another system
            cache.discard(path)
    return None


def compiler_arguments(compiler: Compiler, target: CompileTarget, flags: Sequence[str] = ()) -> tuple[str, ...]:
    """The compiler's command up to the names of the files."""
    target_flags = target.zig_flags if compiler.kind == "zig" else target.flags
    return (*compiler.argv, *BASE_FLAGS, *KIND_TO_FLAGS[compiler.kind], *target_flags, *flags)


def library_key(source: str, target: CompileTarget, flags: Sequence[str] = (), compiler: Compiler | None = None) -> Key:
    """The name under which the library of a C text is stored: everything its machine code depends on."""
    content = [source, target.name, str(ABI_VERSION), *BASE_FLAGS, *target.flags, *flags]
    maker = None if compiler is None else maker_digest(compiler, compiler_arguments(compiler, target, flags))
    return Key(content_key(*map(os.fsencode, content)), maker)


def compile_timeout_s() -> float:
    """How long a compiler may run.

    Raises: ParameterError: the setting is no number of seconds
    """
    return number_from_environment("COMPOSIT_COMPILE_TIMEOUT", DEFAULT_TIMEOUT_S, _LARGEST_TIMEOUT_S)


def maker_digest(compiler: Compiler, arguments: Sequence[str]) -> bytes:
    """The sum over the compiler and its arguments."""
    return content_key(*map(os.fsencode, (compiler.identity, *arguments)))


@dataclass(frozen=True, slots=True)
class _Job:
    """What is to be compiled; without a command, because there is no compiler, it can only be looked up."""

    source: str
    key: Key
    command: tuple[str, ...]
    missing: CompilerNotFoundError | None
    progress: Progress | None

    def say(self, message: str) -> None:
        """Tell whoever waits how far it is."""
        if self.progress is not None:
            self.progress(message)


def _new_job(
    source: str, target: CompileTarget, flags: Sequence[str], compiler: Compiler | None, progress: Progress | None
) -> _Job:
    try:
        chosen = find_compiler() if compiler is None else compiler
    except CompilerNotFoundError as error:
        return _Job(source, library_key(source, target, flags), (), error, progress)
    command = (*compiler_arguments(chosen, target, flags), SOURCE_FILE, "-o", LIBRARY_FILE, "-lm")
    return _Job(source, library_key(source, target, flags, chosen), command, None, progress)


def _compile_somewhere(
    job: _Job, check: Callable[[Path], Checked], published: Callable[[Checked, Path], Checked]
) -> Checked:
    """What `check` makes of the new library, once that is stored; the first directory that takes it is used."""
    if job.missing is not None:
        raise job.missing
    cache = open_caches()[-1]
    while True:
        try:
            return _compile_into(cache, job, check, published)
        except OSError as error:  # a full or broken disk must not stop the program
            cache = replace(cache, root=stand_in_root(cache.root, without_name(error)))


def _compile_into(
    cache: Cache, job: _Job, check: Callable[[Path], Checked], published: Callable[[Checked, Path], Checked]
) -> Checked:
    started = time.monotonic()
    with cache.staging() as directory:
        (directory / SOURCE_FILE).write_text(job.source + ABI_MARK, encoding="utf-8")
        job.say(f"compiling {len(job.source) // 1024 + 1} KiB of C with {job.command[0]}")
        _compile(job, directory)
        checked = check(directory / LIBRARY_FILE)
        job.say(f"compiled in {time.monotonic() - started:.1f} s")
        return published(checked, cache.publish_library(job.key, directory))


def _compile(job: _Job, directory: Path) -> None:
    """Run the compiler in a directory that ends up with the library and nothing but the library and its source.

    Raises: OSError: it failed, and the directory has no room; CompileError: it failed for another reason
    """
    finished = _run_compiler(job, directory)
    if finished.exit_status != 0 or not (directory / LIBRARY_FILE).is_file():
        check_takes_files(directory)
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
    timeout_s = compile_timeout_s()
    environment = compiler_environment(directory)
    try:
        return run_program(job.command, timeout_s=timeout_s, directory=directory, environment=environment)
    except subprocess.TimeoutExpired as error:
        raise CompileError(
            f"compile: the C compiler was given {timeout_s:g} s, has not finished, and was stopped with all its "
            f"children; set COMPOSIT_COMPILE_TIMEOUT (seconds) to wait longer\n{_shown(job.command, '')}"
        ) from error
    except OSError as error:
        raise CompilerNotFoundError(
            f"compile: the C compiler cannot be started: {error}; check it with `python -m composit doctor`\n"
            f"{_shown(job.command, '')}"
        ) from error


def _shown(command: Sequence[str], output: str) -> str:
    """The command and what it said, bounded in length."""
    cut = output if len(output) <= _MAX_SHOWN_OUTPUT else output[:_MAX_SHOWN_OUTPUT] + "\n[...]"
    return f"command: {shlex.join(command)}\noutput:\n{cut}"
