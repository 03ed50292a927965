"""Arrays read from and written to files, text and buffers. May import calls."""

import numpy as np

from composit.numpy.calls.numpy_function import without_rule

__all__ = [
    "asarray_chkfinite",
    "frombuffer",
    "fromfile",
    "fromfunction",
    "fromiter",
    "fromregex",
    "fromstring",
    "genfromtxt",
    "load",
    "loadtxt",
    "save",
    "savetxt",
    "savez",
    "savez_compressed",
]

frombuffer = without_rule(np.frombuffer)
fromfile = without_rule(np.fromfile)
fromfunction = without_rule(np.fromfunction)
fromiter = without_rule(np.fromiter)
fromregex = without_rule(np.fromregex)
fromstring = without_rule(np.fromstring)
genfromtxt = without_rule(np.genfromtxt)
load = without_rule(np.load)
loadtxt = without_rule(np.loadtxt)
save = without_rule(np.save)
savetxt = without_rule(np.savetxt)
savez = without_rule(np.savez)
savez_compressed = without_rule(np.savez_compressed)
asarray_chkfinite = without_rule(np.asarray_chkfinite)
