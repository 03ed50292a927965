"""Which directory is used, and which is refused."""

import os
import shutil
import stat
import warnings
from pathlib import Path

import pytest

from composit.errors import CodeStorageError
from mosaic.runtime import cache_directory
from mosaic.runtime.cache_directory import cache_roots, configured_root
from tests.mosaic.runtime.programs import PATIENCE_S, start_python


def use(directory: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COMPOSIT_CACHE_DIR", str(directory))
    return directory


def foreign_directory(parent: Path) -> Path:
    """A directory of another user: a given-away one if we may give away, else the system's."""
    if os.geteuid() != 0:
        return Path("/usr")
    directory = parent / "foreign"
    directory.mkdir(mode=0o755)
    os.chown(directory, 12345, 12345)
    return directory


def test_a_new_directory_is_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = use(tmp_path / "new" / "cache", monkeypatch)
    assert cache_roots() == (root,)
    assert stat.S_IMODE(root.stat().st_mode) == 0o700


def test_in_a_directory_that_others_may_read_only_what_is_ours_becomes_private(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = use(tmp_path / "cache", monkeypatch)
    (root / "v1").mkdir(parents=True)
    for directory in (root, root / "v1"):
        directory.chmod(0o755)
    assert cache_roots() == (root,)
    assert stat.S_IMODE(root.stat().st_mode) == 0o755, "it may be somebody's home, or even /"
    assert stat.S_IMODE((root / "v1").stat().st_mode) == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_what_another_user_has_made_in_our_directory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = use(tmp_path / "cache", monkeypatch)
    (root / "v1").mkdir(parents=True)
    os.chown(root / "v1", 12345, 12345)
    with pytest.warns(RuntimeWarning, match=r"v1 in it cannot be trusted: it belongs to user 12345"):
        assert root not in cache_roots()


@pytest.mark.parametrize("mode", [0o720, 0o702, 0o777])
def test_a_directory_that_others_may_write_is_refused_once(
    mode: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = use(tmp_path / "cache", monkeypatch)
    root.mkdir()
    root.chmod(mode)
    with pytest.warns(
        RuntimeWarning, match=rf"its mode {mode:04o} lets other users write.*mode 0700.*COMPOSIT_CACHE_DIR"
    ):
        (used,) = cache_roots()
    assert used != root
    assert stat.S_IMODE(used.stat().st_mode) == 0o700
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert cache_roots() == (used,), "one warning for the life of the process"
    assert list(root.iterdir()) == []


def test_a_directory_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = use(foreign_directory(tmp_path), monkeypatch)
    with pytest.warns(RuntimeWarning, match=r"belongs to user \d+ and this process runs as user \d+"):
        assert root not in cache_roots()


def test_a_file_in_the_way_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = use(tmp_path / "cache", monkeypatch)
    root.write_text("")
    with pytest.warns(RuntimeWarning, match=r"it is not a directory"):
        assert root not in cache_roots()


def test_the_temporary_directory_is_gone_after_the_process(tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache").chmod(0o777)
    script = """
        import os, sys, warnings
        warnings.simplefilter("ignore")
        from mosaic.runtime.cache_directory import cache_roots
        (root,) = cache_roots()
        child = os.fork()
        if child == 0:
            sys.exit(0)  # runs the exit functions that it inherited
        os.waitpid(child, 0)
        print(root.exists(), root)
    """
    child = start_python(script, COMPOSIT_CACHE_DIR=str(tmp_path / "cache"), TMPDIR=str(tmp_path))
    output, _ = child.communicate()
    existed, _, root = output.strip().partition(" ")
    assert existed == "True"
    assert root.startswith(str(tmp_path))
    assert not Path(root).exists()


def test_the_place_follows_the_user_directories(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COMPOSIT_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere/cache")
    assert configured_root() == Path("/somewhere/cache/composit")
    monkeypatch.setenv("XDG_CACHE_HOME", "not/absolute")
    monkeypatch.setenv("HOME", "/someone")
    assert configured_root() == Path("/someone/.cache/composit")


def test_a_directory_that_others_may_rename_is_refused_and_not_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    root = use(tmp_path / "open" / "a" / "cache", monkeypatch)
    with pytest.warns(
        RuntimeWarning, match=r"open is on the way to it, and its mode 0777 lets other users write to it"
    ):
        assert root not in cache_roots()
    assert list((tmp_path / "open").iterdir()) == []


def test_a_link_through_a_directory_of_others_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "open" / "cache").mkdir(parents=True)
    (tmp_path / "open").chmod(0o777)
    root = use(tmp_path / "link", monkeypatch)
    root.symlink_to(tmp_path / "open" / "cache")
    with pytest.warns(RuntimeWarning, match=r"open is on the way to it"):
        assert root not in cache_roots()


def test_a_way_that_is_opened_while_we_run_is_refused_from_then_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = use(tmp_path / "way" / "cache", monkeypatch)
    assert cache_roots() == (root,)
    (tmp_path / "way").chmod(0o777)
    with pytest.warns(RuntimeWarning, match=r"way is on the way to it"):
        assert root not in cache_roots()
    (tmp_path / "way").chmod(0o755)
    assert cache_roots()[0] == root


def test_in_a_sticky_directory_a_cache_of_ours_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sticky").mkdir()
    (tmp_path / "sticky").chmod(0o1777)
    root = use(tmp_path / "sticky" / "cache", monkeypatch)
    assert cache_roots() == (root,)


def test_a_stand_in_is_not_made_where_others_may_rename_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unsafe, safe = tmp_path / "unsafe", tmp_path / "safe"
    for place, mode in ((unsafe, 0o777), (safe, 0o700)):
        place.mkdir()
        place.chmod(mode)
    monkeypatch.setenv("TMPDIR", str(unsafe))
    monkeypatch.setenv("TEMP", str(safe))
    first = use(unsafe / "cache", monkeypatch)
    with pytest.warns(RuntimeWarning):
        (used,) = cache_roots()
    assert used.parent == safe
    shutil.rmtree(used)
    (again,) = cache_roots()
    assert (again.parent, again != used) == (safe, True), "a stand-in that was tidied away is made anew, silently"
    assert first not in cache_roots()


def test_where_no_place_is_safe_the_error_names_them_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "unsafe").mkdir()
    (tmp_path / "unsafe").chmod(0o777)
    monkeypatch.setattr(cache_directory, "_temporary_places", lambda: [tmp_path / "unsafe", tmp_path / "none"])
    use(tmp_path / "unsafe" / "cache", monkeypatch)
    with pytest.raises(CodeStorageError) as caught:
        cache_roots()
    message = str(caught.value)
    assert "unsafe/cache: " in message
    assert "unsafe: its mode 0777 lets other users write to it" in message
    assert "none: [Errno 2] No such file or directory" in message
    assert "expected a writable one with 4 MiB of room" in message
    assert "set COMPOSIT_CACHE_DIR or TMPDIR to one" in message


def test_stand_ins_of_killed_processes_are_swept_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = """
        import os, signal
        from mosaic.runtime.cache_directory import cache_roots
        cache_roots()
        os.kill(os.getpid(), signal.SIGKILL)
    """
    blocked = tmp_path / "blocked"
    blocked.write_text("")
    places = {"COMPOSIT_CACHE_DIR": str(blocked), "TMPDIR": str(tmp_path), "PYTHONWARNINGS": "ignore"}
    for _ in range(2):
        start_python(script, **places).communicate(timeout=PATIENCE_S)
    old, young = sorted(tmp_path.glob("composit-stand-in-*"))
    mine = [tmp_path / "composit-stand-in-of-mine", tmp_path / "composit-stand-in-abcdefgh"]
    for directory in mine:
        directory.mkdir()
        (directory / "thesis").write_text("")
    for directory in (old, *mine):
        os.utime(directory, (0, 0))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    use(blocked, monkeypatch)
    with pytest.warns(RuntimeWarning, match="it is not a directory"):
        (used,) = cache_roots()
    assert used.parent == tmp_path
    assert not old.exists()
    assert young.exists()
    assert all((directory / "thesis").exists() for directory in mine)


def test_the_child_of_a_fork_has_a_stand_in_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "blocked").write_text("")
    script = """
        import os, warnings
        warnings.simplefilter("ignore")
        from mosaic.runtime.cache_directory import cache_roots
        (before,) = cache_roots()
        if os.fork() == 0:
            (after,) = cache_roots()
            os.write(1, f"{before != after} {after.is_dir()}".encode())
            os._exit(0)
        os.wait()
    """
    child = start_python(script, COMPOSIT_CACHE_DIR=str(tmp_path / "blocked"), TMPDIR=str(tmp_path))
    output, _ = child.communicate(timeout=PATIENCE_S)
    assert output == "True True"
