"""`python -m composit COMMAND`: commands that packages register in the entry-point group `composit.commands`.

A command is a function from the remaining arguments to an exit status; the first line of its docstring is its help.
composit has none of its own: `doctor`, `cache` and `export` are mosaic's.
"""

import sys
from collections.abc import Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import Final

GROUP: Final = "composit.commands"


def main(arguments: Sequence[str]) -> int:
    """Run the command that the first argument names."""
    commands = {point.name: point for point in entry_points(group=GROUP)}
    match list(arguments):
        case [name, *rest] if name in commands:
            return int(commands[name].load()(rest))
        case [] | ["-h" | "--help"]:
            print(_usage(commands))
            return 0
        case [name, *_]:
            print(f"python -m composit: there is no command {name!r}\n\n{_usage(commands)}", file=sys.stderr)
    return 2


def _usage(commands: dict[str, EntryPoint]) -> str:
    """One line for each command, or what to do if there is none."""
    if not commands:
        return f"No commands are installed: no package registers any in the entry-point group {GROUP!r}."
    summaries = [
        f"  {name:<10}{(point.load().__doc__ or '').partition(chr(10))[0]}" for name, point in commands.items()
    ]
    return "\n".join(["usage: python -m composit COMMAND [options]", "", *sorted(summaries)])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
