"""A contender in a process of its own: its threads, allocator and environment meet nobody else's.

The parent asks for runs through a pipe and times until the answer; the answer is empty, so asking costs some 0.05 ms.
A worker may prepare one workload after another: its libraries are imported once.
"""

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Self

from benchmarks import resident
from benchmarks.contender import Contender, Run, SkipContender, skip


class Worker:
    """A process in which a contender has prepared its run.

    preparing_seconds: how long it took to prepare the last workload, with its libraries imported

    Raises: SkipContender: it cannot take part, or its process died while preparing
    """

    def __init__(self, contender: Contender, workload: object) -> None:
        self.name = contender.name
        context = multiprocessing.get_context("spawn")
        self.preparing_seconds = 0.0
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(contender, workload, theirs), daemon=True)
        with _variables(contender.environment):  # they must be there before the process loads its first library
            self._process.start()
        theirs.close()
        self._prepared()

    def prepare(self, workload: object) -> None:
        """Prepare another workload in place of the last one.

        Raises: SkipContender: it cannot take part in this one, or its process died while preparing
        """
        self._ask("prepare", workload)
        self._prepared()

    def _prepared(self) -> None:
        answer = self._receive()
        if isinstance(answer, str):
            skip(answer)
        self.preparing_seconds = float(answer)

    def run(self, times: int = 1) -> None:
        """So many runs; returns when they are done."""
        self._ask("run", times)
        self._receive()

    def output(self) -> Any:  # Any: an array, or several, as the suite's contenders give
        """What the run computes."""
        self._ask("output", None)
        return self._receive()

    def largest_mib(self) -> float:
        """The most that was resident during a run, without what was resident before the workload was prepared."""
        self._ask("memory", None)
        return float(self._receive())

    def processor_ns(self) -> int:
        """How long the processors have worked for its process, all threads together."""
        assert self._process.pid is not None
        # The kernel's number for that clock; Python gives no name to it (clock_getcpuclockid in glibc).
        return time.clock_gettime_ns(~self._process.pid << 3 | 2)

    @property
    def is_alive(self) -> bool:
        """Whether its process still answers."""
        return self._process.is_alive()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._connection.close()
        self._process.join(timeout=5)
        if self._process.is_alive():
            self._process.kill()

    def _ask(self, wish: str, argument: object) -> None:
        try:
            self._connection.send((wish, argument))
        except BrokenPipeError:
            self._process.join()  # the missing answer says that it ended

    def _receive(self) -> Any:  # a reason, an array or None: what the protocol says at this point
        try:
            return self._connection.recv()
        except EOFError:
            self._process.join()
            return skip(f"its process ended with status {self._process.exitcode}")


@contextmanager
def _variables(environment: Mapping[str, str]) -> Iterator[None]:
    saved = dict(os.environ)
    os.environ.update(environment)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(saved)


def _serve(contender: Contender, workload: object, connection: Connection) -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # libraries that greet on the screen would stand in the tables
    try:
        prepare = import_module(contender.module).prepare
    except ModuleNotFoundError as error:
        return connection.send(f"{error.name} is not installed")
    prepared = _Prepared(lambda workload: prepare(workload, *contender.arguments))
    answers: Mapping[str, Callable[[Any], Any]] = {  # Any: each wish has its own argument and answer
        "prepare": prepared.prepare,
        "run": prepared.run,
        "output": prepared.output,
        "memory": prepared.memory,
    }
    connection.send(prepared.prepare(workload))
    while True:
        try:
            wish, argument = connection.recv()
        except EOFError:
            return None
        connection.send(answers[wish](argument))


class _Prepared:
    """A workload prepared in a worker's process. Each public method answers one message of the parent."""

    def __init__(self, prepare: Callable[[object], Run]) -> None:
        self._prepare = prepare
        self._run: Run = lambda: None
        self._mib_before = 0.0

    def prepare(self, workload: object) -> str | float:
        """Return the seconds it took, or why the contender cannot take part."""
        self._run = lambda: None  # the last workload's memory is given back
        self._mib_before = resident.settled_mib()
        start = time.perf_counter()
        try:
            self._run = self._prepare(workload)
        except ModuleNotFoundError as error:
            return f"{error.name} is not installed"
        except SkipContender as reason:
            return str(reason)
        return time.perf_counter() - start

    def run(self, times: int) -> None:
        for _ in range(times):
            self._run()

    def output(self, _: None) -> Any:  # Any: an array, or several
        return self._run()

    def memory(self, _: None) -> float:
        resident.settled_mib()
        resident.forget_largest()
        self._run()
        return resident.largest_mib() - self._mib_before
