"""From C text to a loaded library, and what happens when the compiler does not do its part."""

import errno
import os
import re
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from composit.errors import CompileError, CompilerNotFoundError, ParameterError
from mosaic.runtime import cache as cache_module
from mosaic.runtime import compilation
from mosaic.runtime.abi import ABI_VERSION, RUNTIME_SOURCE
from mosaic.runtime.cache import Cache, Key
from mosaic.runtime.compilation import compile_and_load, compile_library, compiler_arguments, library_key
from mosaic.runtime.compiler import Compiler, find_compiler
from mosaic.runtime.library import load_library
from mosaic.runtime.private_directory import owned_directory
from mosaic.targets import Target, get_target, named_targets
from tests.mosaic.runtime.programs import (
    ADD_SOURCE,
    COMPILE_ADD,
    PATIENCE_S,
    ends_soon,
    files_below,
    start_python,
    write_program,
)

GCC = Compiler(("gcc",), "gcc 12", "gcc")


def key_of(library: Path) -> Key:
    return Key(*(bytes.fromhex(part) for part in library.parent.name.split("-")))


def zig() -> Compiler:
    return Compiler((sys.executable, "-m", "ziglang", "cc"), "zig", "zig")


def test_a_library_is_compiled_once_and_found_again(cache: Cache, target: Target) -> None:
    messages: list[str] = []
    first = compile_library(ADD_SOURCE, target=target, progress=messages.append)
    assert len(messages) == 2
    assert compile_library(ADD_SOURCE, target=target, progress=messages.append) == first
    assert len(messages) == 2, "the second call compiles nothing"
    assert {file.name for file in first.parent.iterdir()} == {"library.so", "source.c", "manifest.json"}


def test_a_stored_library_that_does_not_load_is_compiled_again(cache: Cache, target: Target) -> None:
    stored = compile_library(ADD_SOURCE, target=target)
    with cache.staging() as staging:
        (staging / "library.so").write_text("of another system")
        shutil.rmtree(stored.parent)
        assert cache.publish_library(key_of(stored), staging) == stored
    messages: list[str] = []
    assert compile_and_load(ADD_SOURCE, target=target, progress=messages.append).run_function() is not None
    assert len(messages) == 2


def test_a_cache_that_takes_no_files_does_not_stop_the_program(cache: Cache, target: Target) -> None:
    (cache.root / "v1").write_text("in the way")
    with pytest.warns(RuntimeWarning, match=r"File exists.*this process uses a temporary one"):
        first = compile_library(ADD_SOURCE, target=target)
    assert cache.root not in first.parents
    messages: list[str] = []
    assert compile_library(ADD_SOURCE, target=target, progress=messages.append) == first
    assert messages == [], "the stand-in is a cache, too"


def test_the_ziglang_wheel_compiles_and_its_library_loads(cache: Cache, target: Target) -> None:
    library = load_library(compile_library(ADD_SOURCE, target=target, compiler=zig()))
    assert library.run_function() is not None


def test_flags_name_the_processor_and_keep_the_arithmetic() -> None:
    for target in named_targets.values():
        arguments = compiler_arguments(GCC, target)
        assert "-ffp-contract=off" in arguments
        assert "-fno-trapping-math" in arguments
        assert not {"-march=native", "-ffast-math", "-Ofast"} & set(arguments)
    assert "-march=x86-64-v4" in compiler_arguments(GCC, named_targets["x86-64-v4"])
    assert "-mprefer-vector-width=512" in compiler_arguments(GCC, named_targets["x86-64-v4"])


def test_the_key_changes_with_everything_the_machine_code_depends_on() -> None:
    v3, v4 = named_targets["x86-64-v3"], named_targets["x86-64-v4"]
    other = Compiler(("gcc",), "gcc 13", "gcc")
    keys = [
        library_key("int x;", v4, ("-O3",), GCC),
        library_key("int y;", v4, ("-O3",), GCC),
        library_key("int x;", v4, ("-O3",), other),
        library_key("int x;", v4, ("-O2",), GCC),
        library_key("int x;", v4, ("-O3", "-g"), GCC),
        library_key("int x;", v4, ("-O3-g",), GCC),
        library_key("int x;", v3, ("-O3",), GCC),
    ]
    assert len({key.name for key in keys}) == len(keys)
    assert keys[0].content == keys[2].content == library_key("int x;", v4, ("-O3",)).content


