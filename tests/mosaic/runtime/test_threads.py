"""The thread pool: every task once, whoever runs it, from whichever thread it is called."""

import threading
from collections.abc import Callable

import numpy as np
import pytest

from composit.errors import ParameterError
from composit.operation import tensor_type
from mosaic.runtime.execute import PreparedFunction
from mosaic.runtime.threads import checked_num_threads, num_available_cores
from tests.mosaic.runtime.programs import PATIENCE_S, run_source, start_python

NUM_TASKS = 1000
COUNTS = tensor_type((NUM_TASKS,), "int64")
NUMBER = tensor_type((1,), "int64")

# Adds task + 1 to the count of each task, for as many rounds and tasks as asked.
COUNT_SOURCE = run_source(
    """
    const long num_rounds = ((const long *)inputs[0])[0], num_tasks = ((const long *)inputs[1])[0];
    for (long i = 0; i < 1000; i++) ((long *)outputs[0])[i] = 0;
    for (long round = 0; round < num_rounds; round++)
        runtime->parallel_for(runtime, add_once, outputs[0], num_tasks);
    """,
    before="static void add_once(void *context, long task, long thread) { (void)thread; ((long *)context)[task] += task + 1; }",
)

NESTED_SOURCE = run_source(
    """
    struct pair pair = {runtime, outputs[0]};
    for (long i = 0; i < 1000; i++) pair.counts[i] = 0;
    runtime->parallel_for(runtime, outer, &pair, 10);
    """,
    before="""
    struct pair { const struct mosaic_runtime *runtime; long *counts; };
    struct row { long *counts; long start; };
    static void inner(void *context, long task, long thread) { (void)thread;
        const struct row *row = context;
        row->counts[row->start + task] += row->start + task + 1;
    }
    static void outer(void *context, long task, long thread) { (void)thread;
        const struct pair *pair = context;
        struct row row = {pair->counts, 100 * task};
        pair->runtime->parallel_for(pair->runtime, inner, &row, 100);
    }
    """,
)


# Halves the smallest normal number, once as the thread is and once with denormals flushed by the caller.
DENORMAL_SOURCE = run_source(
    """
    double *results = outputs[0];
    for (int i = 0; i < 1000; i++) results[i] = -1;
    runtime->parallel_for(runtime, halve, results, 500);
    const unsigned long mode = get_mode();
    set_mode(mode | FLUSH);
    runtime->parallel_for(runtime, halve, results + 500, 500);
    set_mode(mode);
    """,
    before="""
    #if defined(__x86_64__)
    enum { FLUSH = 0x8040 };
    static unsigned long get_mode(void) { return __builtin_ia32_stmxcsr(); }
    static void set_mode(unsigned long mode) { __builtin_ia32_ldmxcsr((unsigned)mode); }
    #else
    enum { FLUSH = 1 << 24 };
    static unsigned long get_mode(void) { unsigned long mode; __asm__("mrs %0, fpcr" : "=r"(mode)); return mode; }
    static void set_mode(unsigned long mode) { __asm__ volatile("msr fpcr, %0" : : "r"(mode)); }
    #endif
    static void halve(void *context, long task, long thread) { (void)thread;
        volatile double smallest = 0x1p-1022;
        for (volatile int i = 0; i < 1000; i++) ((double *)context)[task] = smallest * 0.5;
    }
    """,
)


def expected_counts(num_rounds: int, num_tasks: int) -> np.ndarray:
    tasks = np.arange(NUM_TASKS)
    return np.where(tasks < num_tasks, (tasks + 1) * num_rounds, 0)


def number(value: int) -> np.ndarray:
    return np.array([value], np.int64)


@pytest.fixture
def count(prepare: Callable[..., PreparedFunction]) -> Callable[[int], PreparedFunction]:
    return lambda num_threads: prepare(COUNT_SOURCE, (NUMBER, NUMBER), (COUNTS,), num_threads)


@pytest.mark.parametrize("num_threads", [1, 2, 3, 7])
@pytest.mark.parametrize("num_tasks", [0, 1, 2, 3, 7, 64, 1000])
def test_every_task_runs_exactly_once(
    num_threads: int, num_tasks: int, count: Callable[[int], PreparedFunction]
) -> None:
    (counts,) = count(num_threads).run([number(300), number(num_tasks)])
    np.testing.assert_array_equal(counts, expected_counts(300, num_tasks))


