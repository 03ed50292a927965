"""Whose files are trusted, and which ways to them."""

import grp
import os
import pwd
from pathlib import Path
from types import SimpleNamespace

import pytest

from mosaic.runtime import ownership
from mosaic.runtime.ownership import why_untrusted, why_way_untrusted

_AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")


def directory(path: Path, mode: int) -> Path:
    path.mkdir()
    path.chmod(mode)
    return path


def test_a_way_of_directories_that_only_we_and_root_may_change_is_trusted(tmp_path: Path) -> None:
    assert why_way_untrusted(directory(tmp_path / "own", 0o755)) is None
    assert why_way_untrusted(Path("/")) is None
    assert why_way_untrusted(directory(tmp_path / "nämé with spaces", 0o700)) is None


def test_in_a_sticky_directory_the_owner_of_what_lies_in_it_decides(tmp_path: Path) -> None:
    sticky = directory(tmp_path / "sticky", 0o1777)
    assert why_way_untrusted(directory(sticky / "own", 0o700)) is None


@pytest.mark.parametrize("mode", [0o777, 0o772, 0o707, 0o2777])
def test_a_directory_that_others_may_write_is_not_trusted_anywhere_on_the_way(mode: int, tmp_path: Path) -> None:
    open_to_all = directory(tmp_path / "open", mode)
    below = directory(directory(open_to_all / "a", 0o700) / "b", 0o700)
    reason = why_way_untrusted(below)
    assert reason is not None
    assert f"{open_to_all} is on the way to it, and its mode {mode:04o} lets other users write to it" in reason


@_AS_ROOT
@pytest.mark.parametrize("mode", [0o755, 0o1777])
def test_a_directory_of_another_user_is_not_trusted_on_the_way(mode: int, tmp_path: Path) -> None:
    theirs = directory(tmp_path / "theirs", mode)
    own = directory(theirs / "own", 0o700)
    os.chown(theirs, 12345, 12345)
    reason = why_way_untrusted(own)
    assert reason is not None
    assert "belongs to user 12345" in reason


@_AS_ROOT
def test_in_a_sticky_directory_what_belongs_to_another_user_is_not_trusted(tmp_path: Path) -> None:
    theirs = directory(directory(tmp_path / "sticky", 0o1777) / "theirs", 0o755)
    os.chown(theirs, 12345, 12345)
    assert "belongs to user 12345" in str(why_way_untrusted(theirs))


def test_links_are_followed_step_by_step(tmp_path: Path) -> None:
    hidden = directory(directory(tmp_path / "open", 0o777) / "hidden", 0o700)
    own = directory(tmp_path / "own", 0o700)
    for name, goal in (("absolute", hidden), ("relative", "../open/hidden"), ("chained", "absolute/../hidden")):
        (own / name).symlink_to(goal)
        assert "open is on the way to it" in str(why_way_untrusted(own / name)), name
        below = own / name / "below"
        below.mkdir(exist_ok=True)
        assert "open is on the way to it" in str(why_way_untrusted(below)), name
    (own / "good").symlink_to("../own")
    assert why_way_untrusted(own / "good" / "good") is None
    assert why_way_untrusted(own / ".." / "own") is None


@_AS_ROOT
def test_a_link_of_another_user_is_not_trusted(tmp_path: Path) -> None:
    sticky, own = directory(tmp_path / "sticky", 0o1777), directory(tmp_path / "own", 0o700)
    (sticky / "link").symlink_to(own)
    assert why_way_untrusted(sticky / "link") is None
    os.lchown(sticky / "link", 12345, 12345)
    assert "sticky/link" in str(why_way_untrusted(sticky / "link" / ".")) or "belongs to user 12345" in str(
        why_way_untrusted(sticky / "link")
    )


def test_a_way_that_does_not_exist_or_goes_in_a_circle_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        why_way_untrusted(tmp_path / "none")
    (tmp_path / "circle").symlink_to("circle")
    with pytest.raises(OSError, match="Too many levels"):
        why_way_untrusted(tmp_path / "circle" / "x")


@pytest.mark.parametrize(
    ("others", "members", "is_trusted"),
    [
        ([], [], True),
        ([], ["me"], True),
        ([], ["me", "you"], False),
        ([SimpleNamespace(pw_uid=7, pw_gid=99)], [], False),
    ],
)
def test_a_group_without_other_members_may_write(
    others: list[object], members: list[str], is_trusted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = directory(tmp_path / "shared", 0o775)
    me = SimpleNamespace(pw_uid=os.geteuid(), pw_gid=99, pw_name="me")
    monkeypatch.setattr(pwd, "getpwuid", lambda number: me)
    monkeypatch.setattr(pwd, "getpwall", lambda: [me, *others])
    monkeypatch.setattr(grp, "getgrgid", lambda number: SimpleNamespace(gr_gid=99, gr_mem=members))
    assert (why_way_untrusted(shared) is None) == is_trusted
    assert why_untrusted(shared.stat()) is not None, "but not at the end of the way"
    monkeypatch.setattr(ownership.os, "listxattr", lambda path: ["system.posix_acl_access"])
    assert why_way_untrusted(shared) is not None, "a list of access rights names more users than the group has"
