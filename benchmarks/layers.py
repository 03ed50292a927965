"""Layers against torch's eager ones: `python -m benchmarks layers [--threads 1 2] [--only PATTERN] [--rounds N]`.

Three programs per layer: the forward pass; the backward pass from what the forward pass has kept, as torch's autograd has it;
and both. mosaic runs on as many threads as torch, the numpy backend against torch on one. The last contender builds the
graph anew for each run, which is how a loop without compilation spends its time; it has no bound.

On one thread the clock is that of the process, which stands still while others have the core. Values are compared with
torch's first. All contenders work on arrays in C order, and make new arrays for their results.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

import composit.numpy as cnp
import mosaic
from benchmarks.layer_cases import Array, Case, cases
from benchmarks.measure import Clock, Run, Timings, run_interleaved
from benchmarks.report import print_as_measured
from composit.backends import get_backend
from composit.evaluation import bind, prepare
from composit.guards import leaf_value
from composit.handle import make_tensor
from composit.nn import chain_rule
from composit.operation import OperationKind
from composit.program import ancestors_in_order, run_in, surroundings_of
from composit.value import Value, value_of

_TOLERANCE = 2e-4  # of the largest element
_SECONDS_PER_TURN = 2e-3
_BASE, _COMPILED, _NUMPY, _REBUILT = "torch", "mosaic", "numpy", "numpy, graph anew"


@dataclass(frozen=True, slots=True)
class _Part:
    """The forward pass of a layer, its backward pass, or both: as graph, and as a call of torch.

    inputs:  the tensors whose values are given to a compiled program
    rebuilt: makes the outputs anew; None where the part begins within the graph
    """

    name: str
    inputs: list[Any]
    outputs: list[Any]
    rebuilt: Callable[[], list[Any]] | None
    with_torch: Callable[[], Sequence[Any]]


def run_layers(num_threads: int, num_rounds: int, only: str) -> None:
    """Print a row per layer and part: torch's time, and those of the others as multiples of it."""
    torch.set_num_threads(num_threads)
    names = [_COMPILED] if num_threads > 1 else [_COMPILED, _NUMPY, _REBUILT]
    misses: list[str] = []
    print_as_measured(
        f"layers, {num_threads} thread{'s' * (num_threads > 1)}: times as multiples of torch's, ! where above the bound",
        ["layer", "torch us", *(f"{name:>24} x" for name in names)],
        _rows(num_threads, num_rounds, only, names, misses),
        width=52,
    )
    print(f"\n{len(misses)} above their bounds" + "".join(f"\n  {each}" for each in misses))


def _rows(num_threads: int, num_rounds: int, only: str, names: list[str], misses: list[str]) -> Iterator[Sequence[str]]:
    for case in cases():
        for part in _parts(case) if re.search(only, case.name) else ():
            clock_ns = time.process_time_ns if num_threads == 1 else time.perf_counter_ns
            timings = _timed(_contenders(part, num_threads, names), num_rounds, clock_ns)
            cells = []
            for name in names:
                bound = {_COMPILED: case.most_of_mosaic, _NUMPY: case.most_of_numpy}.get(name, np.inf)
                is_known = name in timings.name_to_seconds
                is_missed = is_known and timings.ratio(name, _BASE).median > bound
                cells.append(str(timings.ratio(name, _BASE)) + " !" * is_missed if is_known else "")
                if is_missed:
                    misses.append(f"{name}: {case.name}, {part.name}: {cells[-1][:-2]}, at most {bound:g}")
            yield [f"{case.name}, {part.name}", f"{timings.seconds(_BASE).median * 1e6:.4g}", *cells]


def _parts(case: Case) -> Iterator[_Part]:
    tensors = [cnp.asarray(array) for array in case.arrays]
    wanted = [tensor for tensor in tensors if tensor.dtype.kind == "f"]
    theirs = [torch.tensor(array) for array in case.arrays]
    learned = [each.requires_grad_() for each in theirs if each.is_floating_point()]
    y, their_y = case.layer(*tensors), case.torch_layer(*theirs)
    cotangent = np.random.default_rng(1).normal(size=y.shape).astype(np.float32)
    g, their_g = cnp.asarray(cotangent), torch.tensor(cotangent)
    gradients = chain_rule({y: g}, wanted)

    def forward() -> list[Any]:
        with torch.no_grad():
            return [case.torch_layer(*theirs)]

    def backward() -> list[Any]:
        return list(torch.autograd.grad(their_y, learned, their_g, retain_graph=True))

    def both() -> list[Any]:
        result = case.torch_layer(*theirs)
        return [result.detach(), *torch.autograd.grad(result, learned, their_g)]

    def built() -> list[Any]:
        result = case.layer(*tensors)
        return [result, *chain_rule({result: g}, wanted)]

    kept = _kept(y, gradients)
    positions = [each for each in kept if _are_positions(value_of(each))]
    yield _Part("forward", tensors, [y, *positions], lambda: [case.layer(*tensors)], forward)
    yield _Part("backward", kept, gradients, None, backward)
    yield _Part("both", [*tensors, g], [y, *gradients], built, both)


