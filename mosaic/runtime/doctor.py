"""What this machine offers the compiled path, found by trying it.

A finding is a line of the report. One that is marked needed and missing means that programs run through numpy.
"""

import importlib.metadata
import os
import shutil
import stat
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from composit.errors import CompileError, CompilerNotFoundError
from mosaic.runtime.cache import open_cache
from mosaic.runtime.cache_directory import configured_root
from mosaic.runtime.compilation import CompileTarget
from mosaic.runtime.compiler import find_compiler
from mosaic.runtime.threads import new_runtime, num_available_cores

_PACKAGES: Final = ("numpy", "cffi", "networkx", "pyrsistent", "graphviz", "torch", "ziglang")
_OPTIONAL: Final = frozenset({"torch", "ziglang"})


class DescribedTarget(CompileTarget, Protocol):
    """What the report says of a target."""

    @property
    def vector_bytes(self) -> int: ...

    @property
    def num_vector_registers(self) -> int: ...

    @property
    def required_features(self) -> tuple[str, ...]: ...


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report."""

    topic: str
    text: str
    is_needed_and_missing: bool = False


def examine(target: DescribedTarget) -> tuple[Finding, ...]:
    """Everything the report shows, in its order."""
    cache = _examine_cache()  # first, because whatever compiles would warn about a refused one
    return (
        *_examine_compiler(),
        *_examine_target(target),
        *cache,
        Finding("threads", f"{num_available_cores()} cores for this process, {os.cpu_count()} in the machine"),
        *(_examine_package(name) for name in _PACKAGES),
        _examine_dot(),
    )


def report(findings: Sequence[Finding]) -> str:
    """The findings as a table, with the conclusion below."""
    width = max(len(finding.topic) for finding in findings)
    rows = [f"{'!' if one.is_needed_and_missing else ' '} {one.topic:<{width}}  {one.text}" for one in findings]
    missing = [finding.topic for finding in findings if finding.is_needed_and_missing]
    conclusion = (
        f"missing: {', '.join(missing)}; until then programs run through numpy"
        if missing
        else "everything the compiled path needs is here"
    )
    return "\n".join([*rows, "", conclusion])


def _examine_compiler() -> list[Finding]:
    try:
        compiler = find_compiler()
    except CompilerNotFoundError as error:
        return [Finding("compiler", str(error), is_needed_and_missing=True)]
    found = Finding("compiler", f"{compiler.version} ({' '.join(compiler.argv)})")
    started = time.monotonic()
    try:
        new_runtime(num_available_cores())
    except CompileError as error:
        return [found, Finding("compiles", str(error), is_needed_and_missing=True)]
    return [found, Finding("compiles", f"yes; the runtime library is there after {time.monotonic() - started:.2f} s")]


def _examine_target(target: DescribedTarget) -> list[Finding]:
    text = f"{target.name}: {target.num_vector_registers} registers of {target.vector_bytes} bytes"
    return [
        Finding("target", f"{text} ({' '.join(target.flags)})"),
        Finding("features", " ".join(target.required_features) or "none beyond the architecture's own"),
    ]


def _examine_cache() -> list[Finding]:
    with warnings.catch_warnings(record=True) as refusals:
        warnings.simplefilter("always")
        summary = open_cache().summary()
    mode = stat.S_IMODE(summary.location.stat().st_mode)
    size = f"{summary.num_bytes / 2**20:.1f} of {summary.max_bytes / 2**20:.0f} MiB"
    found = Finding(
        "cache",
        f"{summary.location}, mode {mode:04o}, {size}, {summary.num_programs} programs, "
        f"{summary.num_libraries} libraries",
    )
    refused = summary.location != configured_root()
    reason = str(refusals[0].message) if refusals else "a temporary directory stands in for the one that was refused"
    return [found, Finding("", reason)] if refused else [found]


def _examine_package(name: str) -> Finding:
    try:
        return Finding(name, importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        if name in _OPTIONAL:
            return Finding(name, "not installed (optional)")
        return Finding(name, f"not installed; `pip install {name}`", is_needed_and_missing=True)


def _examine_dot() -> Finding:
    path = shutil.which("dot")
    return Finding("dot", path or "not installed (pictures only; `apt-get install graphviz`)")
