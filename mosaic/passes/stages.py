"""The texts of a program after each pass, as `mosaic.stages` returns them.

The statements of the intermediate form print themselves (`mosaic/ir/statements.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from composit.program import Program
from mosaic.passes.assign_memory import MemoryPlan
from mosaic.passes.split_regions import Step


class Stage(NamedTuple):
    """The name of a pass, and the text of the program after it."""

    name: str
    text: str

    def __str__(self) -> str:
        return f"# {self.name}\n{self.text}"


@dataclass(frozen=True, slots=True)
class FoldedProgram:
    """A program with some values known before it runs."""

    program: Program
    known: Mapping[int, np.ndarray]

    def __str__(self) -> str:
        *lines, last = str(self.program).splitlines()
        for position in self.known:
            lines[position] = f"%{position} = constant : {self.program.instructions[position].types[0]}"
        return "\n".join([*lines, last])


@dataclass(frozen=True, slots=True)
class Steps:
    """Regions and islands in the order in which they run."""

    steps: Sequence[Step]

    def __str__(self) -> str:
        return "\n".join(map(str, self.steps))


@dataclass(frozen=True, slots=True)
class Plans:
    """Where the intermediate results of each region lie."""

    plans: Sequence[MemoryPlan]

    def __str__(self) -> str:
        return "\n".join(f"region {number}: {plan}" for number, plan in enumerate(self.plans))
