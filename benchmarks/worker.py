"""A contender in a process of its own: its threads, allocator and environment meet nobody else's.

The parent asks for a run through a pipe and times until the answer; the answer is empty, so asking costs some 0.05 ms.
"""

import multiprocessing
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Self

from benchmarks.contender import Contender, SkipContender, skip


class Worker:
    """A process in which a contender has prepared its run.

    Raises: SkipContender: it cannot take part, or its process died while preparing
    """

    def __init__(self, contender: Contender, workload: object) -> None:
        self.name = contender.name
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(contender, workload, theirs), daemon=True)
        with _variables(contender.environment):  # they must be there before the process loads its first library
            self._process.start()
        theirs.close()
        reason = self._receive()
        if reason is not None:
            skip(str(reason))

    def run(self) -> None:
        """One run; returns when it is done."""
        self._connection.send("run")
        self._receive()

    def output(self) -> Any:  # Any: an array, or several, as the suite's contenders give
        """What the run computes."""
        self._connection.send("output")
        return self._receive()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._connection.close()
        self._process.join(timeout=5)
        if self._process.is_alive():
            self._process.kill()

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
    try:
        run = import_module(contender.module).prepare(workload)
    except ModuleNotFoundError as error:
        return connection.send(f"{error.name} is not installed")
    except SkipContender as reason:
        return connection.send(str(reason))
    connection.send(None)
    while True:
        try:
            wish = connection.recv()
        except EOFError:
            return None
        result = run()
        connection.send(result if wish == "output" else None)
