"""The targets that have a name. Rows only: adding a processor is adding a row."""

from __future__ import annotations

from dataclasses import replace

from mosaic.targets.target import CacheSizes, Target

_KiB = 1024

# Features as /proc/cpuinfo spells them; the levels are those of the x86-64 psABI, chapter 3.1.1.
_v2_features = ("cx16", "lahf_lm", "popcnt", "pni", "sse4_1", "sse4_2", "ssse3")
_v3_features = (*_v2_features, "avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "xsave")
_v4_features = (*_v3_features, "avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl")

x86_64_v4 = Target(
    name="x86-64-v4",
    march="x86-64-v4",
    zig_cpu="x86_64_v4",
    triple="x86_64-linux-gnu",
    vector_bytes=64,
    num_vector_registers=32,
    has_fma=True,
    caches=CacheSizes(32 * _KiB, 1024 * _KiB, 16 * 1024 * _KiB),
    required_features=_v4_features,
    tuning_flags=("-mprefer-vector-width=512",),
)
x86_64_v4_tiles = replace(
    x86_64_v4,
    name="x86-64-v4+amx-bf16",
    zig_cpu="x86_64_v4+amx_tile+amx_bf16",
    required_features=(*_v4_features, "amx_tile", "amx_bf16"),
    tuning_flags=(*x86_64_v4.tuning_flags, "-mamx-tile", "-mamx-bf16"),
    bfloat16="tiles",
)
x86_64_v4_pairs = replace(
    x86_64_v4,
    name="x86-64-v4+avx512-bf16",
    zig_cpu="x86_64_v4+avx512bf16",
    required_features=(*_v4_features, "avx512_bf16"),
    tuning_flags=(*x86_64_v4.tuning_flags, "-mavx512bf16"),
    bfloat16="pairs",
)
x86_64_v3 = Target(
    name="x86-64-v3",
    march="x86-64-v3",
    zig_cpu="x86_64_v3",
    triple="x86_64-linux-gnu",
    vector_bytes=32,
    num_vector_registers=16,
    has_fma=True,
    caches=CacheSizes(32 * _KiB, 256 * _KiB, 8 * 1024 * _KiB),
    required_features=_v3_features,
)
x86_64_v2 = Target(
    name="x86-64-v2",
    march="x86-64-v2",
    zig_cpu="x86_64_v2",
    triple="x86_64-linux-gnu",
    vector_bytes=16,
    num_vector_registers=16,
    has_fma=False,
    caches=CacheSizes(32 * _KiB, 256 * _KiB, 4 * 1024 * _KiB),
    required_features=_v2_features,
)
aarch64 = Target(
    name="aarch64",
    march="armv8-a",
    zig_cpu="generic",
    triple="aarch64-linux-gnu",
    vector_bytes=16,
    num_vector_registers=32,
    has_fma=True,
    caches=CacheSizes(64 * _KiB, 512 * _KiB, 4 * 1024 * _KiB),
    required_features=("asimd", "fp"),
)
generic = Target(
    name="generic",
    march="",
    zig_cpu="",
    triple="",
    vector_bytes=16,
    num_vector_registers=16,
    has_fma=False,
    caches=CacheSizes(32 * _KiB, 256 * _KiB, 1024 * _KiB),
)

with_bfloat16 = (x86_64_v4_tiles, x86_64_v4_pairs)
"""Targets with instructions that multiply bfloat16, the fastest first; code for them is made only where these are asked for."""

named_targets = {target.name: target for target in (x86_64_v4, x86_64_v3, x86_64_v2, aarch64, generic)}
detection_order = {
    "x86_64": (x86_64_v4, x86_64_v3, x86_64_v2, generic),
    "AMD64": (x86_64_v4, x86_64_v3, x86_64_v2, generic),
    "aarch64": (aarch64, generic),
    "arm64": (aarch64, generic),
}
"""Machine as `platform.machine` names it -> targets from the most to the least capable."""
