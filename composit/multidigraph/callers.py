"""Finds out whether networkx's own code is calling.

An algorithm of networkx that changes a graph copies it and changes the copy in place. On our immutable graph its calls
would return new graphs that it drops, and its answer would be wrong. So `copy` and `reverse` return a graph of
networkx's class when networkx calls them, and methods that change a graph raise.
"""

from types import FrameType


def is_of_networkx(caller: FrameType) -> bool:
    """Whether the frame runs code of networkx."""
    name = caller.f_globals.get("__name__", "")
    return isinstance(name, str) and name.startswith("networkx.")
