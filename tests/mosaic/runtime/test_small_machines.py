"""Machines that are full, read-only, noexec or bare: programs run all the same, and one warning says what is missing."""

import os
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from tests.mosaic.runtime.mounted import needs_mounts, run_mounted
from tests.mosaic.runtime.programs import PATIENCE_S, start_python

# Two programs, of which the second finds what the first has learned.
COMPUTE = """
    import warnings
    warnings.simplefilter("always")
    warnings.showwarning = lambda message, kind, *place: print(f"{kind.__name__}: {message}")
    import numpy as np
    import composit as cnp, mosaic
    x = cnp.ones((4,))
    for factor in (3, 5):
        model = mosaic.compile(x * factor + 1, inputs=[x])
        print(*model(np.ones(4)), type(model._executable).__name__)
"""
COMPILED = ["4.0 4.0 4.0 4.0 Executable", "6.0 6.0 6.0 6.0 Executable"]
INTERPRETED = ["4.0 4.0 4.0 4.0 InterpretedExecutable", "6.0 6.0 6.0 6.0 InterpretedExecutable"]


def slow(*values: Any) -> list[Any]:
    """Values like others of their test, which only the long run tries."""
    return [pytest.param(value, marks=pytest.mark.slow) for value in values]


def results_and_warnings(lines: list[str]) -> tuple[list[str], list[str]]:
    """The lines of results, and those of warnings."""
    results = [line for line in lines if line.endswith("Executable")]
    return results, [line for line in lines if not line.endswith("Executable")]


def compute(**environment: str) -> tuple[list[str], list[str]]:
    child = start_python(COMPUTE, **environment)
    output, _ = child.communicate(timeout=PATIENCE_S)
    assert child.returncode == 0, output
    return results_and_warnings(output.splitlines())


@needs_mounts
@pytest.mark.parametrize("options", ["size=64k", *slow("nr_inodes=8", "size=4k", "nr_inodes=3")])
def test_a_full_cache_has_a_stand_in(options: str, tmp_path: Path) -> None:
    full, free = tmp_path / "full", tmp_path / "free"
    full.mkdir()
    free.mkdir()
    mounts = f"mount -t tmpfs -o {options},mode=700 none {full}"
    lines = run_mounted(mounts, COMPUTE, COMPOSIT_CACHE_DIR=str(full), TMPDIR=str(free))
    results, warned = results_and_warnings(lines)
    assert results == COMPILED
    (warning,) = warned
    assert warning.startswith(
        f"RuntimeWarning: cache: {full} is not used to keep compiled programs: [Errno 28] No space"
    )
    assert list(free.iterdir()) == [], "the stand-in is gone"


@needs_mounts
def test_where_every_disk_is_full_numpy_runs_the_program(tmp_path: Path) -> None:
    places = ["/tmp", "/var/tmp", "/dev/shm"]
    mounts = "\n".join(f"mount -t tmpfs -o size=64k,mode=1777 none {place}" for place in places)
    environment = {"COMPOSIT_CACHE_DIR": "/tmp/cache", "TMPDIR": "/tmp", "XDG_RUNTIME_DIR": ""}
    results, warned = results_and_warnings(run_mounted(mounts, COMPUTE, **environment))
    assert results == INTERPRETED
    (warning,) = warned
    assert warning.startswith("UserWarning: mosaic runs programs through numpy, because there is no place for compiled")
    for place in places:
        assert f"{place}: [Errno 28] No space left on device" in warning
    assert "set COMPOSIT_CACHE_DIR or TMPDIR" in warning


@needs_mounts
def test_a_cache_mounted_noexec_is_used_through_memory(tmp_path: Path) -> None:
    mounts = f"mount -t tmpfs -o noexec,mode=700 none {tmp_path}"
    show = """
    from pathlib import Path
    lines = [line for line in Path("/proc/self/maps").read_text().splitlines() if "library.so" in line]
    print(all("/memfd:library.so" in line for line in lines), len(lines) > 0)
    from mosaic.commands import doctor
    doctor([])
    """
    lines = run_mounted(mounts, COMPUTE + show, COMPOSIT_CACHE_DIR=str(tmp_path), TMPDIR=str(tmp_path))
    assert lines[:3] == [*COMPILED, "True True"]
    assert any("it is mounted noexec, so code is executed from a copy in memory" in line for line in lines)
    assert lines[-1] == "everything the compiled path needs is here"


