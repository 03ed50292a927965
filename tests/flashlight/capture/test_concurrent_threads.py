"""Threads that record at the same time meet a tensor once."""

import sys
import threading
from collections.abc import Iterator

import numpy as np
import pytest
import torch

import composit.numpy as cnp
import flashlight


@pytest.fixture(autouse=True)
def often_switched() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def test_threads_that_meet_a_tensor_at_once_make_one_input_of_it() -> None:
    for _ in range(20):
        x, found = torch.ones(3), dict[int, torch.Tensor]()
        barrier = threading.Barrier(4)

        def work(number: int, x: torch.Tensor, found: dict[int, torch.Tensor], barrier: threading.Barrier) -> None:
            barrier.wait()
            found[number] = (x * number).exp()

        with flashlight.tracer.trace():
            workers = [threading.Thread(target=work, args=(number, x, found, barrier)) for number in range(4)]
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()
            total = sum(found[number] for number in range(4))
        new = np.array([0.0, 1.0, 2.0], "float32")
        expected = sum(np.exp(new * number) for number in range(4))
        np.testing.assert_allclose(cnp.evaluate(total, inputs={x: new}), expected, rtol=1e-6)
