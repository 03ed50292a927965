"""Compiling the pieces of C that kernels are made of, and calling them on arrays."""

import ctypes
import subprocess
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from mosaic import c
from mosaic.c.helpers import Helper, in_dependency_order
from mosaic.runtime.compilation import compiler_arguments
from mosaic.runtime.compiler import Compiler, find_compiler
from mosaic.targets import Target

WARNINGS = ("-Wall", "-Wextra", "-Werror")


def source_text(helpers: Iterable[Helper]) -> str:
    """Return a whole file with the helpers."""
    return c.unit_text(c.TranslationUnit(in_dependency_order(helpers)))


def compile_text(text: str, directory: Path, target: Target, compiler: Compiler | None = None) -> Path:
    """Return the library compiled from the text; a warning is an error."""
    chosen = compiler or find_compiler()
    library = directory / f"kernels-{chosen.kind}.so"
    _run(text, directory, target, chosen, ("-o", str(library), "-lm"))
    return library


def assert_compiles(
    text: str, directory: Path, target: Target, compiler: Compiler, warnings: tuple[str, ...] = WARNINGS
) -> None:
    """Compile without linking, so that a target need not be this machine; a warning is an error."""
    _run(text, directory, target, compiler, ("-c", "-o", "kernels.o"), warnings)


def _run(
    text: str,
    directory: Path,
    target: Target,
    compiler: Compiler,
    files: tuple[str, ...],
    warnings: tuple[str, ...] = WARNINGS,
) -> None:
    (directory / "kernels.c").write_text(text)
    command = [*compiler_arguments(compiler, target, warnings), "kernels.c", *files]
    if "-c" in files:
        command.remove("-shared")
    finished = subprocess.run(command, capture_output=True, text=True, check=False, cwd=directory)
    assert finished.returncode == 0, finished.stderr[:4000]


def load_helpers(
    helpers: Iterable[Helper], directory: Path, target: Target, compiler: Compiler | None = None
) -> ctypes.CDLL:
    """Return the loaded library of the helpers."""
    return ctypes.CDLL(str(compile_text(source_text(helpers), directory, target, compiler)))


def call(library: ctypes.CDLL, name: str, *values: int | np.ndarray) -> None:
    """Call a function on integers and arrays, which stay alive until it returns."""
    arguments: list[ctypes.c_void_p | ctypes.c_int64] = []
    for each in values:
        is_array = isinstance(each, np.ndarray)
        arguments.append(ctypes.c_void_p(each.ctypes.data) if is_array else ctypes.c_int64(each))
    library[name](*arguments)
