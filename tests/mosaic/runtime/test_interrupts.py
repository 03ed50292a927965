"""Signals in a long run: heard between tasks, on the main thread, and everything works afterwards."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

import numpy as np
import pytest

from composit.operation import tensor_type
from mosaic.runtime.execute import PreparedFunction
from tests.mosaic.runtime.programs import PATIENCE_S, run_source, start_python
from tests.sampling import in_turn, only

NUM_TASKS = 2000
COUNTS = tensor_type((NUM_TASKS,), "int64")
NUMBER = tensor_type((1,), "int64")

# Each task notes that it ran, and takes as many microseconds as the input says: all of them would take minutes.
SLEEPING = run_source(
    """
    struct work work = {*(const long *)inputs[0], outputs[0]};
    for (long i = 0; i < 2000; i++) work.counts[i] = 0;
    for (long start = 0; start < 2000; start += {step}) {
        work.start = start;
        runtime->parallel_for(runtime, sleep_once, &work, {step});
    }
    """,
    before="""
    #include <time.h>
    struct work { long microseconds; long *counts; long start; };
    static void sleep_once(void *context, long task, long thread) {
        (void)thread;
        const struct work *work = context;
        const struct timespec pause = {0, work->microseconds * 1000};
        nanosleep(&pause, NULL);
        work->counts[work->start + task] += 1;
    }
    """,
)


class StopError(Exception):
    """What the test's own handler raises."""


@pytest.fixture
def handled() -> Iterator[list[int]]:
    """The signals that were handled; the third raises."""
    seen: list[int] = []

    def handle(number: int, frame: FrameType | None) -> None:
        seen.append(number)
        if len(seen) == 3:
            raise StopError

    before = signal.signal(signal.SIGUSR1, handle)
    yield seen
    signal.signal(signal.SIGUSR1, before)


def signalling(done: threading.Event) -> threading.Thread:
    """A thread that sends signals until it is told to stop."""

    def send() -> None:
        while not done.wait(0.02):
            os.kill(os.getpid(), signal.SIGUSR1)

    return threading.Thread(target=send)


@pytest.mark.parametrize(("num_threads", "num_tasks"), in_turn([1, 2], [1, NUM_TASKS]))
def test_a_handler_that_raises_ends_the_run_and_the_next_one_is_whole(
    num_threads: int, num_tasks: int, prepare: Callable[..., PreparedFunction], handled: list[int]
) -> None:
    function = prepare(SLEEPING.replace("{step}", str(num_tasks)), (NUMBER,), (COUNTS,), num_threads)
    done = threading.Event()
    sender = signalling(done)
    out = np.zeros(NUM_TASKS, np.int64)
    sender.start()
    try:
        with pytest.raises(StopError):
            function.run_into([np.array([30_000])], [out])
    finally:
        done.set()
        sender.join()
    assert len(handled) >= 3, "handlers that raise nothing run too, and the run goes on"
    assert 0 < out.sum() < NUM_TASKS
    for arrays in ([np.array([0])], (np.array([0]),)):
        (counts,) = function.run(arrays)
        assert (counts == 1).all()


@pytest.mark.parametrize("kind", [list, tuple])
def test_every_way_of_calling_hears_a_signal(
    kind: type, prepare: Callable[..., PreparedFunction], handled: list[int]
) -> None:
    function = prepare(SLEEPING.replace("{step}", "2000"), (NUMBER,), (COUNTS,), 2, arena_bytes=1 << 10)
    for _ in range(2):
        handled.clear()
        done = threading.Event()
        sender = signalling(done)
        sender.start()
        try:
            with pytest.raises(StopError):
                function.run(kind([np.array([30_000])]))
        finally:
            done.set()
            sender.join()
        (counts,) = function.run(kind([np.array([0])]))
        assert (counts == 1).all()


def test_another_thread_runs_on_while_the_main_thread_handles_signals(
    prepare: Callable[..., PreparedFunction], handled: list[int]
) -> None:
    function = prepare(SLEEPING.replace("{step}", "2000"), (NUMBER,), (COUNTS,), 1)
    results: list[np.ndarray] = []
    worker = threading.Thread(target=lambda: results.extend(function.run([np.array([200])])))
    worker.start()
    os.kill(os.getpid(), signal.SIGUSR1)
    worker.join()
    assert (results[0] == 1).all()
    assert handled == [signal.SIGUSR1]


@pytest.mark.parametrize("num_threads", only([2], [1, 2]))
def test_ctrl_c_in_a_compiled_model_raises_keyboard_interrupt(num_threads: int, shared_cache_directory: object) -> None:
    script = f"""
        import os, signal, threading
        import numpy as np
        import composit.numpy as cnp, mosaic
        x = y = cnp.asarray(np.full((1500, 1500), 1e-4))
        for _ in range(100):  # half a minute of work, or more
            y = cnp.tanh(y @ x)
        z = cnp.asarray(np.ones(3))
        long = mosaic.compile([y, z + 1], inputs=[x, z], num_threads={num_threads})
        short = mosaic.compile(z + 1, inputs=[z], num_threads={num_threads})
        threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
        out = [np.zeros((1500, 1500)), np.zeros(3)]
        try:
            long(np.full((1500, 1500), 1e-4), np.ones(3), out=out)
            print("was not heard")
        except KeyboardInterrupt:
            print("heard", short(np.ones(3)).tolist())
        threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
        try:
            long(np.full((1500, 1500), 1e-4), np.ones(3))
        except KeyboardInterrupt:
            print("heard again", short(np.ones(3)).tolist())
    """
    output, _ = start_python(script).communicate(timeout=PATIENCE_S)
    assert output.splitlines() == ["heard [2.0, 2.0, 2.0]", "heard again [2.0, 2.0, 2.0]"]
