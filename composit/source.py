"""The user's line that built a node: a code object and an offset, decoded only for an error or a picture."""

from __future__ import annotations

import linecache
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import CodeType, FrameType
from typing import TypeAlias

# The cheap form: reading f_lineno of a long function costs 1.75 us, the instruction offset 0.09 us.
Source: TypeAlias = tuple[CodeType, int]

_internal_prefixes: list[str] = [os.path.dirname(os.path.abspath(__file__)) + os.sep]
# The sources seen in each code object, by its id; None for code of our own. Hashing a code object reads all of its constants
# and takes longer than building a node. `_known_code` keeps the code objects alive, so that no other one gets such an id.
# Nodes of one line share one source: the garbage collector would take longer over thousands of tuples than building takes.
_sources_in: dict[int, dict[int, Source] | None] = {}
_known_code: list[CodeType] = []
MAX_KNOWN_CODE = 1 << 14
_frame_at = sys._getframe


def register_internal_package(directory: str) -> None:
    """Make frames of files below the directory invisible to `find_source`, as frames of composit itself are."""
    prefix = os.path.abspath(directory) + os.sep
    if prefix not in _internal_prefixes:
        _internal_prefixes.append(prefix)
        _forget_code()


def _forget_code() -> None:
    # The answers first: once its code object is gone, an id can belong to another one.
    _sources_in.clear()
    _known_code.clear()


def is_internal(code: CodeType) -> bool:
    """Return whether a function belongs to our packages, so that errors and warnings name its caller."""
    return _look_at(code) is None


def _look_at(code: CodeType) -> dict[int, Source] | None:
    known = _sources_in.get(id(code), _UNKNOWN)
    if known is not _UNKNOWN:
        return known
    if len(_known_code) >= MAX_KNOWN_CODE:
        _forget_code()
    sources: dict[int, Source] | None = None if code.co_filename.startswith(tuple(_internal_prefixes)) else {}
    _known_code.append(code)
    _sources_in[id(code)] = sources
    return sources


_UNKNOWN: dict[int, Source] = {}


def find_source() -> Source | None:
    """Return the user's line that called the function which calls this: the innermost one outside our packages.

    A helper on a measured path gets the source from the public function that calls it. Found in the helper, it would cost
    0.2 us for each frame of ours in between, of 1.4 us for `x + y`. For the same reason the functions below repeat this loop:
    one with a parameter that has a default costs 0.03 us more, one that calls another 0.1 us.
    """
    frame: FrameType | None = _frame_at(2)
    while frame is not None:
        sources = _sources_in.get(id(frame.f_code), _UNKNOWN)
        if sources is _UNKNOWN:
            sources = _look_at(frame.f_code)
        if sources is not None:
            return sources.get(frame.f_lasti) or _add_source(sources, frame)
        frame = frame.f_back
    return None


def source_at(frame: FrameType | None) -> Source | None:
    """Return the innermost line outside our packages, at a frame or above it."""
    while frame is not None:
        sources = _sources_in.get(id(frame.f_code), _UNKNOWN)
        if sources is _UNKNOWN:
            sources = _look_at(frame.f_code)
        if sources is not None:
            return sources.get(frame.f_lasti) or _add_source(sources, frame)
        frame = frame.f_back
    return None


def find_sources(frame: FrameType | None, count: int) -> tuple[Source, ...]:
    """Return up to `count` lines outside our packages, at a frame or above it, the innermost first."""
    found: list[Source] = []
    while frame is not None and count:
        sources = _sources_in.get(id(frame.f_code), _UNKNOWN)
        if sources is _UNKNOWN:
            sources = _look_at(frame.f_code)
        if sources is not None:
            found.append(sources.get(frame.f_lasti) or _add_source(sources, frame))
            count -= 1
        frame = frame.f_back
    return tuple(found)


def _add_source(sources: dict[int, Source], frame: FrameType) -> Source:
    source = sources[frame.f_lasti] = (frame.f_code, frame.f_lasti)
    return source


def warn_user(message: str, category: type[Warning]) -> None:
    """Warn at the innermost line outside our packages, as numpy's C code warns at the line that called it."""
    frame: FrameType | None = _frame_at(1)
    level = 2
    while frame is not None and is_internal(frame.f_code):
        frame = frame.f_back
        level += 1
    warnings.warn(message, category, stacklevel=level)


def line_number(source: Source) -> int:
    """Return the line of the instruction, 1-based."""
    code, offset = source
    for start, stop, line in code.co_lines():
        if start <= offset < stop and line is not None:
            return line
    return code.co_firstlineno


def describe_source(source: Source | None) -> str:
    """Return 'File "a.py", line 3, in f' with the text of the line, as a traceback prints it."""
    if source is None:
        return "(the line that built it is not known)"
    code, line = source[0], line_number(source)
    text = linecache.getline(code.co_filename, line).strip()
    where = f'File "{code.co_filename}", line {line}, in {code.co_name}'
    return f"{where}\n    {text}" if text else where


@contextmanager
def noting(describe: Callable[[], str]) -> Iterator[None]:
    """Add a note to an error of the block, which keeps its class and text."""
    try:
        yield
    except BaseException as error:
        error.add_note(describe())
        raise
