"""Shows numpy's floating-point warnings at the user's line that built the operation, not at our line that runs it.

numpy warns of the line of Python that calls it. All evaluations would warn of one line of ours, and Python, which shows a
warning once per line, would show only the first. So evaluation makes numpy write instead of warn (`composit/errstates.py`), and
the text becomes a warning here.
"""

from __future__ import annotations

import sys
import warnings
from types import FrameType
from typing import Any

from composit.hooks import hooks
from composit.source import Source, find_source, line_number


def warn_of_operation(text: str) -> None:
    """Warn of the user's line that built the operation which is running."""
    _warn_at(_running_source(), text)


def _running_source() -> Source | None:
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        source_in = hooks.code_to_source.get(frame.f_code)
        if source_in is not None:
            return source_in(frame.f_locals)
        frame = frame.f_back
    return find_source()


def _warn_at(source: Source | None, text: str) -> None:
    if source is None:
        warnings.warn(text, RuntimeWarning, stacklevel=1)
        return
    code, line = source[0], line_number(source)
    names = _names_of(code.co_filename)
    registry = names.setdefault("__warningregistry__", {})
    module = names.get("__name__", code.co_filename.removesuffix(".py"))
    warnings.warn_explicit(text, RuntimeWarning, code.co_filename, line, module, registry)


# Registries of shown warnings for files that are no modules; modules hold their own.
_others: dict[str, dict[str, Any]] = {}
MAX_OTHER_FILES = 256


def _names_of(filename: str) -> dict[str, Any]:
    for module in list(sys.modules.values()):
        if getattr(module, "__file__", None) == filename:
            return vars(module)
    if len(_others) >= MAX_OTHER_FILES:
        _others.clear()
    return _others.setdefault(filename, {})