@pytest.mark.slow
@needs_mounts
def test_a_machine_without_proc_compiles(tmp_path: Path) -> None:
    lines = run_mounted("mount -t tmpfs none /proc", COMPUTE, COMPOSIT_CACHE_DIR=str(tmp_path / "cache"))
    assert results_and_warnings(lines) == (COMPILED, [])


@needs_mounts
def test_a_warm_cache_serves_read_only_and_without_a_compiler(tmp_path: Path) -> None:
    warm, free = tmp_path / "warm", tmp_path / "free"
    free.mkdir()
    assert compute(COMPOSIT_CACHE_DIR=str(warm)) == (COMPILED, [])
    mounts = f"mount --bind {warm} {warm}; mount -o remount,bind,ro {warm}"
    lines = run_mounted(mounts, COMPUTE, COMPOSIT_CACHE_DIR=str(warm), CC="/nowhere/cc", TMPDIR=str(free))
    assert results_and_warnings(lines) == (COMPILED, [])


@pytest.mark.slow
@needs_mounts
def test_what_a_read_only_cache_lacks_is_compiled_elsewhere(tmp_path: Path) -> None:
    bare, free = tmp_path / "bare", tmp_path / "free"
    bare.mkdir()
    free.mkdir()
    mounts = f"mount --bind {bare} {bare}; mount -o remount,bind,ro {bare}"
    show = """
    from mosaic.commands import cache, doctor
    doctor([])
    """
    lines = run_mounted(mounts, COMPUTE + show, COMPOSIT_CACHE_DIR=str(bare), TMPDIR=str(free))
    results, others = results_and_warnings(lines)
    assert results == COMPILED
    assert [line for line in others if "Warning" in line] == [others[0]]
    assert "Read-only file system" in others[0]
    assert any("it takes no new programs: Read-only file system" in line for line in others)


@pytest.mark.slow
@needs_mounts
def test_clearing_a_read_only_cache_says_that_it_cannot(tmp_path: Path) -> None:
    assert compute(COMPOSIT_CACHE_DIR=str(tmp_path / "warm"))[0] == COMPILED
    mounts = f"mount --bind {tmp_path} {tmp_path}; mount -o remount,bind,ro {tmp_path}"
    script = "from mosaic.commands import cache; print('status', cache(['--clear']))"
    lines = run_mounted(mounts, script, COMPOSIT_CACHE_DIR=str(tmp_path / "warm"))
    assert lines[-1] == "status 1"
    assert any("Read-only file system" in line for line in lines)


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        ("resource.RLIMIT_FSIZE, (4096, 4096)", "there is no place for compiled code"),
        pytest.param("resource.RLIMIT_NOFILE, (8, 8)", "Too many open files", marks=pytest.mark.slow),
    ],
)
def test_where_limits_forbid_compiling_numpy_runs_the_program(limit: str, words: str, tmp_path: Path) -> None:
    # What is imported late is imported before: the limit is for files of ours.
    script = dedent(COMPUTE).replace(", mosaic\n", ", mosaic, mosaic.backend, resource, concurrent.futures.thread\n")
    script = script.replace("x = cnp", f"resource.setrlimit({limit})\nx = cnp")
    child = start_python(script, COMPOSIT_CACHE_DIR=str(tmp_path / "cache"))
    output, _ = child.communicate(timeout=PATIENCE_S)
    results, warned = results_and_warnings(output.splitlines())
    assert results == INTERPRETED, output
    assert len(warned) == 1
    assert words in warned[0]


@pytest.mark.slow
@needs_mounts
def test_the_first_place_that_has_room_is_taken(tmp_path: Path) -> None:
    mounts = "\n".join(f"mount -t tmpfs -o size=64k,mode=1777 none {place}" for place in ("/tmp", "/var/tmp"))
    environment = {"COMPOSIT_CACHE_DIR": "/tmp/cache", "TMPDIR": "/tmp", "XDG_RUNTIME_DIR": ""}
    results, warned = results_and_warnings(run_mounted(mounts, COMPUTE, **environment))
    assert results == COMPILED
    (warning,) = warned
    assert warning.startswith("RuntimeWarning: cache: /tmp/cache is not used")


