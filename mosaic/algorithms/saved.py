"""Choices as a JSON file, and back: what was chosen for one program is chosen for it again, on the same target."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from composit.errors import ParameterError
from mosaic.algorithms.keys import Wanted
from mosaic.algorithms.occurrence import Occurrence
from mosaic.algorithms.registry import algorithms_of
from mosaic.targets import Target

if TYPE_CHECKING:
    from mosaic.algorithms.choosing import Choice

_FORMAT = 1


def is_saved(given: Any) -> bool:
    """Whether what was given for `algorithms=` names a file of choices."""
    return isinstance(given, os.PathLike) or (isinstance(given, str) and given.endswith(".json"))


def save_choices(path: str | os.PathLike[str], choices: Sequence[Choice], target: Target) -> None:
    """Write the choices: for each operation in order its path, types and algorithm."""
    rows = [{**_identity(each.occurrence), "algorithm": each.algorithm.name} for each in choices]
    content = {"format": _FORMAT, "target": target.name, "choices": rows}
    Path(path).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _identity(occurrence: Occurrence) -> dict[str, Any]:
    """Return what must be equal for a saved choice to be meant for an operation."""
    case = occurrence.case
    return {
        "operation": occurrence.operation,
        "path": occurrence.scope,
        "parameters": repr(case.operation),
        "operands": [str(each) for each in case.operand_types],
    }


def names_saved(path: str | os.PathLike[str], found: Sequence[Occurrence], target: Target) -> Wanted:
    """Return the names that a file says for these operations.

    Raises:  ParameterError: the file is of another program or target, or holds something else; OSError: it cannot be read
    """
    content = _read(path)
    if content["target"] != target.name:
        raise ParameterError(
            f"algorithms: {os.fspath(path)} holds choices for {content['target']}, and what is compiled now is for {target.name}; "
            f"expected a file for the same target; choose anew and save, or compile with target={content['target']!r}"
        )
    rows = content["choices"]
    if len(rows) != len(found):
        raise ParameterError(
            f"algorithms: {os.fspath(path)} holds {len(rows)} choices, and this program has {len(found)} operations with algorithms;"
            " expected the choices of the same program"
        )
    wanted: Wanted = {}
    for row, occurrence in zip(rows, found, strict=True):
        expected = _identity(occurrence)
        differing = [word for word in expected if row.get(word) != expected[word]]
        if differing:
            was = ", ".join(f"{word} {row.get(word)!r}" for word in differing)
            raise ParameterError(
                f"algorithms: in {os.fspath(path)} choice {occurrence.number} of {occurrence.operation} is for {was}, and here"
                f" stands {occurrence}; expected the choices of the same program"
            )
        if row.get("algorithm") not in algorithms_of(occurrence.operation):
            raise ParameterError(
                f"algorithms: {os.fspath(path)} names {row.get('algorithm')!r} for {occurrence}; expected one of"
                f" {', '.join(map(repr, algorithms_of(occurrence.operation)))}; register it first if it is your own"
            )
        wanted[occurrence.key] = (row["algorithm"], f"saved in {os.path.basename(path)}")
    return wanted


def _read(path: str | os.PathLike[str]) -> dict[str, Any]:
    text = Path(path).read_text(encoding="utf-8")
    try:
        content = json.loads(text)
        is_ours = content["format"] == _FORMAT and isinstance(content["target"], str)
        is_ours = is_ours and all(isinstance(row, dict) for row in content["choices"])
    except (ValueError, KeyError, TypeError) as error:
        raise ParameterError(_not_ours(path)) from error
    if not is_ours:
        raise ParameterError(_not_ours(path))
    result: dict[str, Any] = content
    return result


def _not_ours(path: str | os.PathLike[str]) -> str:
    return f"algorithms: {os.fspath(path)} was given, which holds no choices; expected a file that compiled.algorithms.save(...) wrote"
