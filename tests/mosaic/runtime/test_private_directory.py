"""Temporary directories: private, marked while they are used, and known as abandoned afterwards."""

import fcntl
import os
import stat
import time
from pathlib import Path

import pytest

from mosaic.runtime import private_directory
from mosaic.runtime.private_directory import is_abandoned, make_private_directory, new_owned_directory, owned_directory


def grow_old(directory: Path, age_s: float) -> None:
    then = time.time() - age_s
    os.utime(directory, (then, then))


@pytest.mark.parametrize("umask", [0o000, 0o077, 0o777])
def test_directories_are_private_whatever_the_umask(umask: int, tmp_path: Path) -> None:
    previous = os.umask(umask)
    try:
        make_private_directory(tmp_path / "made")
        with owned_directory(tmp_path) as owned:
            modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "made", owned)}
    finally:
        os.umask(previous)
    assert modes == {0o700}


def test_what_is_in_the_way_is_an_error(tmp_path: Path) -> None:
    make_private_directory(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(FileExistsError):
        make_private_directory(tmp_path / "file")


def test_an_owned_directory_is_gone_afterwards_and_so_is_its_descriptor(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with owned_directory(tmp_path) as directory:
        (directory / "file").write_text("")
    assert not directory.exists()
    assert len(os.listdir("/proc/self/fd")) == before


def test_only_an_old_directory_without_an_owner_is_abandoned(tmp_path: Path) -> None:
    with owned_directory(tmp_path) as used:
        grow_old(used, 1e6)
        assert not is_abandoned(used)
    left, descriptor = new_owned_directory(tmp_path)
    os.close(descriptor)
    assert not is_abandoned(left), "its owner may be about to lock it"
    grow_old(left, 3600)
    assert is_abandoned(left)


def test_a_time_in_the_future_does_not_keep_a_directory_for_ever(tmp_path: Path) -> None:
    left, descriptor = new_owned_directory(tmp_path)
    grow_old(left, -1e6)
    assert not is_abandoned(left)
    os.close(descriptor)
    assert is_abandoned(left)


def test_without_locks_only_a_very_old_directory_is_abandoned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(descriptor: int, operation: int) -> None:
        raise OSError("no locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with owned_directory(tmp_path) as used:
        grow_old(used, private_directory._YOUNG_S * 10)
        assert not is_abandoned(used)
        grow_old(used, private_directory._OLD_S * 2)
        assert is_abandoned(used)


def test_a_link_is_no_directory_of_ours(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(OSError, match="Not a directory|Too many levels"):
        is_abandoned(tmp_path / "link")
