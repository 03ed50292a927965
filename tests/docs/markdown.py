"""Reads the Python blocks of a Markdown file and runs them: in order, as one session, or each alone."""

import doctest
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_FILE = re.compile(r"# file: (\S+)\n")
_FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


@dataclass(frozen=True)
class Block:
    """A fenced Python block and the line of the document it starts at."""

    text: str
    line: int


def python_blocks(document: Path) -> Iterator[Block]:
    """The blocks fenced with ```python, in order."""
    text = document.read_text()
    for match in _BLOCK.finditer(text):
        yield Block(match.group(1), text.count("\n", 0, match.start()) + 2)


def run_document(document: Path, folder: Path) -> int:
    """Runs every block in one namespace and returns how many there were."""
    namespace = _fresh_namespace()
    blocks = list(python_blocks(document))
    for block in blocks:
        _run(block, document, folder, namespace)
    return len(blocks)


def run_alone(block: Block, document: Path, folder: Path) -> None:
    """Runs a block in a namespace of its own, as somebody does who copies it out of the document."""
    _run(block, document, folder, _fresh_namespace())


def _fresh_namespace() -> dict[str, Any]:
    return {"__name__": "__main__"}


def _run(block: Block, document: Path, folder: Path, namespace: dict[str, Any]) -> None:
    """Executes a block; one with prompts (`>>>`) is a doctest, one that begins with `# file: NAME` is written to a file."""
    named = _FILE.match(block.text)
    if named:
        (folder / named.group(1)).write_text(block.text)
    elif ">>> " in block.text:
        _run_doctest(block, document, namespace)
    else:
        # Leading newlines make the line numbers of a traceback those of the document.
        code = compile("\n" * (block.line - 1) + block.text, str(document), "exec")
        exec(code, namespace)


def _run_doctest(block: Block, document: Path, namespace: dict[str, Any]) -> None:
    test = doctest.DocTestParser().get_doctest(block.text, namespace, document.name, str(document), block.line - 1)
    said: list[str] = []
    doctest.DocTestRunner(optionflags=_FLAGS).run(test, out=said.append, clear_globs=False)
    namespace.update(test.globs)
    assert not said, "".join(said)
