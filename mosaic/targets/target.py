"""What code generation needs to know of a processor, as one frozen record. Imports nothing of mosaic."""

from __future__ import annotations

from dataclasses import dataclass

arithmetic_flags = (
    "-ffp-contract=off",  # x*x - y*y must be 0 for x == y; kernels that want FMA say so
    "-fno-math-errno",  # sqrt as one instruction: nobody reads errno
    "-fno-trapping-math",  # nobody reads the exception flags; values stay IEEE's
)
"""Flags every compilation needs for numpy's arithmetic at speed; never -ffast-math."""

line_bytes = 64
"""A cache line; as many elements are whole lines and whole vectors of any dtype."""


@dataclass(frozen=True, slots=True)
class CacheSizes:
    """Bytes of each level that one core can fill."""

    l1: int
    l2: int
    l3: int


@dataclass(frozen=True, slots=True)
class Target:
    """A processor that C is generated for.

    `required_features` are the names that the kernel's cpuinfo gives to what the code will use; `march` is the
    architecture as gcc and clang name it, `zig_cpu` as zig does; `triple` is for compilers that cross-compile, empty
    for whatever machine the compiler runs on. `bfloat16` says which instructions multiply bfloat16, if any: "tiles" (AMX) or
    "pairs" (AVX512-BF16).
    """

    name: str
    march: str
    zig_cpu: str
    triple: str
    vector_bytes: int
    num_vector_registers: int
    has_fma: bool
    caches: CacheSizes
    required_features: tuple[str, ...] = ()
    tuning_flags: tuple[str, ...] = ()
    pointer_bytes: int = 8
    bfloat16: str = ""

    @property
    def flags(self) -> tuple[str, ...]:
        """Return the flags for gcc and clang: explicit features, no ``native``, and numpy's arithmetic."""
        march = (f"-march={self.march}",) if self.march else ()
        return (*march, *self.tuning_flags, *arithmetic_flags)

    @property
    def zig_flags(self) -> tuple[str, ...]:
        """Return the flags for ``zig cc``, which names processors differently and can always cross-compile."""
        triple = ("-target", self.triple) if self.triple else ()
        cpu = (f"-mcpu={self.zig_cpu}",) if self.zig_cpu else ()
        return (*triple, *cpu, *self.tuning_flags, *arithmetic_flags)

    def lanes(self, item_bytes: int) -> int:
        """Return how many elements of `item_bytes` one vector register holds."""
        return self.vector_bytes // item_bytes
