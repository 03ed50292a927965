"""The commands that mosaic adds to `python -m composit`: `doctor`, `cache` and `export`."""

import argparse
import sys
from collections.abc import Sequence

from composit.errors import CodeStorageError, CompositError, ParameterError
from composit.files.saving import load_program
from mosaic.exporting.library import export as export_library
from mosaic.runtime.cache import Cache, open_caches
from mosaic.runtime.cache_directory import shown_path
from mosaic.runtime.doctor import examine, report
from mosaic.targets import detect


def doctor(arguments: Sequence[str]) -> int:
    """Report compiler, processor, cache and threads; 0 if everything the compiled path needs is there."""
    parser = argparse.ArgumentParser("python -m composit doctor", description=doctor.__doc__)
    parser.parse_args(arguments)
    findings = examine(detect())
    print(report(findings))
    return int(any(finding.is_needed_and_missing for finding in findings))


def cache(arguments: Sequence[str]) -> int:
    """Show where compiled programs are kept and how much they take; --clear removes them."""
    parser = argparse.ArgumentParser("python -m composit cache", description=cache.__doc__)
    parser.add_argument("--clear", action="store_true", help="remove every stored program")
    options = parser.parse_args(arguments)
    try:
        for store in open_caches():
            _show_cache(store, options.clear)
    except (CodeStorageError, ParameterError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def export(arguments: Sequence[str]) -> int:
    """Write a program of composit.save to a folder as a C library, with a self-test."""
    parser = argparse.ArgumentParser("python -m composit export", description=export.__doc__)
    parser.add_argument("program", help="a file that composit.save wrote with inputs=")
    parser.add_argument("folder", help="new or empty")
    parser.add_argument("--name", default="model", help="of the library, an identifier of C")
    parser.add_argument("--target", help="such as aarch64, x86-64-v3 or generic; without it, this machine")
    options = parser.parse_args(arguments)
    try:
        program = load_program(options.program)
        library = export_library(program, options.folder, name=options.name, target=options.target)
    except (CompositError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"folder     {shown_path(library.folder)}")
    print(f"weights    {library.weights_bytes} bytes")
    print(f"arena      {library.arena_bytes} bytes")
    for function in library.functions:
        print(f"function   {function}")
    return 0


def _show_cache(store: Cache, is_cleared: bool) -> None:
    summary = store.summary()
    print(f"location   {shown_path(summary.location)}")
    print(f"programs   {summary.num_programs}")
    print(f"libraries  {summary.num_libraries}")
    print(f"size       {summary.num_bytes / 2**20:.1f} of {summary.max_bytes / 2**20:.0f} MiB")
    if is_cleared:
        store.clear()
        print(f"cleared    {summary.num_entries} entries")
