"""Whether other users could have written a file, or could put another in its place.

Code that another user could have written must never be loaded. So a file must be ours or root's and closed to others, and
so must every directory on the way to it: whoever may write to a directory may rename what is in it. In a directory with
the sticky bit, such as /tmp, only the owner of an entry may rename it.

A directory that its group may write is accepted on the way if the group has no member but its owner: many systems give
each user such a group and a umask of 002.
"""

import grp
import os
import pwd
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH
# More than the system follows: a path has at most 2048 parts, and so have at most 40 links on it.
_MAX_STEPS: Final = 41 * 2048


def why_untrusted(status: os.stat_result) -> str | None:
    """What speaks against using a file or directory with this status, or None."""
    if status.st_uid not in (0, os.geteuid()):
        return f"it belongs to user {status.st_uid} and this process runs as user {os.geteuid()}"
    if status.st_mode & _OTHERS_WRITE:
        return f"its mode {stat.S_IMODE(status.st_mode):04o} lets other users write to it"
    return None


def why_way_untrusted(directory: Path, goal: Path | None = None) -> str | None:
    """What speaks against an existing directory and all that leads to it, symbolic links included, or None.

    The reason speaks of the way to the goal, which is the directory unless it is to be made below it.

    Raises: OSError: a step does not exist or is no directory, or links go in a circle
    """
    directory.stat()
    for number, step in enumerate(_steps(directory)):
        if number > _MAX_STEPS:  # links are changed while we follow them
            return "the way to it has no end"
        status = step.lstat()
        is_owner_enough = stat.S_ISLNK(status.st_mode) or status.st_mode & stat.S_ISVTX
        if is_owner_enough or _has_private_group(step, status):
            reason = _why_owner_untrusted(status)
        else:
            reason = why_untrusted(status)
        if reason is not None:
            return reason if step == (goal or directory) else f"{step} is on the way to it, and {reason}"
    return None


def _steps(path: Path) -> Iterator[Path]:
    """Each directory and each symbolic link that the system passes when it looks up an absolute path, from the root on."""
    rest, current = list(reversed(path.parts[1:])), Path("/")
    yield current
    while rest:
        step = Path(os.path.normpath(current / rest.pop()))  # `current` is no link, so `..` may be cut off
        yield step
        if not step.is_symlink():
            current = step
            continue
        goal = Path(os.readlink(step))
        current = Path("/") if goal.is_absolute() else current
        rest += reversed(goal.parts[1:] if goal.is_absolute() else goal.parts)


def _why_owner_untrusted(status: os.stat_result) -> str | None:
    if status.st_uid in (0, os.geteuid()):
        return None
    return f"it belongs to user {status.st_uid} and this process runs as user {os.geteuid()}"


def _has_private_group(directory: Path, status: os.stat_result) -> bool:
    """Whether, beside its owner, only a group without other members may write to a directory, as OpenSSH asks it."""
    if status.st_mode & _OTHERS_WRITE != stat.S_IWGRP:
        return False
    if "system.posix_acl_access" in os.listxattr(directory):  # the mode of the group then speaks for others, too
        return False
    try:
        owner, group = pwd.getpwuid(status.st_uid), grp.getgrgid(status.st_gid)
    except KeyError:
        return False
    users = {user.pw_uid for user in pwd.getpwall() if user.pw_gid == group.gr_gid}
    return users == {owner.pw_uid} and set(group.gr_mem) <= {owner.pw_name}
