"""Which directory is used, and which is refused."""

import os
import stat
import warnings
from pathlib import Path

import pytest

from mosaic.runtime.cache_directory import cache_roots, configured_root
from tests.mosaic.runtime.programs import start_python


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


def test_a_directory_that_others_may_read_becomes_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = use(tmp_path / "cache", monkeypatch)
    root.mkdir(mode=0o755)
    assert cache_roots() == (root,)
    assert stat.S_IMODE(root.stat().st_mode) == 0o700


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
