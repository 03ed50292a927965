"""Which compiler is found, and what is said when there is none."""

import sys
from pathlib import Path

import pytest

from composit.errors import CompileError, CompilerNotFoundError
from mosaic.runtime import compiler as compiler_module
from mosaic.runtime.compiler import find_compiler
from tests.mosaic.runtime.programs import write_program


def test_the_command_in_cc_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = write_program(tmp_path / "mycc", 'echo "my clang version 99"\n')
    monkeypatch.setenv("CC", f"{command} -some-option")
    found = find_compiler()
    assert found.argv == (command, "-some-option")
    assert (found.kind, found.version) == ("clang", "my clang version 99")


def test_the_first_compiler_on_the_path_that_runs_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_program(tmp_path / "cc", "exit 1\n")
    works = write_program(tmp_path / "gcc", 'echo "gcc 77"\n')
    monkeypatch.setenv("PATH", f"{tmp_path}")
    assert find_compiler().argv == (works,)
    assert find_compiler().kind == "gcc"


def test_without_one_on_the_path_the_ziglang_wheel_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    found = find_compiler()
    assert found.argv == (sys.executable, "-m", "ziglang", "cc")
    assert found.kind == "zig"


def test_without_any_the_error_says_how_to_get_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(compiler_module.importlib.util, "find_spec", lambda name: None)
    compiler_module._find_compiler.cache_clear()
    with pytest.raises(CompilerNotFoundError, match=r"no C compiler.*apt-get install gcc.*pip install ziglang.*CC"):
        find_compiler()


def test_a_cc_that_does_not_run_is_an_error_and_not_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "no-such-compiler -O2")
    with pytest.raises(CompilerNotFoundError, match=r"CC='no-such-compiler -O2' was asked for"):
        find_compiler()
    assert issubclass(CompilerNotFoundError, CompileError)


def test_a_command_that_does_not_run_is_tried_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = tmp_path / "asked"
    monkeypatch.setenv("CC", write_program(tmp_path / "mycc", f"echo once >> {asked}; exit 1\n"))
    for _ in range(3):
        with pytest.raises(CompilerNotFoundError):
            find_compiler()
    assert asked.read_text() == "once\n"
