"""Says whether networkx's own code is calling.

An algorithm of networkx that changes a graph makes a copy and changes that in place. On an immutable graph its calls
would return new graphs that nobody looks at, and its answer would be wrong without a word. So `copy` and `reverse` give
networkx's code a graph of networkx's, and a changing method that networkx's code calls raises.
"""

import sys


def is_called_from_networkx(depth: int) -> bool:
    """Whether the frame `depth` calls above the caller of this function runs code of networkx."""
    name = sys._getframe(depth + 1).f_globals.get("__name__", "")
    return isinstance(name, str) and name.startswith("networkx.")
