"""Tables on the screen, and the lines that say on which machine the figures were taken."""

import os
import platform
from collections.abc import Iterable, Sequence
from pathlib import Path


def print_table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Columns as wide as their widest cell; the first is aligned left, the others right."""
    cells = [list(header), *[list(row) for row in rows]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    print(f"\n{title}")
    for number, row in enumerate(cells):
        print(
            "  "
            + row[0].ljust(widths[0])
            + "".join("  " + cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))
        )
        if number == 0:
            print("  " + "-" * (sum(widths) + 2 * (len(widths) - 1)))


def print_as_measured(title: str, header: Sequence[str], rows: Iterable[Sequence[str]], width: int = 32) -> None:
    """The same with each row printed when it is there, for tables that take minutes; `width` is that of the first column."""

    def line(cells: Sequence[str]) -> str:
        rest = zip(cells[1:], header[1:], strict=True)
        return "  " + cells[0].ljust(width) + "".join("  " + cell.rjust(len(name)) for cell, name in rest)

    print(f"\n{title}\n{line(header)}\n  {'-' * (len(line(header)) - 2)}", flush=True)
    for row in rows:
        print(line(row), flush=True)


def machine() -> str:
    """The processor and the number of its cores that this process may use."""
    cores = len(os.sched_getaffinity(0))
    system = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    return f"{_processor_name()}, {cores} cores; {system}"


def _processor_name() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or "unknown processor"