def test_a_compile_error_shows_the_command_and_its_output(cache: Cache, target: Target) -> None:
    with pytest.raises(CompileError, match=r"ended with status 1") as caught:
        compile_library("int main( { nonsense", target=target)
    assert "-shared" in str(caught.value)
    assert "source.c:1:" in str(caught.value)
    assert "doctor" in str(caught.value)
    assert files_below(cache.root) == []


def test_a_compiler_that_writes_nothing_is_an_error(
    cache: Cache, target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CC", write_program(tmp_path / "cc", "echo did nothing"))
    with pytest.raises(CompileError, match=r"status 0 and should have written a shared library") as caught:
        compile_library(ADD_SOURCE, target=target)
    assert "did nothing" in str(caught.value)


def test_a_compiler_that_vanishes_is_an_error(cache: Cache, target: Target) -> None:
    with pytest.raises(CompileError, match=r"cannot be started"):
        compile_library(ADD_SOURCE, target=target, compiler=Compiler(("/no/such/cc",), "cc 1", "gcc"))


def hanging_compiler(directory: Path) -> tuple[str, Path]:
    """A compiler that starts a child, tells both process ids through a pipe, leaves a file behind, and hangs."""
    announcement = directory / "announcement"
    os.mkfifo(announcement)
    text = f"""
        if [ "$1" = --version ]; then echo "hanging cc 1.0"; exit 0; fi
        echo half > "$TMPDIR/half-written.s"
        sleep 1000 &
        echo "$$ $!" > {announcement}
        wait
    """
    return write_program(directory / "cc", text), announcement


def test_a_compiler_that_hangs_is_stopped_with_its_children(
    cache: Cache, target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command, announcement = hanging_compiler(tmp_path)
    monkeypatch.setenv("CC", command)
    monkeypatch.setenv("COMPOSIT_COMPILE_TIMEOUT", "0.5")
    reader = os.open(announcement, os.O_RDONLY | os.O_NONBLOCK)
    with pytest.raises(CompileError, match=r"was given 0.5 s.*COMPOSIT_COMPILE_TIMEOUT"):
        compile_library(ADD_SOURCE, target=target)
    process_ids = [int(word) for word in os.read(reader, 100).split()]
    os.close(reader)
    assert len(process_ids) == 2
    assert all(map(ends_soon, process_ids))
    assert files_below(cache.root) == []


def test_ctrl_c_ends_the_compiler_and_leaves_no_file(cache: Cache, tmp_path: Path) -> None:
    command, announcement = hanging_compiler(tmp_path)
    child = start_python(COMPILE_ADD, CC=command, COMPOSIT_CACHE_DIR=str(cache.root))
    process_ids = [int(word) for word in announcement.read_text().split()]  # blocks until it compiles
    child.send_signal(signal.SIGINT)
    output, _ = child.communicate(timeout=PATIENCE_S)
    assert child.returncode == -signal.SIGINT
    assert "KeyboardInterrupt" in output
    assert all(map(ends_soon, process_ids))
    assert files_below(cache.root) == []


def test_two_processes_may_compile_the_same_program_at_once(cache: Cache, tmp_path: Path) -> None:
    text = f"""
        if [ "$1" = --version ]; then echo "slow gcc 1.0"; exit 0; fi
        pipe={tmp_path}/second
        mkdir {tmp_path}/taken && pipe={tmp_path}/first
        read word < $pipe
        exec {shutil.which("cc") or find_compiler().argv[0]} "$@"
    """
    command = write_program(tmp_path / "slow-cc", text)
    pipes = [tmp_path / "first", tmp_path / "second"]
    for pipe in pipes:
        os.mkfifo(pipe)
    children = [start_python(COMPILE_ADD, CC=command, COMPOSIT_CACHE_DIR=str(cache.root)) for pipe in pipes]
    opened = [pipe.open("w") for pipe in pipes]  # each blocks until that process is inside its compiler
    for pipe in opened:
        pipe.write("go\n")
        pipe.close()
    for child in children:
        output, _ = child.communicate(timeout=PATIENCE_S)
        assert (child.returncode, output) == (0, "compiled and loaded\n")
    assert cache.summary().num_libraries == 1
    assert [file.name for file in files_below(cache.root)] == ["library.so", "manifest.json", "source.c"]


@pytest.mark.parametrize(("compiler_name", "target_name"), [("gcc", None), ("zig", None), ("zig", "aarch64")])
def test_the_runtime_library_compiles_without_warnings(
    compiler_name: str, target_name: str | None, cache: Cache
) -> None:
    compiler = zig() if compiler_name == "zig" else find_compiler()
    flags = ("-Wall", "-Wextra", "-Werror", "-pthread")
    assert compile_library(RUNTIME_SOURCE, target=get_target(target_name), compiler=compiler, flags=flags).is_file()


POISON = "#error somebody else's header\n"


@pytest.mark.parametrize("name", ["CPATH", "C_INCLUDE_PATH"])
def test_headers_of_the_environment_are_not_compiled(
    name: str, cache: Cache, target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "math.h").write_text(POISON)
    monkeypatch.setenv(name, str(tmp_path))
    assert compile_and_load(f"#include <math.h>\n{ADD_SOURCE}", target=target).run_function() is not None
    monkeypatch.setenv("CC", f"env {name}={tmp_path} cc")
    with pytest.raises(CompileError, match="somebody else's header"):
        compile_and_load(f"#include <math.h>\n{ADD_SOURCE}", target=target)


def test_nothing_of_the_environment_steers_the_linker(
    cache: Cache, target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LD_RUN_PATH", "/run/path/of/somebody")
    monkeypatch.setenv("DEPENDENCIES_OUTPUT", str(tmp_path / "dependencies"))
    monkeypatch.setenv("LIBRARY_PATH", str(tmp_path))
    (tmp_path / "libm.so").write_text("INPUT(no-such-file)")
    library = compile_library(ADD_SOURCE, target=target)
    assert b"/run/path/of/somebody" not in library.read_bytes()
    assert not (tmp_path / "dependencies").exists()


def moody_compiler(directory: Path) -> tuple[str, Path]:
    """A compiler that compiles something else as long as a file exists."""
    mood = directory / "mood"
    mood.write_text("")
    text = f"""
        [ "$1" != --version ] && [ -e {mood} ] && echo 'const int mosaic_abi = {ABI_VERSION};' > source.c
        exec {shutil.which("cc")} "$@"
    """
    return write_program(directory / "moody-cc", text), mood


def test_a_library_without_its_function_is_not_published(
    cache: Cache, target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command, mood = moody_compiler(tmp_path)
    monkeypatch.setenv("CC", command)
    with pytest.raises(CompileError, match=r"mosaic_run was asked of .*, which does not export it"):
        compile_and_load(ADD_SOURCE, target=target)
    assert files_below(cache.root) == []
    mood.unlink()
    assert compile_and_load(ADD_SOURCE, target=target).run_function() is not None


def test_a_stored_library_without_its_function_is_replaced(
    cache: Cache, target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command, mood = moody_compiler(tmp_path)
    monkeypatch.setenv("CC", command)
    broken = compile_library(ADD_SOURCE, target=target)
    mood.unlink()
    loaded = compile_and_load(ADD_SOURCE, target=target)
    assert (loaded.path, loaded.run_function() is not None) == (broken, True)
    assert load_library(broken, ["mosaic_run"]).run_function() is not None


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EIO, errno.EMFILE])
@pytest.mark.parametrize("when", ["before compiling", "while compiling", "after compiling"])
def test_a_disk_that_refuses_at_any_time_has_a_stand_in(
    when: str, number: int, cache: Cache, target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusal = OSError(number, os.strerror(number))
    compiled_with = find_compiler().argv[0]

    def is_refused(directory: Path) -> bool:
        return cache.root in (directory, *directory.parents)

    def owned(parent: Path) -> Any:
        if when == "before compiling" and is_refused(parent):
            raise refusal
        return owned_directory(parent)

    def check(directory: Path) -> None:
        if is_refused(directory):
            raise refusal

    def write_manifest(directory: Path, name: str) -> None:
        if when == "after compiling" and is_refused(directory):
            raise refusal
        write(directory, name)

    write = cache_module._write_manifest
    monkeypatch.setattr(cache_module, "owned_directory", owned)
    monkeypatch.setattr(cache_module, "_write_manifest", write_manifest)
    monkeypatch.setattr(compilation, "check_takes_files", check)
    if when == "while compiling":
        text = f'case $PWD in {cache.root}/*) echo "cannot write" >&2; exit 1;; esac\nexec {compiled_with} "$@"'
        monkeypatch.setenv("CC", write_program(tmp_path / "cc", text))
    source = ADD_SOURCE + f"/* {when} {number} */"
    with pytest.warns(RuntimeWarning, match=rf"{re.escape(str(refusal))}.*uses a temporary one"):
        library = compile_and_load(source, target=target)
    assert cache.root not in library.path.parents
    messages: list[str] = []
    assert compile_and_load(source, target=target, progress=messages.append).path == library.path
    assert messages == []
    assert files_below(cache.root) == []


def test_a_compiler_that_fails_for_want_of_nothing_is_an_error_at_once(
    cache: Cache, target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = f'[ "$1" = --version ] && echo "cc 1" && exit 0; echo once >> {tmp_path}/asked; exit 1'
    monkeypatch.setenv("CC", write_program(tmp_path / "cc", text))
    with pytest.raises(CompileError, match="status 1"):
        compile_and_load(ADD_SOURCE, target=target)
    assert (tmp_path / "asked").read_text() == "once\n"


def waiting_compiler(directory: Path) -> tuple[str, Path]:
    """A compiler that waits for somebody to write to a pipe."""
    pipe = directory / "pipe"
    os.mkfifo(pipe)
    text = f"""
        if [ "$1" = --version ]; then echo "slow cc 1.0"; exit 0; fi
        read word < {pipe}
        exec {shutil.which("cc")} "$@"
    """
    return write_program(directory / "waiting-cc", text), pipe


def test_clearing_does_not_disturb_what_another_process_compiles(cache: Cache, tmp_path: Path) -> None:
    command, pipe = waiting_compiler(tmp_path)
    child = start_python(COMPILE_ADD, CC=command, COMPOSIT_CACHE_DIR=str(cache.root))
    with pipe.open("w") as opened:  # blocks until it is inside its compiler
        for directory in (cache.root / "v1" / "staging").iterdir():
            os.utime(directory, (0, 0))
        cache.clear()
        cache.evict()
        opened.write("go\n")
    output, _ = child.communicate(timeout=PATIENCE_S)
    assert (child.returncode, output) == (0, "compiled and loaded\n")
    assert cache.summary().num_libraries == 1


def test_clearing_removes_what_a_killed_process_left(cache: Cache, tmp_path: Path) -> None:
    command, pipe = waiting_compiler(tmp_path)
    child = start_python(COMPILE_ADD, CC=command, COMPOSIT_CACHE_DIR=str(cache.root))
    with pipe.open("w"):
        child.kill()
        child.communicate(timeout=PATIENCE_S)
    (left,) = (cache.root / "v1" / "staging").iterdir()
    cache.clear()
    assert left.exists(), "it could be one that another process has just made"
    os.utime(left, (0, 0))
    cache.clear()
    assert not left.exists()


def test_a_library_is_loaded_even_if_it_is_cleared_as_soon_as_it_is_published(
    cache: Cache, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish = Cache.publish_library

    def publish_and_clear(self: Cache, key: Key, staging: Path) -> Path:
        path = publish(self, key, staging)
        self.clear()
        return path

    monkeypatch.setattr(Cache, "publish_library", publish_and_clear)
    assert compile_and_load(ADD_SOURCE, target=target).run_function() is not None


@pytest.mark.parametrize("cc", ["/nowhere/cc", 'gcc "'])
def test_without_a_compiler_what_any_made_is_found(
    cc: str, cache: Cache, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = compile_and_load(ADD_SOURCE, target=target)
    monkeypatch.setenv("CC", cc)
    assert compile_and_load(ADD_SOURCE, target=target).path == made.path
    with pytest.raises(CompilerNotFoundError):
        compile_and_load(ADD_SOURCE + "/* another */", target=target)


def test_another_compiler_compiles_again(cache: Cache, target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    made = compile_and_load(ADD_SOURCE, target=target)
    monkeypatch.setenv("CC", "cc -g")
    assert compile_and_load(ADD_SOURCE, target=target).path != made.path


@pytest.mark.parametrize("text", ["inf", "nan", "-1", "abc", "1e300"])
def test_a_time_limit_that_is_none_is_an_error_of_four_parts(
    text: str, cache: Cache, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMPOSIT_COMPILE_TIMEOUT", text)
    with pytest.raises(
        ParameterError, match=r"COMPOSIT_COMPILE_TIMEOUT=.* must be a positive number of at most 1e\+06"
    ):
        compile_and_load(ADD_SOURCE, target=target)
    assert files_below(cache.root) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
@pytest.mark.parametrize("what", ["library", "entry", "manifest"])
def test_an_entry_that_another_user_could_have_written_is_compiled_again(
    what: str, cache: Cache, target: Target
) -> None:
    stored = compile_library(ADD_SOURCE, target=target)
    os.chown(
        {"library": stored, "entry": stored.parent, "manifest": stored.parent / "manifest.json"}[what], 12345, 12345
    )
    messages: list[str] = []
    loaded = compile_and_load(ADD_SOURCE, target=target, progress=messages.append)
    assert loaded.path == stored
    assert messages, "it was compiled again"
    assert {path.stat().st_uid for path in (stored, *stored.parent.iterdir())} == {0}
