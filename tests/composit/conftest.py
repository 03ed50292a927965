"""A `dot` for the tests of pictures: graphviz's where it is installed, else a stand-in that writes a format's head."""

import shutil
import stat
import sys
from pathlib import Path

import pytest

STAND_IN = """#!{python}
import sys
heads = {{"-Tsvg": b"<?xml?><svg/>", "-Tpng": b"\\x89PNG", "-Tpdf": b"%PDF"}}
sys.stdin.buffer.read()
sys.stdout.buffer.write(next(heads[argument] for argument in sys.argv if argument in heads))
"""


@pytest.fixture
def dot_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    installed = shutil.which("dot")
    if installed is not None:
        return installed
    stand_in = tmp_path / "bin" / "dot"
    stand_in.parent.mkdir()
    stand_in.write_text(STAND_IN.format(python=sys.executable))
    stand_in.chmod(stand_in.stat().st_mode | stat.S_IEXEC)
    monkeypatch.setenv("PATH", str(stand_in.parent), prepend=":")
    return str(stand_in)
