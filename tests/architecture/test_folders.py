"""The folders of composit.numpy: their order, which docs/architecture.md gives, and what may be a file or a folder."""

import re
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.architecture.sources import ROOT, Import, Module, imports, modules

_PACKAGE = "composit.numpy"
_DOCUMENT = ROOT / "docs" / "architecture.md"
_HEADING = "## The folders of composit.numpy"

# numpy has a module of this name, which cannot be merged with another.
_OF_NUMPY = "numpy's module"
_SMALL_FILES = {
    "elementwise/complex_values.py": "what rows of the table run: the table holds nothing but rows",
    "lib/stride_tricks.py": _OF_NUMPY,
    "namespaces.py": "the namespace of derivatives' rules on values: all folders compute in it, none is its place",
    "polynomial/polyutils.py": _OF_NUMPY,
    "rec.py": _OF_NUMPY,
    "statistics/histograms.py": "a topic of numpy's reference, of which numpy computes everything",
}
_SMALL_LINES = 40


@cache
def _order() -> dict[str, int]:
    """Return the place in the order for each folder and file right below composit.numpy, as the document has them."""
    section = _DOCUMENT.read_text().partition(_HEADING)[2].partition("\n## ")[0]
    entries = re.findall(r"`(\w+)(?:/|\.py)`", "\n".join(re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)))
    return {entry: place for place, entry in enumerate(entries)}


def _modules() -> list[Module]:
    return [module for module in modules() if module.name.startswith(f"{_PACKAGE}.")]


def _entry(name: str) -> str:
    """Return the folder or file right below composit.numpy that a module is in."""
    return name.removeprefix(f"{_PACKAGE}.").partition(".")[0]


def _imports() -> list[Import]:
    """Return what modules below composit.numpy import from each other, late imports too."""
    return [
        found
        for found in imports()
        if found.importer.name.startswith(f"{_PACKAGE}.") and found.target.startswith(_PACKAGE) and not found.is_typing
    ]


def test_the_document_names_every_folder_and_file() -> None:
    assert set(_order()) == {_entry(module.name) for module in _modules()}


def test_folders_import_only_what_stands_above_them_in_the_document() -> None:
    wrong = [
        str(found)
        for found in _imports()
        if found.target == _PACKAGE or _order()[_entry(found.target)] > _order()[_entry(found.importer.name)]
    ]
    assert not wrong, "\n".join(wrong)


def test_modules_do_not_import_each_other_in_circles() -> None:
    graph: dict[str, set[str]] = {}
    for found in _imports():
        if not found.is_late:
            graph.setdefault(found.importer.name, set()).add(found.target)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"a circle of imports: {' <- '.join(error.args[1])}")


def _folders() -> list[Path]:
    home = ROOT.joinpath(*_PACKAGE.split("."))
    return [path for path in home.iterdir() if path.is_dir() and (path / "__init__.py").is_file()]


def test_no_folder_has_a_single_file() -> None:
    counts = {
        folder.name: len([path for path in folder.glob("*.py") if path.stem != "__init__"]) for folder in _folders()
    }
    assert not {name: count for name, count in counts.items() if count < 2}


def test_no_folder_lies_in_another() -> None:
    assert not [inner for folder in _folders() for inner in folder.rglob("*/__init__.py")]


def test_a_file_is_small_for_a_reason() -> None:
    home = ROOT.joinpath(*_PACKAGE.split("."))
    small = {
        str(module.path.relative_to(home))
        for module in _modules()
        if module.path.name != "__init__.py" and len(module.text.splitlines()) < _SMALL_LINES
    }
    assert small == set(_SMALL_FILES)
