"""Reads the Python blocks of a Markdown file and runs them in order, as one session."""

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
    """Runs every block in one namespace and returns how many there were.

    A block that begins with `# file: NAME` is written to that file of `folder` instead; one with prompts (`>>>`) is a
    doctest; any other is executed.
    """
    namespace: dict[str, Any] = {"__name__": "__main__"}
    blocks = list(python_blocks(document))
    for block in blocks:
        named = _FILE.match(block.text)
        if named:
            (folder / named.group(1)).write_text(block.text)
        elif ">>> " in block.text:
            _run_doctest(block, document, namespace)
        else:
            # Leading newlines make the line numbers of a traceback those of the document.
            code = compile("\n" * (block.line - 1) + block.text, str(document), "exec")
            exec(code, namespace)
    return len(blocks)


def _run_doctest(block: Block, document: Path, namespace: dict[str, Any]) -> None:
    test = doctest.DocTestParser().get_doctest(block.text, namespace, document.name, str(document), block.line - 1)
    said: list[str] = []
    doctest.DocTestRunner(optionflags=_FLAGS).run(test, out=said.append, clear_globs=False)
    namespace.update(test.globs)
    assert not said, "".join(said)
