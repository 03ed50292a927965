"""Leases of memory to calls: arenas and large outputs, shared by all functions of one program.

Regions of a program run one after the other: they take turns in one arena, and outputs of one become free blocks for
the next. A thousand regions thus need no more than the largest.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from mosaic.runtime.arena import allocate_block
from mosaic.runtime.library import foreign_interface
from mosaic.runtime.outputs import FreeBlocks


def _no_arenas() -> Any:
    return foreign_interface().new("struct mosaic_arenas *")


@dataclass(frozen=True, slots=True)
class CallMemory:
    """The memory that the functions of one program share.

    arena_bytes: the size of every arena: what the function that needs most needs
    largest:     describes what takes most memory, for an error
    blocks:      free memory of large outputs
    in_c:        the free arenas of builtin functions (builtin.c)
    """

    arena_bytes: int
    largest: Callable[[], str] = str
    blocks: FreeBlocks = field(default_factory=FreeBlocks)
    in_c: Any = field(default_factory=_no_arenas)  # Any: cffi's objects have no static type
    _free: list[Any] = field(default_factory=list)
    _made_for_c: list[Any] = field(default_factory=list)

    def take_arena(self) -> Any:
        """An arena that nobody uses, as a pointer that owns its memory; NULL if none is needed."""
        if not self.arena_bytes:
            return foreign_interface().NULL
        try:
            return self._free.pop()
        except IndexError:
            return allocate_block(self.arena_bytes).pointer()

    def give_back(self, arena: Any) -> None:
        """Return an arena to the free list; appending is atomic."""
        if self.arena_bytes:
            self._free.append(arena)

    def make_arena(self) -> int:
        """The address of one more arena for builtin functions, which lives as long as this."""
        # A free one holds the address of the next.
        self._made_for_c.append(allocate_block(max(self.arena_bytes, 64)).pointer())
        return int(foreign_interface().cast("intptr_t", self._made_for_c[-1]))
