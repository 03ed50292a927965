"""`python -m composit doctor`: tries compiler, cache and threads on this machine.

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

from composit.errors import CodeStorageError, CompileError, CompilerNotFoundError, ParameterError
from mosaic.runtime.cache import Cache, open_caches
from mosaic.runtime.cache_directory import NO_ROOT, check_takes_files, configured_root, shown_path, why_refused
from mosaic.runtime.compilation import CompileTarget, compile_timeout_s
from mosaic.runtime.compiler import find_compiler
from mosaic.runtime.threads import num_available_cores, runtime_library

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
    cache = _examine_cache()  # first, else compiling would warn about a refused directory
    return (
        *_examine_compiler(),
        *_examine_target(target),
        *cache,
        *_examine_settings(),
        Finding("threads", f"{num_available_cores()} cores for this process, {os.cpu_count()} in the machine"),
        *(_examine_package(name) for name in _PACKAGES),
        *_examine_torchvision(),
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
        runtime_library()
    except (CompileError, ParameterError) as error:
        return [found, Finding("compiles", str(error), is_needed_and_missing=True)]
    return [found, Finding("compiles", f"yes; the runtime library is there after {time.monotonic() - started:.2f} s")]


def _examine_target(target: DescribedTarget) -> list[Finding]:
    text = f"{target.name}: {target.num_vector_registers} registers of {target.vector_bytes} bytes"
    return [
        Finding("target", f"{text} ({' '.join(target.flags)})"),
        Finding("features", " ".join(target.required_features) or "none beyond the architecture's own"),
    ]


def _examine_cache() -> list[Finding]:
    configured = configured_root()
    refusal = why_refused(configured)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the report says it
        try:
            caches = open_caches()
        except (CodeStorageError, ParameterError) as error:
            return [Finding("cache", str(error), is_needed_and_missing=True)]
    refused = [] if refusal is None else [Finding("", f"{configured or NO_ROOT} is not used: {refusal}")]
    return [finding for cache in caches for finding in _examine_one_cache(cache)] + refused


def _examine_one_cache(cache: Cache) -> list[Finding]:
    try:
        summary = cache.summary()
    except OSError as error:
        return [Finding("cache", f"it cannot be read: {error}", is_needed_and_missing=True)]
    mode = stat.S_IMODE(summary.location.stat().st_mode)
    size = f"{summary.num_bytes / 2**20:.1f} of {summary.max_bytes / 2**20:.0f} MiB"
    findings = [
        Finding(
            "cache",
            f"{shown_path(summary.location)}, mode {mode:04o}, {size}, {summary.num_programs} programs, "
            f"{summary.num_libraries} libraries",
        )
    ]
    try:
        check_takes_files(cache.root)
    except OSError as error:
        findings.append(Finding("", f"it takes no new programs: {error.strerror}"))
    if os.statvfs(cache.root).f_flag & os.ST_NOEXEC:
        findings.append(Finding("", "it is mounted noexec, so code is executed from a copy in memory"))
    return findings


def _examine_settings() -> list[Finding]:
    try:
        return [Finding("time limit", f"{compile_timeout_s():g} s for the compiler")]
    except ParameterError as error:
        return [Finding("time limit", str(error), is_needed_and_missing=True)]


def _examine_package(name: str) -> Finding:
    try:
        return Finding(name, importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        if name in _OPTIONAL:
            return Finding(name, "not installed (optional)")
        return Finding(name, f"not installed; `pip install {name}`", is_needed_and_missing=True)


def _examine_torchvision() -> tuple[Finding, ...]:
    """Say so if torchvision was built for another torch: it cannot be imported then, and neither can transformers."""
    try:
        version, torch = importlib.metadata.version("torchvision"), importlib.metadata.version("torch")
        needs = importlib.metadata.requires("torchvision") or []
    except importlib.metadata.PackageNotFoundError:
        return ()
    built_for = next(
        (need.partition("==")[2].split(";")[0].strip() for need in needs if need.startswith("torch==")), ""
    )
    if not built_for or torch.partition("+")[0] == built_for.partition("+")[0]:
        return (Finding("torchvision", version),)
    text = (
        f"{version} was built for torch {built_for}, and {torch} is installed: it fails to import, and transformers with it; "
        "install the torchvision of this torch's release, or `pip uninstall torchvision`"
    )
    return (Finding("torchvision", text),)


def _examine_dot() -> Finding:
    path = shutil.which("dot")
    return Finding("dot", path or "not installed (pictures only; `apt-get install graphviz`)")