def _kept(y: Any, gradients: list[Any]) -> list[Any]:
    """Return the values that the backward pass reads of the forward pass, and its other leaves."""
    forward = {id(node) for node in ancestors_in_order([y.node])}
    found: dict[Any, Value] = {}
    stack = [value_of(each) for each in gradients]
    seen = set()
    while stack:
        value = stack.pop()
        operation = value.node.operation
        is_leaf = operation.kind is OperationKind.INPUT
        is_of_forward = id(value.node) in forward and operation.kind not in _REPEATED
        if is_leaf or is_of_forward or _are_positions(value):
            found[value.identity] = value
        elif id(value.node) not in seen:
            seen.add(id(value.node))
            stack += [Value(*operand) for operand in value.node.operands]
    return [make_tensor(value.node, value.index) for value in found.values()]


def _are_positions(value: Value) -> bool:
    """Return whether these are positions of largest elements, which torch's forward pass computes and keeps.

    So the forward part computes them too, although only the derivative reads them.
    """
    return value.node.operation.kind is OperationKind.REDUCTION and value.node.types[value.index].dtype.kind == "i"


_REPEATED = (OperationKind.SCALAR, OperationKind.MOVEMENT)  # nothing to keep: numbers, and views of what is kept


def _contenders(part: _Part, num_threads: int, names: list[str]) -> dict[str, Run]:
    """Return the calls, after a comparison of their values."""
    runs: dict[str, Run] = {_BASE: part.with_torch, _COMPILED: _compiled(part, num_threads)}
    if _NUMPY in names:
        runs[_NUMPY] = _interpreted(part)
    if _REBUILT in names and part.rebuilt is not None:
        make = part.rebuilt
        runs[_REBUILT] = lambda: cnp.evaluate(*make())
    expected = [each.numpy() for each in part.with_torch()]
    for name, run in list(runs.items())[1:]:
        result: Any = run()
        found = [result] if isinstance(result, np.ndarray) else list(result)
        for one, other in zip(found[: len(expected)], expected, strict=True):
            _check_close(f"{part.name}, {name}", one, other)
    return runs


def _compiled(part: _Part, num_threads: int) -> Run:
    model = mosaic.compile(part.outputs, inputs=part.inputs, num_threads=num_threads)
    arrays = cnp.evaluate(part.inputs)
    return lambda: model(*arrays)


def _interpreted(part: _Part) -> Run:
    """Return the run of the numpy backend alone, from the same inputs."""
    bound, _ = bind([value_of(each) for each in part.outputs], [value_of(each) for each in part.inputs])
    prepared = prepare(bound.program, get_backend("numpy"))
    surroundings = surroundings_of(bound.program.labels)
    known = {value_of(each).identity: array for each, array in zip(part.inputs, cnp.evaluate(part.inputs), strict=True)}
    leaves = [known[leaf.identity] if leaf.identity in known else leaf_value(leaf) for leaf in bound.leaves]
    return lambda: run_in(surroundings, prepared, leaves)


def _check_close(name: str, one: Array, other: Array) -> None:
    difference = float(np.max(np.abs(one - other), initial=0.0)) / max(1.0, float(np.max(np.abs(other), initial=0.0)))
    if one.shape != other.shape or not difference <= _TOLERANCE:
        raise AssertionError(f"{name}: shapes {one.shape} and {other.shape}, difference {difference:.2e}")


def _timed(runs: dict[str, Run], num_rounds: int, clock_ns: Clock) -> Timings:
    """Times of one call each, in turns of several calls where one is short."""
    shortest = min(_seconds(runs[_BASE]) for _ in range(3))
    repeats = max(1, int(_SECONDS_PER_TURN / max(shortest, 1e-7)))
    timings = run_interleaved(
        {name: _repeated(run, repeats) for name, run in runs.items()}, num_rounds, clock_ns=clock_ns
    )
    return Timings({name: tuple(each / repeats for each in taken) for name, taken in timings.name_to_seconds.items()})


def _seconds(run: Run) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def _repeated(run: Run, repeats: int) -> Run:
    def repeated() -> object:
        result = None
        for _ in range(repeats):
            result = run()
        return result

    return repeated
