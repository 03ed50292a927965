"""Loading a shared library and getting at its functions through cffi.

ABI mode: no Python headers are needed, a call costs about 0.3 us and releases the interpreter's lock. A function lives
as long as its `Library`: whoever keeps the one must keep the other.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import cffi

from composit.errors import CompileError
from mosaic.runtime.abi import CALL_HEADER, RUN_SYMBOL, RUNTIME_HEADER, run_declaration


@dataclass(frozen=True, slots=True)
class Library:
    """A loaded shared library."""

    path: Path
    handle: Any  # cffi's library object and its functions have no static type

    def function(self, declaration: str, symbol: str) -> Any:
        """The exported function of that name, declared as given.

        Raises: CompileError: the library does not export it
        """
        _declare(declaration)
        try:
            return getattr(self.handle, symbol)
        except AttributeError as error:
            raise CompileError(
                f"load: {symbol} was asked of {self.path}, which does not export it; "
                f"generated code must define `{declaration}` without `static`"
            ) from error

    def run_function(self, symbol: str = RUN_SYMBOL) -> Any:
        """An exported function with the signature of generated code."""
        return self.function(run_declaration(symbol), symbol)


def _new_interface() -> cffi.FFI:
    interface = cffi.FFI()
    interface.cdef(RUNTIME_HEADER)
    interface.cdef(CALL_HEADER)
    return interface


# Made while the module is imported, because two threads must not make two: their types would not fit each other.
_INTERFACE: Final = _new_interface()


def foreign_interface() -> cffi.FFI:
    """The one cffi interface of the process; every C type used with generated code belongs to it."""
    return _INTERFACE


@lru_cache(maxsize=256)
def _declare(declaration: str) -> None:
    """Make a function's C type known; declaring it again is harmless."""
    foreign_interface().cdef(f"{declaration};")


def load_library(path: Path) -> Library:
    """The shared library at a path.

    Raises: CompileError: the dynamic loader refuses it
    """
    try:
        return Library(path, foreign_interface().dlopen(str(path)))
    except OSError as error:
        raise CompileError(
            f"load: {path} was asked for and the dynamic loader says: {error}; it must be a shared library for this "
            f"machine; `python -m composit cache --clear` removes stored ones"
        ) from error
