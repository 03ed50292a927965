"""`mosaic.export`: writes a C library to a folder. The only module here that touches files."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from composit.errors import OperandError, ParameterError, ShapeError
from composit.operation import Array
from mosaic.exporting.build_files import cmake_text, makefile_text, readme_text
from mosaic.exporting.entries import Entry, Settings, entries_of
from mosaic.exporting.naming import check_library_name, check_name
from mosaic.exporting.selftest import record, selftest_text
from mosaic.exporting.sources import header_text, prototype, source_text
from mosaic.exporting.weights import MOST_BYTES_IN_C, array_text, weights_of
from mosaic.targets import get_target


@dataclass(frozen=True, slots=True)
class ExportedLibrary:
    """What was written.

    functions: the declarations of its functions
    files:     names of the files in the folder
    """

    folder: Path
    functions: tuple[str, ...]
    files: tuple[str, ...]
    arena_bytes: int
    weights_bytes: int


def export(
    what: Any,
    folder: str | os.PathLike[str],
    *,
    name: str = "model",
    inputs: Any = None,
    examples: Any = None,
    target: Any = None,
    guards: str = "check",
    algorithms: Any = None,
) -> ExportedLibrary:
    """Write a C library that computes the same without Python, with a header, build files, a self-test and a README.

    The functions use the caller's memory only: no heap, no threads, no files. `docs/export.md` shows one.

    what:       a compiled model; a program from `composit.load`; tensors, with `inputs=`; or a dictionary of these by the names
                of their functions, in which tensors stand as (outputs, inputs). One alone is called "forward"
    folder:     new or empty
    name:       of the library, an identifier of C: the functions are name_forward, ...
    inputs:     the tensors whose values a call gives, where `what` is tensors: a list, or a dictionary by name
    examples:   arrays for the inputs to record for the self-test: a list, or by function a dictionary of lists. Else the values
                that the tensors have, or random numbers
    target:     a name such as "aarch64", "x86-64-v3", or "generic" for any processor; None is that of a compiled model, or this machine
    guards:     "check" raises if Python read values while the graph was built, since C does not compare them

    Raises:     UnsupportedOperationError: an operation or dtype has no C, or Python read values; ParameterError: names, folder
    Example:
        >>> import composit.numpy as cnp, mosaic, tempfile
        >>> x = cnp.with_name(cnp.ones((2,), dtype="float32"), "x")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     mosaic.export({"y": cnp.exp(x) + 1}, folder, name="growth", inputs=[x]).functions
        ('int growth_forward(const float *x, float *y, const void *weights, void *arena)',)
    """
    check_library_name(name)
    path = _empty_folder(Path(folder))
    settings = Settings(inputs, None if target is None else get_target(target), guards, algorithms)
    entries = entries_of(what, settings, "forward")
    _check_entries(entries)
    entries = _with_examples(entries, examples)
    files = _files(name, entries)
    path.mkdir(parents=True, exist_ok=True)
    for file, content in files.items():
        (path / file).write_bytes(content.encode() if isinstance(content, str) else content)
    arena = max(entry.arena_bytes for entry in entries)
    functions = tuple(prototype(name, entry) for entry in entries)
    return ExportedLibrary(path, functions, tuple(files), arena, weights_of(entries).block.size)


def _empty_folder(folder: Path) -> Path:
    if folder.exists() and not folder.is_dir():
        raise ParameterError(f"export: {folder} is a file; expected a folder that is new or empty; pass another path")
    if folder.is_dir() and any(folder.iterdir()):
        raise ParameterError(
            f"export: {folder} is not empty, and nothing in it is overwritten; expected a folder that is new or empty; remove what is"
            " there, or pass another one"
        )
    return folder


def _check_entries(entries: Sequence[Entry]) -> None:
    if not entries:
        raise OperandError("export: an empty dictionary was given; expected a function or more; give what they compute")
    for entry in entries:
        check_name(entry.name, "a function")
    lowered = [entry.name.lower() for entry in entries]
    if len(set(lowered)) != len(lowered):
        raise ParameterError(
            f"export: functions are called {', '.join(entry.name for entry in entries)}; expected names that differ in more than capitals,"
            " since constants are called by them"
        )
    targets = {entry.target.name for entry in entries}
    if len(targets) > 1:
        raise ParameterError(
            f"export: functions are for {', '.join(sorted(targets))}; expected one target; compile them for one"
        )


def _with_examples(entries: Sequence[Entry], examples: Any) -> list[Entry]:
    if examples is None:
        return list(entries)
    by_name = examples if isinstance(examples, Mapping) else {entries[0].name: examples}
    unknown = by_name.keys() - {entry.name for entry in entries}
    if unknown or (len(entries) > 1 and not isinstance(examples, Mapping)):
        raise ParameterError(
            f"export: examples are for {', '.join(map(str, by_name))}; expected a dictionary with lists of arrays for"
            f" {', '.join(entry.name for entry in entries)}"
        )
    return [_with_given(entry, by_name[entry.name]) if entry.name in by_name else entry for entry in entries]


def _with_given(entry: Entry, arrays: Sequence[Any]) -> Entry:
    given: tuple[Array, ...] = tuple(np.asarray(each) for each in arrays)
    wanted = [(each.type.shape, each.type.dtype) for each in entry.inputs]
    if [(each.shape, each.dtype) for each in given] != wanted:
        raise ShapeError(
            f"export: examples for {entry.name} are {', '.join(f'{each.dtype}{list(each.shape)}' for each in given)}; expected"
            f" {', '.join(str(each.type) for each in entry.inputs)}; give one array for each input, in order"
        )
    return replace(entry, given=given)


def _files(name: str, entries: Sequence[Entry]) -> dict[str, str | bytes]:
    """Return the content of each file by its name."""
    weights, recorded = weights_of(entries), record(entries)
    sources = [f"{name}_{entry.name}" for entry in entries]
    files: dict[str, str | bytes] = {f"{name}.h": header_text(name, entries, weights)}
    for entry, start in zip(entries, weights.starts, strict=True):
        files[f"{name}_{entry.name}.c"] = source_text(name, entry, start)
    if weights.block.size:
        files[f"{name}_weights.bin"] = weights.block.tobytes()
    if 0 < weights.block.size <= MOST_BYTES_IN_C:
        sources.append(f"{name}_weights")
        files[f"{name}_weights.c"] = f'#include "{name}.h"\n\n{array_text(f"{name}_weights", weights.block.tobytes())}'
    files[f"{name}_selftest.c"] = selftest_text(name, entries, weights, recorded)
    if not recorded.is_in_c:
        files[f"{name}_recorded.bin"] = recorded.content
    target = entries[0].target
    files["Makefile"] = makefile_text(name, sources, target)
    files["CMakeLists.txt"] = cmake_text(name, sources, target)
    files["README.md"] = readme_text(name, entries, weights, [*files, "README.md"])
    return files
