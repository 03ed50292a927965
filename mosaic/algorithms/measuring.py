"""Times of all algorithms that take a case, on made-up numbers; each case is timed once and its times are kept in the cache.

Each algorithm is compiled alone, with the operands that are constant as constants. The runs take turns, so that a change of the
machine's speed meets all of them.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from time import perf_counter

import numpy as np

from composit.errors import CodeStorageError
from composit.nn.operations.convolution import Convolution
from composit.numpy.manipulation.reshaping import Transpose
from composit.operation import Array, Input, TensorType, tensor_type
from composit.program import Instruction, Label, Program
from mosaic.algorithms.attention import NAME as ATTENTION
from mosaic.algorithms.choosing import Choice
from mosaic.algorithms.occurrence import Occurrence
from mosaic.algorithms.record import Algorithm, Case
from mosaic.algorithms.registry import algorithms_of, is_own
from mosaic.executable import Executable
from mosaic.passes.pipeline import Options, Request
from mosaic.runtime.cache import Key, content_key, open_caches
from mosaic.runtime.fingerprint import installation_digest
from mosaic.targets import Target
from mosaic.without_compiler import build

Progress = Callable[[str, float], None]
Seconds = Mapping[str, float]

_SEED = 20_241
_MOST_SECONDS = 0.25  # of runs that count, for one algorithm
_FEWEST_RUNS = 5
_MOST_RUNS = 50


def measured_seconds(
    occurrences: Sequence[Occurrence], target: Target, num_threads: int, progress: Progress = lambda stage, share: None
) -> dict[tuple[int, str], Seconds]:
    """Return for each occurrence, by its key, the median seconds of a run of each algorithm that takes it.

    Times that were measured on this machine before, by the same mosaic, come from the cache. Where there is no compiler there are none.
    """
    found: dict[tuple[object, ...], Seconds] = {}
    times: dict[tuple[int, str], Seconds] = {}
    for number, occurrence in enumerate(occurrences):
        case = occurrence.case
        shapes = (case.operand_types, case.types, case.is_constant, case.is_entering, case.is_leaving)
        key = (occurrence.operation, case.operation.structure(), *shapes)
        if key not in found:
            progress(f"measure {occurrence.operation}", number / len(occurrences))
            found[key] = _of_case(occurrence, target, num_threads)
        times[occurrence.key] = found[key]
    return times


def _of_case(occurrence: Occurrence, target: Target, num_threads: int) -> Seconds:
    algorithms = [each for each in algorithms_of(occurrence.operation).values() if not each.why_not(occurrence.case)]
    if len(algorithms) == 1 or occurrence.operation == ATTENTION:
        return {}  # nothing to compare, or no operation that could be timed alone; a model's profile times its kernels
    key = _key(occurrence, algorithms, num_threads)
    known = None if key is None else _kept(key, algorithms)
    if known is not None:
        return known
    seconds = _timed(occurrence, algorithms, target, num_threads)
    if key is not None and seconds:
        with contextlib.suppress(OSError, CodeStorageError):  # a full disk: they are measured again next time
            open_caches()[-1].publish_note(key, json.dumps(seconds))
    return seconds


def _key(occurrence: Occurrence, algorithms: Sequence[Algorithm], num_threads: int) -> Key | None:
    """Return the name under which the times of a case are kept; None where code from outside is among what is timed."""
    if not all(map(is_own, algorithms)):
        return None
    case = occurrence.case
    words = [
        repr(case.operation),
        repr(case.operand_types),
        repr((case.is_constant, case.is_entering, case.is_leaving)),
        repr(case.target),
        str(num_threads),
    ]
    words += [each.name for each in algorithms]
    return Key(content_key(installation_digest(), *(word.encode() for word in words)), b"times")


def _kept(key: Key, algorithms: Sequence[Algorithm]) -> Seconds | None:
    with contextlib.suppress(CodeStorageError):
        for cache in open_caches():
            for text in cache.notes(key):
                with contextlib.suppress(ValueError, TypeError, AttributeError):
                    seconds = {str(name): float(value) for name, value in json.loads(text).items()}
                    if seconds.keys() == {each.name for each in algorithms}:
                        return seconds
    return None


def _timed(
    occurrence: Occurrence, algorithms: Sequence[Algorithm], target: Target, num_threads: int
) -> dict[str, float]:
    trials = [_Trial(each.name, *_compiled(occurrence, each, target, num_threads)) for each in algorithms]
    if not all(isinstance(trial.executable, Executable) for trial in trials):
        return {}
    first = {trial.name: trial.seconds() for trial in trials}  # the first run touches memory, the second counts
    first = {trial.name: trial.seconds() for trial in trials}
    runs = {
        name: int(min(_MOST_RUNS, max(_FEWEST_RUNS, _MOST_SECONDS / max(once, 1e-7)))) for name, once in first.items()
    }
    times: dict[str, list[float]] = {trial.name: [] for trial in trials}
    for turn in range(max(runs.values())):
        for trial in trials:
            if turn < runs[trial.name]:
                times[trial.name].append(trial.seconds())
    return {name: median(values) for name, values in times.items()}


@dataclass(frozen=True, slots=True)
class _Trial:
    name: str
    executable: object
    run: Callable[[], object]

    def seconds(self) -> float:
        """Return the time of one run."""
        start = perf_counter()
        self.run()
        return perf_counter() - start


def _compiled(
    occurrence: Occurrence, algorithm: Algorithm, target: Target, num_threads: int
) -> tuple[object, Callable[[], object]]:
    case = occurrence.case
    program = program_of(case)
    arrays = sample_operands([program.instructions[position].types[0] for position in program.inputs], _SEED)
    known = {position: arrays[position] for position, is_known in enumerate(case.is_constant) if is_known}
    inputs = tuple(position for position in program.inputs if position not in known)
    position = next(place for place, each in enumerate(program.instructions) if each.operation is case.operation)
    choice = Choice(_alone(occurrence, position), algorithm, "measured", ())
    request = Request(program, known, Options(target, as_numpy=True), inputs, (choice,))
    executable = build(request, num_threads, lambda stage, share: None)
    given = [arrays[position] for position in inputs]
    return executable, lambda: executable.run(given)


def _alone(occurrence: Occurrence, position: int) -> Occurrence:
    return Occurrence(position, occurrence.operation, 0, "", "", None, occurrence.case)


def program_of(case: Case) -> Program:
    """Return the program of one operation; its operands are the first instructions, all of them inputs.

    The image and the result of a convolution that stands between others lie with channels last, as there.
    """
    is_convolution = isinstance(case.operation, Convolution)
    leaves = [Instruction(Input(None, each), (), (each,)) for each in case.operand_types]
    instructions, places = list(leaves), list(range(len(leaves)))
    if is_convolution and not case.is_entering:
        instructions[0], shown = _with_channels_last(0, case.operand_types[0])
        places[0] = len(instructions)
        instructions.append(shown)
    position = len(instructions)
    instructions.append(Instruction(case.operation, tuple((place, 0) for place in places), case.types))
    if is_convolution and not case.is_leaving:
        order = (0, *range(2, len(case.types[0].shape)), 1)
        instructions.append(_transposed(position, case.types[0], order))
        position += 1
    outputs = tuple((position, index) for index in range(len(case.types)))
    labels = (Label("", "", None),) * len(instructions)
    return Program(tuple(instructions), tuple(range(len(leaves))), outputs, labels)


def _with_channels_last(position: int, each: TensorType) -> tuple[Instruction, Instruction]:
    """Return an input with channels last, and a view of it with channels first."""
    moved = (each.shape[0], *each.shape[2:], each.shape[1])
    stored = tensor_type(moved, each.dtype)
    order = (0, len(moved) - 1, *range(1, len(moved) - 1))
    return Instruction(Input(None, stored), (), (stored,)), _transposed(position, stored, order)


def _transposed(position: int, each: TensorType, order: tuple[int, ...]) -> Instruction:
    operation = Transpose(order)
    return Instruction(operation, ((position, 0),), operation.result_types(each))


def sample_operands(types: Sequence[TensorType], seed: int) -> list[Array]:
    """Return arrays of these types: floats in [-1, 1), small integers, both values of bool."""
    generator = np.random.default_rng(seed)
    return [_sample(each, generator) for each in types]


def _sample(each: TensorType, generator: np.random.Generator) -> Array:
    if each.dtype.kind == "f":
        return generator.uniform(-1.0, 1.0, each.shape).astype(each.dtype)
    return generator.integers(0, 2, each.shape).astype(each.dtype)
