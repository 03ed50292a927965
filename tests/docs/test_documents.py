"""Every Python block of the README and of docs/ runs, and every link between the files leads somewhere."""

import re
import sys
from pathlib import Path

import pytest

from tests.docs.markdown import Block, python_blocks, run_alone, run_document

_ROOT = Path(__file__).resolve().parents[2]
_DOCUMENTS = [_ROOT / "README.md", _ROOT / "CHANGELOG.md", *sorted((_ROOT / "docs").rglob("*.md"))]
_README = _ROOT / "README.md"
_LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)[^)]*\)")


def _name(document: Path) -> str:
    return str(document.relative_to(_ROOT))


@pytest.mark.parametrize(
    "document", [each for each in _DOCUMENTS if each != _README and any(python_blocks(each))], ids=_name
)
def test_the_code_in_a_document_runs(document: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    known = set(sys.modules)
    try:
        assert run_document(document, tmp_path) > 0
    finally:
        for name in set(sys.modules) - known:
            if (tmp_path / f"{name}.py").exists():
                del sys.modules[name]


def test_the_readme_is_written_with_composit_numpy() -> None:
    text = _README.read_text()
    assert "import composit.numpy as cnp" in text
    assert not re.search(r"^import composit as", text, re.MULTILINE)


@pytest.mark.parametrize("block", list(python_blocks(_README)), ids=lambda block: f"line {block.line}")
def test_each_block_of_the_readme_runs_alone(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run_alone(block, _README, tmp_path)


@pytest.mark.parametrize("document", _DOCUMENTS, ids=_name)
def test_the_links_of_a_document_lead_to_files(document: Path) -> None:
    targets = [match.group(1) for match in _LINK.finditer(document.read_text())]
    assert not [target for target in targets if not (document.parent / target).exists()]


def test_every_decision_is_in_the_index_once() -> None:
    folder = _ROOT / "docs" / "decisions"
    listed = [match.group(1) for match in _LINK.finditer((folder / "README.md").read_text())]
    assert sorted(listed) == sorted(page.name for page in folder.glob("*.md") if page.name != "README.md")
