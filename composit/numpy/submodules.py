"""numpy's submodules under their names, imported when they are first asked for: ours, or numpy's own where it has to do.

May import nothing but by name.
"""

import importlib
from types import ModuleType

import numpy

SUBMODULES = {
    "char": "composit.numpy.char",
    "emath": "composit.numpy.emath",
    "lib": "composit.numpy.lib",
    "polynomial": "composit.numpy.polynomial",
    "rec": "composit.numpy.rec",
    "strings": "composit.numpy.strings",
    "testing": "composit.numpy.testing",
    # numpy's own: what they make are classes of their own, which take tensors.
    "core": "numpy.core",
    "ctypeslib": "numpy.ctypeslib",
    "f2py": "numpy.f2py",
    "ma": "numpy.ma",
    "matlib": "numpy.matlib",
    "typing": "numpy.typing",
}

# Without matlib: numpy warns when it is imported, so a star does not bring it.
__all__ = [name for name in SUBMODULES if name != "matlib"]


def submodule(name: str) -> ModuleType:
    """Return a submodule by its name in numpy; the `__getattr__` of the package.

    Raises:  AttributeError: numpy has no module of this name
    """
    found = SUBMODULES.get(name)
    if found is not None:
        return importlib.import_module(found)
    if not name.startswith("_"):
        # Numpy's own words for names that it has removed say what to write instead; deprecated ones it still has.
        return numpy.__getattr__(name)  # type: ignore[no-any-return]  # numpy does not say what
    raise AttributeError(
        f"module 'composit.numpy' has no attribute {name!r}: expected a name of numpy's; see docs/numpy.md for the"
        " table of all"
    )
