"""The target of the machine this runs on: the richest row of the table whose features the processor has.

Reads what Linux says about processor and caches; elsewhere the generic row is what can be known.
"""

from __future__ import annotations

import platform
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from composit.errors import ParameterError
from mosaic.targets.table import detection_order, generic, with_bfloat16
from mosaic.targets.target import CacheSizes, Target

_cpuinfo = Path("/proc/cpuinfo")
_cache_directory = Path("/sys/devices/system/cpu/cpu0/cache")
_units = {"K": 1024, "M": 1024**2, "G": 1024**3}


@lru_cache(maxsize=1)
def detect() -> Target:
    """Return the target of this machine, with explicit features and the sizes of its caches."""
    features = _parse_features(_read(_cpuinfo))
    target = choose_target(platform.machine(), features)
    return replace(target, caches=_measured_caches(target.caches))


def choose_target(machine: str, features: frozenset[str]) -> Target:
    """Return the richest target for `machine` that needs no more than `features`."""
    for target in detection_order.get(machine, ()):
        if features.issuperset(target.required_features):
            return target
    return generic


def for_bfloat16(target: Target) -> Target:
    """Return the target with the instructions of this machine that multiply bfloat16.

    Raises:      ParameterError: the processor has none, or the target is another one without them
    """
    if target.bfloat16:
        return target
    features = _parse_features(_read(_cpuinfo))
    for richer in with_bfloat16:
        if richer.march == target.march and features.issuperset(richer.required_features):
            return replace(richer, caches=target.caches)
    raise ParameterError(
        f"compile: precision='bfloat16' was asked for {target.name}, and this machine has neither AMX-BF16 nor AVX512-BF16, which"
        f" multiply such numbers; expected a processor with one of them; compile in float32, which is as fast here"
    )


def check_runs_here(target: Target) -> None:
    """Raise unless this machine can run code for the target: elsewhere a first call would be an illegal instruction.

    Raises:      ParameterError: the processor is another one, or lacks features
    """
    machine = platform.machine()
    names = {each.triple.partition("-")[0] for each in detection_order.get(machine, ())}
    is_other = bool(target.triple) and target.triple.partition("-")[0] not in names
    missing = sorted(set(target.required_features) - _parse_features(_read(_cpuinfo)))
    if is_other or missing:
        lacking = f"this machine is {machine}" if is_other else f"this machine lacks {', '.join(missing)}"
        raise ParameterError(
            f"compile: code for {target.name} was asked for and {lacking}; expected a target that runs here, such as"
            f" {detect().name}; leave target away for this machine, or get C for another one by mosaic.export"
        )


def _parse_features(cpuinfo: str) -> frozenset[str]:
    """Return the features all processors share: some machines have cores of two kinds."""
    lines = [line.partition(":")[2] for line in cpuinfo.splitlines() if line.startswith(("flags", "Features"))]
    sets = [frozenset(line.split()) for line in lines]
    return frozenset.intersection(*sets) if sets else frozenset()


def _measured_caches(default: CacheSizes) -> CacheSizes:
    sizes: dict[str, int] = {}
    for index in sorted(_cache_directory.glob("index*")):
        level, kind, size = (_read(index / each).strip() for each in ("level", "type", "size"))
        if kind != "Instruction" and size[:-1].isdigit() and size[-1] in _units:
            sizes[level] = int(size[:-1]) * _units[size[-1]]
    return CacheSizes(sizes.get("1", default.l1), sizes.get("2", default.l2), sizes.get("3", default.l3))


def _read(path: Path) -> str:
    """Return the text of a file of the kernel, empty where there is none."""
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
