"""What holding a graph costs: building, looking, evaluating, calling; each as a multiple of numpy's own `a + b`.

The unit is numpy's addition of two arrays of four float64 elements, measured in the same rounds. Nothing here loads
torch: its many objects would make the collector's work look like ours.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

import composit
import composit.numpy as cnp
import mosaic
from benchmarks.bert.forward import forward
from benchmarks.bert.weights import random_weights
from benchmarks.bert.workload import Array, Sizes, Workload
from benchmarks.measure import Run, Timings, median_interval, run_interleaved
from benchmarks.report import print_table

_UNIT = "numpy a + b"
_CHAIN = 1000
_SMALL = np.array([1.0, 2.0, 3.0, 4.0])


@dataclass(frozen=True, slots=True)
class Cost:
    """One figure: a run, how many operations it makes, and the words for both."""

    name: str
    run: Run
    num_operations: int
    aim: str = ""


def run_costs(num_rounds: int) -> None:
    """One table; the run that takes longest is a graph of 100,000 nodes."""
    costs = [
        _numpy_unit(),
        *(_building(length) for length in (100, 1000, 10_000, 100_000)),
        *_writing_numpy(),
        _building_bert(),
        _looking(),
        _numpy_chain(),
        _evaluating(),
        *(_differentiating(length) for length in (1000, 10_000, 100_000)),
        *(_evaluating_a_gradient(length) for length in (1000, 10_000, 100_000)),
        _calling(),
    ]
    timings = run_interleaved({cost.name: cost.run for cost in costs}, num_rounds)
    rows = [_row(cost, timings) for cost in costs]
    print_table(
        f"costs per operation, as multiples of {_UNIT} on 4 elements",
        ["what", "operations", "ms in all", "us each", "multiple", "aim"],
        rows,
    )


def _row(cost: Cost, timings: Timings) -> list[str]:
    seconds = timings.seconds(cost.name).median
    units = [unit / _CHAIN for unit in timings.name_to_seconds[_UNIT]]
    each = [value / cost.num_operations for value in timings.name_to_seconds[cost.name]]
    multiple = median_interval([value / unit for value, unit in zip(each, units, strict=True)])
    return [
        cost.name,
        str(cost.num_operations),
        f"{seconds * 1e3:.3g}",
        f"{seconds / cost.num_operations * 1e6:.3g}",
        str(multiple),
        cost.aim,
    ]


def _numpy_unit() -> Cost:
    b = _SMALL.copy()

    def run() -> None:
        for _ in range(_CHAIN):
            _SMALL + b

    return Cost(_UNIT, run, _CHAIN)


def _chain(length: int) -> cnp.LazyTensor:
    total: cnp.LazyTensor = cnp.asarray(_SMALL)
    step = cnp.asarray(_SMALL)
    for _ in range(length):
        total = total + step
    return total


def _building(length: int) -> Cost:
    # Short chains several times over: what one of them takes is hardly more than the caches that the run before left cold.
    times = max(1, _CHAIN // length)

    def run() -> None:
        for _ in range(times):
            _chain(length)

    return Cost(f"build a chain of {length} adds", run, times * length, "20 at most, 8 is good")


def _writing_numpy() -> list[Cost]:
    """What ordinary numpy calls cost to build: each a thousand times on the same small arrays."""
    x, y, matrix = cnp.asarray(_SMALL), cnp.asarray(_SMALL), cnp.ones((4, 4))
    calls: dict[str, Callable[[], object]] = {
        "x + 1.0": lambda: x + 1.0,
        "np.add(x, y)": lambda: cnp.add(x, y),
        "np.exp(x)": lambda: cnp.exp(x),
        "np.sum(x)": lambda: cnp.sum(x),
        "matrix.max(axis=0)": lambda: matrix.max(axis=0),
        "x[1:3]": lambda: x[1:3],
        "matrix[:, 1]": lambda: matrix[:, 1],
        "matrix.T": lambda: matrix.T,
        "matrix @ matrix": lambda: matrix @ matrix,
    }
    costs = [Cost(f"build {name}", _repeated(call), _CHAIN, "20 at most") for name, call in calls.items()]
    return [*costs, Cost("assign n elements, one by one", _assign_elements, _CHAIN, "linear in n")]


def _repeated(call: Callable[[], object]) -> Run:
    def run() -> None:
        for _ in range(_CHAIN):
            call()

    return run


def _assign_elements() -> cnp.LazyTensor:
    total: cnp.LazyTensor = cnp.zeros(_CHAIN)
    for place in range(_CHAIN):
        total[place] = 2.0
    return total


def _building_bert() -> Cost:
    sizes = Sizes()
    weights = {name: cnp.asarray(value) for name, value in random_weights(sizes).items()}
    input_ids = cnp.asarray(Workload(sizes, batch=1, num_threads=1).input_ids)

    def run() -> cnp.LazyTensor:
        result: cnp.LazyTensor = forward(cnp, cnp.erf, weights, input_ids, sizes)
        return result

    return Cost("build BERT-base by numpy calls", run, _num_operations(run()), "20 ms in all")


def _num_operations(tensor: cnp.LazyTensor) -> int:
    graph = tensor.graph
    return sum(graph.in_degree(node) > 0 for node in graph.nodes)


def _looking() -> Cost:
    length = 10_000

    def run() -> object:
        return _chain(length).graph

    return Cost("build 10,000 adds, take tensor.graph", run, length, "building + 100 ms in all")


def _numpy_chain() -> Cost:
    def run() -> Array:
        total = _SMALL
        for _ in range(_CHAIN):
            total = total + _SMALL
        return total

    return Cost("numpy runs the chain itself", run, _CHAIN)


def _evaluating() -> Cost:
    total = _chain(_CHAIN)
    return Cost("evaluate the chain again, numpy backend", lambda: composit.evaluate(total), _CHAIN, "3x numpy's chain")


def _gradient_of_a_chain(length: int) -> Callable[[], cnp.LazyTensor]:
    """Return a call that makes the gradient of a chain of functions, whose own graph is built before."""
    x = cnp.asarray(_SMALL)
    total = x
    for place in range(length):
        total = cnp.sin(total) if place % 2 else total * 1.01
    loss = cnp.sum(total)

    def run() -> cnp.LazyTensor:
        gradient: cnp.LazyTensor = composit.chain_rule({loss: loss}, [x])[0]
        return gradient

    return run


def _differentiating(length: int) -> Cost:
    return Cost(f"differentiate a chain of {length} functions", _gradient_of_a_chain(length), length, "linear")


def _evaluating_a_gradient(length: int) -> Cost:
    gradient = _gradient_of_a_chain(length)()
    return Cost(f"evaluate the gradient of {length} functions", lambda: composit.evaluate(gradient), length, "linear")


def _calling() -> Cost:
    a, b = cnp.asarray(_SMALL), cnp.asarray(_SMALL)
    model = mosaic.compile(a + b, inputs=[a, b], num_threads=1)
    call: Callable[..., Array] = model
    arrays: Sequence[Array] = (_SMALL, _SMALL.copy())

    def run() -> None:
        for _ in range(_CHAIN):
            call(*arrays)

    return Cost("call a compiled a + b", run, _CHAIN, "12 at most")
