"""numpy's own classes of arrays that are no tensors: records and files in memory.

They take tensors, as everything of numpy's that calls asarray does. May import nothing of ours.
"""

from numpy import memmap, recarray, test

__all__ = ["memmap", "recarray", "test"]
