"""Says whether networkx's own code is calling.

An algorithm of networkx that changes a graph makes a copy and changes that in place. On an immutable graph its calls
would return new graphs that nobody looks at, and its answer would be wrong without a word. So `copy` and `reverse` give
networkx's code a graph of networkx's, and a changing method that networkx's code calls raises.
"""

from types import FrameType


def is_of_networkx(caller: FrameType) -> bool:
    """Whether a function that runs is of networkx."""
    name = caller.f_globals.get("__name__", "")
    return isinstance(name, str) and name.startswith("networkx.")
