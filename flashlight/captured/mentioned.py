"""`mentioned_in`: the names of variables, attributes and imported modules in the bytecode of a function."""

from __future__ import annotations

from dataclasses import dataclass
from dis import EXTENDED_ARG, opmap
from functools import lru_cache
from types import CodeType


@dataclass(frozen=True, slots=True)
class Mentioned:
    """The names in code. variables: those of global variables; imports: of Python modules; names: all of them"""

    variables: frozenset[str]
    imports: frozenset[str]
    names: frozenset[str]


@lru_cache(maxsize=4096)
def mentioned_in(code: CodeType) -> Mentioned:
    """Return the names that code mentions, without functions inside it, which run by themselves."""
    found: dict[str, set[str]] = {"variables": set(), "imports": set()}
    high = 0
    for opcode, low in zip(code.co_code[::2], code.co_code[1::2], strict=True):
        argument = high | low
        high = argument << 8 if opcode == EXTENDED_ARG else 0
        kind = _KINDS.get(opcode)
        if kind is not None:
            # The lowest bit says how LOAD_GLOBAL calls.
            found[kind].add(code.co_names[argument >> 1 if opcode == _LOAD_GLOBAL else argument])
    return Mentioned(frozenset(found["variables"]), frozenset(found["imports"]), frozenset(code.co_names))


_LOAD_GLOBAL = opmap["LOAD_GLOBAL"]
_KINDS = {
    _LOAD_GLOBAL: "variables",
    **{opmap[name]: "variables" for name in ("LOAD_NAME", "STORE_GLOBAL", "DELETE_GLOBAL")},
    opmap["IMPORT_NAME"]: "imports",
}