def test_calls_from_several_python_threads_at_once_are_right(count: Callable[[int], PreparedFunction]) -> None:
    function = count(2)
    results: list[np.ndarray] = []

    def call() -> None:
        results.extend(function.run([number(3000), number(333)])[0] for _ in range(5))

    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 20
    for counts in results:
        np.testing.assert_array_equal(counts, expected_counts(3000, 333))


def test_a_call_from_inside_a_task_runs_its_tasks(prepare: Callable[..., PreparedFunction]) -> None:
    (counts,) = prepare(NESTED_SOURCE, (), (COUNTS,), num_threads=2).run([])
    np.testing.assert_array_equal(counts, expected_counts(1, 1000))


def test_tasks_round_as_the_caller_does_on_every_thread(prepare: Callable[..., PreparedFunction]) -> None:
    function = prepare(DENORMAL_SOURCE, (), (tensor_type((1000,), "float64"),), num_threads=2)
    for _ in range(5):
        (halves,) = function.run([])
        assert halves.tolist() == [2.0**-1023] * 500 + [0.0] * 500


def test_the_pool_works_again_in_the_child_of_a_fork(shared_cache_directory: object) -> None:
    script = """
        import os
        from mosaic.runtime.compilation import compile_library
        from mosaic.runtime.execute import Signature, prepare_function
        from mosaic.runtime.library import load_library
        from mosaic.targets import detect
        from tests.mosaic.runtime.test_threads import COUNT_SOURCE, COUNTS, NUMBER, expected_counts, number
        library = load_library(compile_library(COUNT_SOURCE, target=detect()))
        function = prepare_function(library, Signature((NUMBER, NUMBER), (COUNTS,)), num_threads=2)
        def is_right():
            return bool((function.run([number(2000), number(100)])[0] == expected_counts(2000, 100)).all())
        def num_threads():
            return len(os.listdir("/proc/self/task"))
        before = num_threads()
        print("parent", is_right(), num_threads() - before, flush=True)
        child = os.fork()
        if child == 0:
            before = num_threads()
            print("child", is_right(), num_threads() - before, flush=True)
            os._exit(0)
        os.waitpid(child, 0)
        before = num_threads()
        print("parent", is_right(), num_threads() - before, flush=True)
    """
    output, _ = start_python(script, PYTHONWARNINGS="ignore").communicate(timeout=PATIENCE_S)
    assert output.splitlines() == ["parent True 1", "child True 1", "parent True 0"]


def test_threads_that_share_a_processor_are_not_woken_for_each_job(shared_cache_directory: object) -> None:
    # As on a machine busy with other programs: each hand-over would be two switches, and the caller has to wait for them.
    script = """
        import os, resource
        from mosaic.runtime.compilation import compile_library
        from mosaic.runtime.execute import Signature, prepare_function
        from mosaic.runtime.library import load_library
        from mosaic.targets import detect
        from tests.mosaic.runtime.test_threads import COUNT_SOURCE, COUNTS, NUMBER, expected_counts, number
        library = load_library(compile_library(COUNT_SOURCE, target=detect()))
        function = prepare_function(library, Signature((NUMBER, NUMBER), (COUNTS,)), num_threads=2)
        function.run([number(1), number(100)])
        for thread in os.listdir("/proc/self/task"):
            os.sched_setaffinity(int(thread), {min(os.sched_getaffinity(0))})
        function.run([number(100), number(1000)])
        before = resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw
        is_right = bool((function.run([number(8000), number(1000)])[0] == expected_counts(8000, 1000)).all())
        print(is_right, resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw - before)
    """
    output, _ = start_python(script, PYTHONWARNINGS="ignore").communicate(timeout=PATIENCE_S)
    is_right, num_switches = output.split()
    assert is_right == "True"
    assert int(num_switches) < 8000 * 2 / 16 * 1.2  # one job in 16 tries: two threads wait once


@pytest.mark.parametrize("num_threads", [0, -1, 1.5, "2", True, np.True_, None, 1025, 2**40])
def test_a_number_of_threads_that_is_no_positive_integer_is_refused(num_threads: int) -> None:
    with pytest.raises(
        ParameterError, match=rf"num_threads=.* integer from 1 to 1024, and {num_available_cores()} uses every"
    ):
        checked_num_threads(num_threads)
