"""Loads and unloads shared libraries, and finds their functions.

A library is loaded through a descriptor, so what was checked is what is loaded, even if its path leads elsewhere by
then. It is unloaded with its last `Library`: whoever keeps a function must keep the library too. The dynamic loader is
called through cffi in ABI mode; cffi's own `FFI.dlopen` keeps every library for ever.

Where files must not be executed (a file system mounted noexec), the library is loaded from a copy in anonymous memory.
"""

import contextlib
import itertools
import mmap
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from weakref import WeakValueDictionary

import cffi

from composit.errors import CodeStorageError, CompileError
from mosaic.runtime.abi import ABI_SYMBOL, ABI_VERSION, CALL_HEADER, RUN_SYMBOL, RUNTIME_HEADER, run_declaration
from mosaic.runtime.ownership import why_untrusted

_LOADER_HEADER: Final = """
    void *dlopen(const char *path, int flags);
    void *dlsym(void *library, const char *symbol);
    int dlclose(void *library);
    char *dlerror(void);
"""


def _new_interface() -> cffi.FFI:
    interface = cffi.FFI()
    for header in (RUNTIME_HEADER, CALL_HEADER, _LOADER_HEADER):
        interface.cdef(header)
    return interface


# Made at import, since two threads could make two, whose types would not match.
_INTERFACE: Final = _new_interface()
_LOADER: Final = _INTERFACE.dlopen(None)
_DLOPEN, _DLSYM, _DLCLOSE = _LOADER.dlopen, _LOADER.dlsym, _LOADER.dlclose
# Bound before the first error: looking dlerror up clears the error.
_DLERROR: Final = _LOADER.dlerror

# Libraries that are loaded now, by device and inode of their file. Without it, the loader would note one more name for
# a library at each time it is loaded again.
_LOADED: Final[WeakValueDictionary[tuple[int, int], Any]] = WeakValueDictionary()
_LOAD_NUMBERS: Final = itertools.count(1)


def foreign_interface() -> cffi.FFI:
    """The one cffi interface of the process; every C type used with generated code belongs to it."""
    return _INTERFACE


@dataclass(frozen=True, slots=True)
class Library:
    """A loaded shared library; it stays mapped as long as this or a copy of it lives."""

    path: Path
    handle: Any  # cffi's `void *` that closes the library when it dies

    def function(self, declaration: str, symbol: str) -> Any:
        """The exported function of that name, declared as given; it does not keep the library.

        Raises: CompileError: the library does not export it
        """
        pointer_type = declaration.replace(f"{symbol}(", "(*)(", 1)
        return _INTERFACE.cast(pointer_type, _address(self, symbol, declaration))

    def run_function(self) -> Any:
        """The exported function of generated code."""
        return self.function(run_declaration(), RUN_SYMBOL)


def load_library(path: Path, symbols: Sequence[str] = (), *, stays: bool = False) -> Library:
    """The shared library at a path, which exports the symbols; one that `stays` is never unloaded.

    Raises: CompileError: the file is not ours, the dynamic loader refuses it, it lacks a symbol, or it was made for
                          another version of the interface
            CodeStorageError: nothing that comes from a file may be executed here
    """
    with _opened(path) as descriptor:
        library = Library(path, _handle(path, descriptor, stays))
    for symbol in symbols:
        _address(library, symbol, symbol)
    version = _INTERFACE.cast("const int *", _address(library, ABI_SYMBOL, f"const int {ABI_SYMBOL}"))[0]
    if version != ABI_VERSION:
        raise _refusal(path, f"it was made for version {version} of the interface, and this is {ABI_VERSION}")
    return library


