"""Programs that we run: what they give back, and that they end with us."""

import os
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from mosaic.runtime import processes
from mosaic.runtime.processes import Finished, run_program
from tests.mosaic.runtime.programs import PATIENCE_S, ends_soon, start_python, write_program
from tests.sampling import only

# Tells its own number and that of its child, which ignores whatever can be ignored, and waits.
_ANNOUNCE_AND_HANG = """
    trap '' TERM INT HUP PIPE
    (trap '' TERM INT HUP PIPE; while :; do sleep 1000; done) &
    echo "$$ $!" > {announcement}
    while :; do sleep 1000; done
"""

_RUN_IT = """
    import sys
    from mosaic.runtime.processes import run_program
    run_program([{program!r}], timeout_s=1000)
"""


@pytest.fixture
def announcement(tmp_path: Path) -> Path:
    pipe = tmp_path / "announcement"
    os.mkfifo(pipe)
    return pipe


@pytest.fixture
def hanging(tmp_path: Path, announcement: Path) -> str:
    return write_program(tmp_path / "hanging", _ANNOUNCE_AND_HANG.format(announcement=announcement))


def announced(pipe: Path) -> list[int]:
    """The numbers of the program and its child; blocks until they run."""
    process_ids = [int(word) for word in pipe.read_text().split()]
    assert len(process_ids) == 2
    return process_ids


def test_a_program_gives_its_status_and_both_its_streams(tmp_path: Path) -> None:
    program = write_program(tmp_path / "program", 'echo "out $1"; echo err >&2; exit 3')
    assert run_program([program, "word"], timeout_s=PATIENCE_S) == Finished(3, "out word\nerr\n")


@pytest.mark.parametrize("how", only([signal.SIGKILL], [signal.SIGTERM, signal.SIGKILL]))
def test_a_program_and_its_children_end_when_a_signal_ends_us(how: int, hanging: str, announcement: Path) -> None:
    us = start_python(_RUN_IT.format(program=hanging))
    process_ids = announced(announcement)
    us.send_signal(how)
    us.communicate(timeout=PATIENCE_S)
    assert us.returncode == -how
    assert all(map(ends_soon, process_ids))


def test_a_program_ends_when_another_thread_exits_the_process(hanging: str, announcement: Path) -> None:
    script = f"""
        import os, sys, threading
        from mosaic.runtime.processes import run_program
        threading.Thread(target=run_program, args=([{hanging!r}],), kwargs={{"timeout_s": 1000}}, daemon=True).start()
        sys.stdin.read()
        os._exit(7)
    """
    us = start_python(script, stdin=subprocess.PIPE)
    process_ids = announced(announcement)
    us.communicate(timeout=PATIENCE_S)
    assert us.returncode == 7
    assert all(map(ends_soon, process_ids))


def test_a_program_ends_with_us_though_a_fork_of_ours_lives_on(hanging: str, announcement: Path) -> None:
    script = f"""
        import os, signal, sys, threading, time
        from mosaic.runtime.processes import run_program
        threading.Thread(target=run_program, args=([{hanging!r}],), kwargs={{"timeout_s": 1000}}, daemon=True).start()
        sys.stdin.readline()
        child = os.fork()
        if child == 0:
            time.sleep(1000)
        os.write(1, str(child).encode())
        os.kill(os.getpid(), signal.SIGKILL)
    """
    us = start_python(script, stdin=subprocess.PIPE)
    process_ids = announced(announcement)
    assert us.stdin is not None
    assert us.stdout is not None
    us.stdin.write("go\n")
    us.stdin.flush()
    us.wait(PATIENCE_S)
    fork = int(os.read(us.stdout.fileno(), 100))
    try:
        assert all(map(ends_soon, process_ids))
    finally:
        os.kill(fork, signal.SIGKILL)
        us.communicate()


def test_a_program_ends_when_another_program_takes_our_place(hanging: str, announcement: Path) -> None:
    script = f"""
        import os, sys, threading
        from mosaic.runtime.processes import run_program
        threading.Thread(target=run_program, args=([{hanging!r}],), kwargs={{"timeout_s": 1000}}, daemon=True).start()
        sys.stdin.read()
        os.execv("/bin/sh", ["sh", "-c", "exit 8"])
    """
    us = start_python(script, stdin=subprocess.PIPE)
    process_ids = announced(announcement)
    us.communicate(timeout=PATIENCE_S)
    assert us.returncode == 8
    assert all(map(ends_soon, process_ids))


def test_a_program_ends_at_the_time_limit(hanging: str, announcement: Path) -> None:
    seen: list[int] = []
    reader = threading.Thread(target=lambda: seen.extend(announced(announcement)))
    reader.start()
    with pytest.raises(subprocess.TimeoutExpired):
        run_program([hanging], timeout_s=1.0)
    reader.join()
    assert all(map(ends_soon, seen))


def test_what_a_program_leaves_in_the_background_ends_with_it(tmp_path: Path) -> None:
    program = write_program(tmp_path / "program", 'sleep 1000 >"$0.log" 2>&1 & echo $!')
    finished = run_program([program], timeout_s=PATIENCE_S)
    assert finished.exit_status == 0
    assert ends_soon(int(finished.output))


def test_the_processor_time_is_limited_to_what_the_time_limit_allows(tmp_path: Path) -> None:
    # The limit is set from outside, so the program waits for it.
    program = write_program(tmp_path / "program", "while [ $(ulimit -t) = unlimited ]; do :; done; ulimit -H -t")
    assert run_program([program], timeout_s=PATIENCE_S) == Finished(
        0, f"{(int(PATIENCE_S) + 1) * (os.cpu_count() or 1)}\n"
    )


def test_files_of_a_program_are_private_whatever_our_umask(tmp_path: Path) -> None:
    previous = os.umask(0)
    try:
        run_program(["/bin/sh", "-c", "echo text > file"], timeout_s=PATIENCE_S, directory=tmp_path)
    finally:
        os.umask(previous)
    assert (tmp_path / "file").stat().st_mode & 0o077 == 0


def test_a_machine_without_a_shell_runs_programs_and_keeps_the_time_limit(
    tmp_path: Path, hanging: str, announcement: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "_WATCHER", (str(tmp_path / "no-sh"),))
    assert run_program(["/bin/echo", "word"], timeout_s=PATIENCE_S) == Finished(0, "word\n")
    test_a_program_ends_at_the_time_limit(hanging, announcement)


def test_a_program_that_does_not_exist_is_an_error_and_leaves_no_process(tmp_path: Path) -> None:
    before = num_children()
    with pytest.raises(FileNotFoundError):
        run_program([str(tmp_path / "none")], timeout_s=PATIENCE_S)
    assert num_children() == before


def num_children() -> int:
    """How many children this process has, ended ones included that nobody waited for."""
    return len(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())