@pytest.mark.parametrize("home", slow(None, "", "/proc/nowhere", "relative"))
def test_a_user_without_a_home_has_a_stand_in(home: str | None, tmp_path: Path) -> None:
    script = f"""
    import os, pwd
    for name in ("COMPOSIT_CACHE_DIR", "XDG_CACHE_HOME", "HOME"):
        os.environ.pop(name, None)
    home = {home!r}
    if home is not None:
        os.environ["HOME"] = home
    def getpwuid(number):
        raise KeyError(number)
    pwd.getpwuid = getpwuid
    """
    child = start_python(script + COMPUTE, TMPDIR=str(tmp_path))
    output, _ = child.communicate(timeout=PATIENCE_S)
    results, warned = results_and_warnings(output.splitlines())
    assert results == COMPILED
    (warning,) = warned
    assert "is not used to keep compiled programs" in warning
    assert ("there is no home directory" in warning) == (home != "/proc/nowhere")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")
@pytest.mark.parametrize(
    "become", slow("os.seteuid(12345)", "os.setresuid(12345, 12345, 12345)", "os.setreuid(12345, 0)")
)
def test_another_user_in_the_same_environment_is_served(become: str, tmp_path: Path) -> None:
    tmp_path.chmod(0o1777)
    script = f"import os, composit; from mosaic.targets import detect; detect(); {become}\n"
    child = start_python(script + dedent(COMPUTE), COMPOSIT_CACHE_DIR=str(tmp_path / "cache"), TMPDIR="/tmp")
    output, _ = child.communicate(timeout=PATIENCE_S)
    results, warned = results_and_warnings(output.splitlines())
    assert results == COMPILED, output
    assert len(warned) <= 1


@pytest.mark.parametrize("umask", [0o000, *slow(0o022, 0o077)])
def test_every_umask_makes_a_private_cache_that_is_found_again(umask: int, tmp_path: Path) -> None:
    script = f"import os; os.umask({umask})\n" + dedent(COMPUTE)
    cache = tmp_path / "deep" / "cache"
    for environment in ({}, {"CC": "/nowhere/cc"}):
        child = start_python(script, COMPOSIT_CACHE_DIR=str(cache), **environment)
        output, _ = child.communicate(timeout=PATIENCE_S)
        assert results_and_warnings(output.splitlines()) == (COMPILED, [])
    modes = {path.stat().st_mode & 0o077 for path in (cache.parent, cache, *cache.rglob("*"))}
    assert modes == {0}


@pytest.mark.parametrize(
    "name",
    [
        os.fsdecode(b"with spaces, n\xff and 'quotes\""),
        *slow("with spaces, nämé and 'quotes\"", "~", "$d", "-o", "x" * 250, "/".join(["y" * 200] * 15)),
    ],
)
def test_a_cache_may_be_called_anything(name: str, tmp_path: Path) -> None:
    assert compute(COMPOSIT_CACHE_DIR=f"{tmp_path}/{name}") == (COMPILED, [])


@pytest.mark.slow
def test_a_way_too_long_for_the_system_has_a_stand_in(tmp_path: Path) -> None:
    results, warned = compute(COMPOSIT_CACHE_DIR=f"{tmp_path}/" + "/".join(["y" * 200] * 30))
    assert results == COMPILED
    assert len(warned) == 1
    assert "File name too long" in warned[0]


def test_a_cache_that_is_deleted_at_any_time_is_made_again(tmp_path: Path) -> None:
    script = dedent(COMPUTE).replace("for factor", "import os, shutil\nfor factor") + (
        "    shutil.rmtree(os.environ['COMPOSIT_CACHE_DIR'])\n"
    )
    child = start_python(script, COMPOSIT_CACHE_DIR=str(tmp_path / "cache"))
    output, _ = child.communicate(timeout=PATIENCE_S)
    assert results_and_warnings(output.splitlines()) == (COMPILED, [])


@pytest.mark.slow
def test_in_a_directory_that_was_removed_a_relative_cache_has_a_stand_in(tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    script = f"import os, composit, mosaic; os.chdir({str(tmp_path / 'gone')!r}); os.rmdir(os.getcwd())\n"
    child = start_python(script + dedent(COMPUTE), COMPOSIT_CACHE_DIR="relative", TMPDIR=str(tmp_path))
    output, _ = child.communicate(timeout=PATIENCE_S)
    results, warned = results_and_warnings(output.splitlines())
    assert results == COMPILED, output
    assert len(warned) == 1