def _address(library: Library, symbol: str, declaration: str) -> Any:
    address = _DLSYM(library.handle, symbol.encode())
    if address == _INTERFACE.NULL:
        raise CompileError(
            f"load: {symbol} was asked of {library.path}, which does not export it; "
            f"generated code must define `{declaration}` without `static`"
        )
    return address


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    """A descriptor of the file at a path, if it is one that we may load code from."""
    try:
        # Without blocking, because the path may be that of a pipe by now.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise _refusal(path, str(error)) from error
    try:
        status = os.fstat(descriptor)
        reason = why_untrusted(status)
        if not stat.S_ISREG(status.st_mode) or status.st_size == 0:
            reason = "it is empty, or no file"
        if reason is not None:
            raise _refusal(path, reason)
        yield descriptor
    finally:
        os.close(descriptor)


def _handle(path: Path, descriptor: int, stays: bool) -> Any:
    status = os.fstat(descriptor)
    place = status.st_dev, status.st_ino
    loaded = None if stays else _LOADED.get(place)
    if loaded is not None:
        return loaded
    if _may_execute(descriptor):
        handle = _load(path, descriptor, stays)
        _LOADED[place] = handle
        return handle
    with _copy_in_memory(path, descriptor) as copy:
        return _load(path, copy, stays)


def _load(path: Path, descriptor: int, stays: bool) -> Any:
    flags = os.RTLD_NOW | os.RTLD_LOCAL | (os.RTLD_NODELETE if stays else 0)
    handle = _DLOPEN(_name_for_loader(path, descriptor), flags)
    if handle == _INTERFACE.NULL:
        raise _refusal(path, f"the dynamic loader says: {_loader_error()}")
    return _INTERFACE.gc(handle, _DLCLOSE)


def _name_for_loader(path: Path, descriptor: int) -> bytes:
    """A name of the open file that no library was loaded under before.

    The loader takes two libraries of one name for the same, and numbers of descriptors are used again. So each name
    spells the way to the descriptor in another way: the bits of a number as `/` and `/.`.
    """
    if not os.path.exists(f"/proc/self/fd/{descriptor}"):  # a bare machine; others cannot change what the path means
        return os.fsencode(path)
    spelling = f"{next(_LOAD_NUMBERS):b}".replace("0", "/").replace("1", "/.")
    return f"/proc/self/fd{spelling}/{descriptor}".encode()


def _loader_error() -> str:
    """The dynamic loader's latest error, without the name that we made up."""
    said = _DLERROR()
    if said == _INTERFACE.NULL:  # another library was unloaded in between
        return "no reason"
    text = str(_INTERFACE.string(said).decode(errors="replace"))
    return text.partition(": ")[2] or text


def _may_execute(descriptor: int) -> bool:
    """Whether the system lets us execute what is in a file."""
    try:
        mmap.mmap(descriptor, 1, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_EXEC).close()
    except OSError:  # mounted noexec, or a file system that cannot map files
        return False
    return True


@contextlib.contextmanager
def _copy_in_memory(path: Path, descriptor: int) -> Iterator[int]:
    try:
        copy = os.memfd_create(path.name, os.MFD_CLOEXEC)
    except OSError as error:
        raise _not_executable(path, str(error.strerror)) from error
    try:
        with open(descriptor, "rb", closefd=False) as file, open(copy, "wb", closefd=False) as memory:
            memory.write(file.read())
        if not _may_execute(copy):
            raise _not_executable(path, "the system refuses to map it as code")
        yield copy
    finally:
        os.close(copy)


def _refusal(path: Path, reason: str) -> CompileError:
    return CompileError(
        f"load: {path} was asked for and cannot be loaded: {reason}; it must be a shared library for this machine that "
        f"only you can write; `python -m composit cache --clear` removes stored ones"
    )


def _not_executable(path: Path, reason: str) -> CodeStorageError:
    place = next(each for each in path.absolute().parents if os.path.ismount(each))
    return CodeStorageError(
        f"load: compiled code must not be executed on the file system at {place}, and neither may a copy in memory: "
        f"{reason}; expected a directory on one that is not mounted noexec; set COMPOSIT_CACHE_DIR to it"
    )
