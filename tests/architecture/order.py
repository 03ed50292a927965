"""The order of modules inside a package: who may import whom, and circles.

A line may import the lines before it. Names in one line do not import each other. A module belongs to the longest name that fits:
`mosaic.c` stands for `mosaic.c.walk`; a line of its own for `mosaic.ir.views` takes that module out of `mosaic.ir`.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import networkx
import pytest

from tests.architecture.sources import Import, imports, modules

Lines = tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Order:
    """The lines of one package, from the ground up."""

    package: str
    lines: Lines

    def place(self, module: str) -> str:
        """Return the name in the lines that a module belongs to; the package itself stands for its __init__ alone."""
        known = {name for line in self.lines for name in line}
        place = module
        while place not in known:
            place = place.rpartition(".")[0]
            if place in ("", self.package):
                pytest.fail(f"{module} has no place in the order of imports of {self.package}; give it one")
        return place

    def line(self, module: str) -> int:
        """Return the number of the line that a module belongs to."""
        place = self.place(module)
        return next(number for number, line in enumerate(self.lines) if place in line)

    def arrows_up(self) -> list[Import]:
        """Return the imports of what comes later, and between two names of one line."""
        return [
            found
            for found in _imports_inside(self.package)
            if self.line(found.target) >= self.line(found.importer.name)
            and self.place(found.target) != self.place(found.importer.name)
        ]

    def names_without_a_module(self) -> list[str]:
        """Return the names in the lines that no module belongs to."""
        used = {self.place(module.name) for module in modules() if _is_inside(module.name, self.package)}
        return [name for line in self.lines for name in line if name not in used]


def circles(package: str) -> list[list[str]]:
    """Return the groups of modules of a package that import each other in a circle."""
    graph = networkx.DiGraph([(found.importer.name, found.target) for found in _imports_inside(package)])
    return [sorted(group) for group in networkx.strongly_connected_components(graph) if len(group) > 1]


def _imports_inside(package: str) -> Iterator[Import]:
    for found in imports():
        is_inside = _is_inside(found.importer.name, package) and _is_inside(found.target, package)
        if is_inside and not found.is_typing:
            yield found


def _is_inside(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def shown(order: Order) -> list[list[str]]:
    """Return the lines as docs/architecture.md shows them: names inside the package, without the package itself."""
    lines = [[name.removeprefix(f"{order.package}.") for name in line if name != order.package] for line in order.lines]
    return [line for line in lines if line]
