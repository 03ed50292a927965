"""Which compiler is found, and what is said when there is none."""

import errno
import os
import sys
from pathlib import Path

import pytest

from composit.errors import CompileError, CompilerNotFoundError
from mosaic.runtime import compiler as compiler_module
from mosaic.runtime.compiler import compiler_environment, find_compiler
from mosaic.runtime.processes import Finished
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


def test_a_machine_that_starts_no_program_now_may_do_so_later(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **options: object) -> None:
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setenv("CC", "cc -some-option-of-this-test")
    with monkeypatch.context() as patched:
        patched.setattr(compiler_module, "run_program", refuse)
        with pytest.raises(
            CompilerNotFoundError, match=r"cc -some-option.* cannot be started: .*temporarily unavail.*ulimit"
        ):
            find_compiler()
    monkeypatch.setattr(compiler_module, "run_program", lambda *args, **options: Finished(0, "cc 1"))
    assert find_compiler().version == "cc 1"


def test_a_command_that_does_not_run_is_tried_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = tmp_path / "asked"
    monkeypatch.setenv("CC", write_program(tmp_path / "mycc", f"echo once >> {asked}; exit 1\n"))
    for _ in range(3):
        with pytest.raises(CompilerNotFoundError):
            find_compiler()
    assert asked.read_text() == "once\n"


@pytest.mark.parametrize("cc", ['gcc "', "gcc 'x", "gcc \\"])
def test_a_cc_that_no_shell_would_read_is_an_error_that_says_so(cc: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", cc)
    with pytest.raises(CompilerNotFoundError, match=r"was asked for and is not a command: No .*; CC must be a command"):
        find_compiler()


@pytest.mark.parametrize("kind", ["directory", "not executable", "empty word", "silent", "not UTF-8"])
def test_a_cc_that_is_no_compiler_is_an_error(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = {
        "directory": str(tmp_path),
        "not executable": str(tmp_path / "file"),
        "empty word": "''",
        "silent": write_program(tmp_path / "silent", "exit 0\n"),
        "not UTF-8": os.fsdecode(b"/no\xff/cc"),
    }[kind]
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CC", command)
    with pytest.raises(CompilerNotFoundError, match=r"was asked for and does not run as a C compiler"):
        find_compiler()


@pytest.mark.parametrize("cc", ["", "   "])
def test_an_empty_cc_is_as_good_as_none(cc: str, monkeypatch: pytest.MonkeyPatch) -> None:
    unset = find_compiler()
    monkeypatch.setenv("CC", cc)
    assert find_compiler() == unset


@pytest.mark.parametrize(("cc", "path"), [("./tools/mycc -x", ""), ("mycc -x", "tools"), ("mycc -x", "tools:/usr/bin")])
def test_a_relative_command_means_the_current_directory(
    cc: str, path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tools").mkdir()
    command = write_program(tmp_path / "tools" / "mycc", 'echo "my cc 1"\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CC", cc)
    monkeypatch.setenv("PATH", path)
    assert find_compiler().argv == (command, "-x")


def test_a_relative_directory_of_the_path_is_found_from_everywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tools").mkdir()
    command = write_program(tmp_path / "tools" / "cc", 'echo "cc 1"\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "tools")
    assert find_compiler().argv == (command,)


@pytest.mark.parametrize(
    ("path", "expected"),
    [("/bin:tools", "/bin:{cwd}/tools"), (":/bin:.", "/bin"), ("", os.defpath), ("./a/../b", "{cwd}/b")],
)
def test_the_path_of_a_compiler_is_absolute_and_without_the_current_directory(
    path: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", path)
    assert compiler_environment(tmp_path)["PATH"] == expected.format(cwd=tmp_path)


def test_a_compiler_sees_no_variable_that_changes_what_it_makes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("CPATH", "C_INCLUDE_PATH", "LIBRARY_PATH", "GCC_EXEC_PREFIX", "COMPILER_PATH", "LD_RUN_PATH"):
        monkeypatch.setenv(name, "/somewhere")
    for name in ("CFLAGS", "LDFLAGS", "SOURCE_DATE_EPOCH", "DEPENDENCIES_OUTPUT", "LD_PRELOAD", "LANG", "TMPDIR"):
        monkeypatch.setenv(name, "/somewhere")
    monkeypatch.setenv("HOME", str(tmp_path))
    seen = compiler_environment(tmp_path)
    assert seen.keys() <= {
        "PATH",
        "HOME",
        "XDG_CACHE_HOME",
        "ZIG_LOCAL_CACHE_DIR",
        "TMPDIR",
        "LC_ALL",
        "LD_LIBRARY_PATH",
    }
    assert (seen["TMPDIR"], seen["LC_ALL"], seen["HOME"]) == (str(tmp_path), "C", str(tmp_path))


@pytest.mark.parametrize("home", [None, "", "relative", "/nonexistent/nowhere"])
def test_without_a_writable_home_a_compiler_keeps_nothing_there(
    home: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HOME", "XDG_CACHE_HOME", "ZIG_GLOBAL_CACHE_DIR"):
        monkeypatch.delenv(name, raising=False)
    if home is not None:
        monkeypatch.setenv("HOME", home)
    monkeypatch.setattr(os, "access", lambda path, mode, **rules: str(path).startswith(str(tmp_path)))
    assert compiler_environment(tmp_path)["ZIG_GLOBAL_CACHE_DIR"] == str(tmp_path / "zig")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert "ZIG_GLOBAL_CACHE_DIR" not in compiler_environment(tmp_path)


def test_where_a_compiler_finds_its_own_libraries_is_part_of_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LD_LIBRARY_PATH", raising=False)
    plain = find_compiler()
    monkeypatch.setenv("LD_LIBRARY_PATH", "/somewhere")
    assert find_compiler().identity != plain.identity
    assert find_compiler().version == plain.version
