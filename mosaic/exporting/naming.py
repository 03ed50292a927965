"""Names of C: of the library, its functions and their arguments."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from composit.errors import ParameterError

_identifier: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_keywords: Final = frozenset(
    "auto break case char const continue default do double else enum extern float for goto if inline int long register restrict"
    " return short signed sizeof static struct switch typedef union unsigned void volatile while"
    # Of C++, whose programs include the header too, and names that the functions use themselves.
    " and bool catch class delete export false friend namespace new not operator or private protected public template this throw"
    " true try typename using virtual wchar_t xor"
    " weights arena inputs outputs status main".split()
)

# A library's name is also that of a header, an archive and a target of CMake, which keep some names for themselves.
_names_of_libraries: Final = frozenset(
    "assert complex ctype errno fenv inttypes iso646 limits locale math setjmp signal stdalign stdarg stdatomic stdbool stddef stdint"
    " stdio stdlib stdnoreturn string tgmath threads time uchar wchar wctype"
    " c m pthread"
    " all clean edit_cache help install list_install_components package preinstall rebuild_cache test".split()
)


def check_library_name(name: object) -> str:
    """Return the name of a library.

    Raises:  ParameterError: C cannot call anything so, or the name is that of a standard header, library or target of CMake
    """
    if name in _names_of_libraries:
        raise ParameterError(
            f"export: the library is called {name!r}, as a standard header, library or target of CMake is; expected a name of its own, "
            f"such as 'my_{name}'"
        )
    return check_name(name, "the library")


def check_name(name: object, what: str) -> str:
    """Return the name of a library or a function.

    Raises:  ParameterError: C cannot call anything so
    """
    if isinstance(name, str) and _identifier.fullmatch(name) and name not in _keywords:
        return name
    raise ParameterError(
        f"export: {what} is called {name!r:.60}, which is no identifier of C; expected a letter, then letters, digits and _, and no word"
        " of C itself; pass another name"
    )


def argument_names(wanted: Iterable[str], taken: set[str], stand_in: str) -> list[str]:
    """Return an identifier for each wanted name, all different and none of `taken`, to which they are added.

    stand_in: for arguments without a name, with their number
    """
    names = []
    for number, text in enumerate(wanted):
        name = re.sub(r"\W+", "_", text, flags=re.ASCII).strip("_") or f"{stand_in}_{number}"
        if not name[0].isalpha():
            name = f"{stand_in}_{name}"
        if name in _keywords or name in taken:
            name = f"{name}_{number}"
        while name in taken:
            name += "_"
        taken.add(name)
        names.append(name)
    return names
