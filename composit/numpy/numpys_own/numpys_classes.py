"""numpy's own classes of arrays, unchanged: records, and arrays in files (memmap).

They take tensors, since they call asarray. May import nothing of ours.
"""

from numpy import memmap, recarray, test

__all__ = ["memmap", "recarray", "test"]
