"""Results of threads that a trace did not start: guards of the tensors they may depend on. Tasks of older pools are recorded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.pool import ThreadPool
from queue import Queue
from threading import Thread

import numpy as np
import pytest
import torch

import composit as cnp
import flashlight
import mosaic
from composit.errors import GuardError
from flashlight.tracer import trace

ZEROS = np.zeros(3, np.float32)


def fives_of(x: torch.Tensor) -> torch.Tensor:
    return x * 5


@pytest.fixture
def x() -> torch.Tensor:
    return torch.ones(3)


@pytest.fixture
def ask() -> Iterator[Callable[[torch.Tensor], torch.Tensor]]:
    """Return a function that has an older thread compute five times a tensor."""
    questions: Queue[torch.Tensor | None] = Queue()
    answers: Queue[torch.Tensor] = Queue()

    def work() -> None:
        while (given := questions.get()) is not None:
            answers.put(fives_of(given))
            del given

    def asking(given: torch.Tensor) -> torch.Tensor:
        questions.put(given)
        return answers.get()

    thread = Thread(target=work)
    thread.start()
    yield asking
    questions.put(None)
    thread.join()


def test_a_result_of_an_older_thread_holds_for_the_values_of_the_trace_alone(
    x: torch.Tensor, ask: Callable[[torch.Tensor], torch.Tensor]
) -> None:
    with trace():
        fives = ask(x)
        y = fives + x
    np.testing.assert_array_equal(cnp.evaluate(y, inputs={x: np.ones(3, np.float32)}), 6)
    words = r"(?s)a thread that the trace did not start made a tensor float32\[3\] used at\n.*y = fives \+ x"
    with pytest.raises(GuardError, match=words):
        cnp.evaluate(y, inputs={x: ZEROS})
    with pytest.raises(GuardError, match="start the thread inside the trace"):
        mosaic.compile(y, inputs=[x])(ZEROS)
    np.testing.assert_array_equal(cnp.evaluate(y, inputs={x: ZEROS, fives: ZEROS}), 0)
    np.testing.assert_array_equal(cnp.evaluate(y, inputs={fives: ZEROS}), 1)


def test_the_tensor_that_the_thread_took_may_be_met_after_its_result(
    x: torch.Tensor, ask: Callable[[torch.Tensor], torch.Tensor]
) -> None:
    with trace():
        fives = ask(x) + 1
        y = fives * x.sum()
    with pytest.raises(GuardError, match="did not start"):
        cnp.evaluate(y, inputs={x: ZEROS})


def test_a_model_that_asks_an_older_thread_is_traced_again(ask: Callable[[torch.Tensor], torch.Tensor]) -> None:
    captured = flashlight.capture(lambda x: ask(x) + x)
    for number in (1.0, 2.0, 1.0):
        np.testing.assert_array_equal(captured(torch.full((3,), number)), 6 * number)


def test_named_sizes_are_not_followed_through_an_older_thread(
    x: torch.Tensor, ask: Callable[[torch.Tensor], torch.Tensor]
) -> None:
    with trace(dynamic={x: {0: "length"}}):
        y = ask(x) + x
    with pytest.raises(GuardError, match="a thread that it did not start"):
        cnp.evaluate(y, inputs={x: np.zeros(4, np.float32)})


class _Scripted(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.shift = torch.ones(3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.shift + torch.ones(3)


# torch says so of all scripted modules; what people have has to be captured all the same.
@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_tensors_that_are_new_to_python_are_no_results_of_threads(
    x: torch.Tensor, ask: Callable[[torch.Tensor], torch.Tensor]
) -> None:
    weight = torch.nn.Parameter(torch.ones(3))
    (weight * 3).sum().backward()
    scripted = torch.jit.freeze(torch.jit.script(_Scripted()).eval())
    with torch.no_grad(), trace():
        ask(x)
        gradient = weight.grad
        assert gradient is not None
        y = x * gradient + torch.tensor([1.0, 2.0, 3.0]) + torch.from_numpy(np.ones(3, np.float32)) + scripted(x)
    np.testing.assert_array_equal(cnp.evaluate(y, inputs={x: ZEROS}), [4, 5, 6])


def test_a_thread_that_sleeps_has_made_nothing(x: torch.Tensor, ask: Callable[[torch.Tensor], torch.Tensor]) -> None:
    with trace():
        y = x + torch.Tensor([1.0, 2.0, 3.0])
    np.testing.assert_array_equal(cnp.evaluate(y, inputs={x: ZEROS}), [1, 2, 3])


def test_a_pool_that_an_earlier_trace_has_used_is_recorded(x: torch.Tensor) -> None:
    with ThreadPoolExecutor(1) as pool:
        for _ in range(2):
            with trace():
                y = pool.submit(fives_of, x).result() + 1
            np.testing.assert_array_equal(cnp.evaluate(y, inputs={x: ZEROS}), 1)


def test_tasks_of_a_pool_of_multiprocessing_are_recorded(x: torch.Tensor) -> None:
    with ThreadPool(1) as pool:
        with trace():
            parts = [
                pool.apply(fives_of, (x,)),
                *pool.map(fives_of, [x]),
                *pool.imap(fives_of, [x]),
                *pool.starmap(fives_of, [(x,)]),
            ]
            y = torch.stack(parts)
        np.testing.assert_array_equal(cnp.evaluate(y, inputs={x: ZEROS}), np.zeros((4, 3)))


def test_an_empty_tensor_of_an_older_thread_depends_on_nothing(
    x: torch.Tensor, ask: Callable[[torch.Tensor], torch.Tensor]
) -> None:
    with trace():
        y = torch.cat([ask(torch.ones(0)), x])
    np.testing.assert_array_equal(cnp.evaluate(y, inputs={x: ZEROS}), 0)
