"""`check_algorithm`: an algorithm against numpy in float64, over random cases."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from composit.errors import AlgorithmError, ParameterError
from composit.evaluation import bind
from composit.operation import Array, Dtype
from composit.value import value_of
from mosaic.algorithms.occurrence import Occurrence, occurrences
from mosaic.algorithms.random_cases import RandomCase, random_case
from mosaic.algorithms.record import Algorithm
from mosaic.algorithms.registry import algorithms_of
from mosaic.api import compile
from mosaic.targets import detect

CASES_PER_PROGRAM = 10
DEFAULT_ERROR: Mapping[str, float] = {"float32": 2e-6, "float64": 5e-15}
"""As shares of the largest sum of |products|: what sums of a few hundred terms in any order stay below, threefold."""


@dataclass(frozen=True, slots=True)
class AlgorithmCheck:
    """What `check_algorithm` found.

    num_cases:   how many cases were computed and compared
    num_refused: how many the algorithm does not take, by what `why_not` says: for each reason so many
    errors:      for each dtype the largest error, as a share of the largest sum of |products| of its case
    """

    algorithm: str
    operation: str
    num_cases: int
    refused: Mapping[str, int]
    errors: Mapping[str, float]

    @property
    def num_refused(self) -> int:
        """How many cases the algorithm does not take."""
        return sum(self.refused.values())

    def __str__(self) -> str:
        errors = ", ".join(f"{error:.1e} ({dtype})" for dtype, error in self.errors.items())
        return (
            f"{self.algorithm} of {self.operation}: {self.num_cases} cases agree with numpy, {self.num_refused} were refused; largest "
            f"error {errors}"
        )


def check_algorithm(
    algorithm: Algorithm | str,
    operation: str | None = None,
    *,
    num_cases: int = 60,
    seed: int = 0,
    dtypes: Iterable[str] = ("float32", "float64"),
    error: float | Mapping[str, float] | None = None,
) -> AlgorithmCheck:
    """Compare an algorithm with numpy in float64 over random cases, on one thread and on two, and return what was found.

    Cases have odd sizes, strides, dilation, groups and batches; operands are arrays and views of arrays; inputs and constants.

    algorithm:  what `mosaic.algorithm` or `c_algorithm` returned, or its name, with the `operation`
    num_cases:  for each dtype; those that the algorithm refuses count, and some must be left
    error:      the largest error that is right, as a share of the sum of |products|; by default 2e-6 and 5e-15

    Raises:  AlgorithmError: a result is wrong, or differs between one and two threads: the case is in the message, with the seed;
             ParameterError: no such algorithm, or it takes none of the cases; CompileError: its C is not valid
    Example:
        >>> import mosaic
        >>> print(mosaic.check_algorithm("direct", "relu", num_cases=5, dtypes=["float64"]))
        direct of relu: 5 cases agree with numpy, 0 were refused; largest error 0.0e+00 (float64)
    """
    found = _found(algorithm, operation)
    refused: dict[str, int] = {}
    errors: dict[str, float] = {}
    count = 0
    for dtype in dtypes:
        rng = np.random.default_rng(seed)
        cases = [random_case(found.operation, rng, np.dtype(dtype)) for _ in range(num_cases)]
        taken: list[RandomCase] = []
        for case in cases:
            why_not = found.why_not(_occurrence(case, found).case)
            if why_not:
                refused[why_not] = refused.get(why_not, 0) + 1
            else:
                taken.append(case)
        limit = _limit(error, dtype)
        for start in range(0, len(taken), CASES_PER_PROGRAM):
            worst = _check_together(taken[start : start + CASES_PER_PROGRAM], found, limit, seed)
            errors[dtype] = max(errors.get(dtype, 0.0), worst)
        count += len(taken)
    if not count:
        reasons = "; ".join(list(refused)[:3])
        raise ParameterError(
            f"check_algorithm: {found.name!r} takes none of {num_cases} random cases of {found.operation} ({reasons}); expected an "
            "algorithm that takes some; give more cases, or loosen why_not"
        )
    return AlgorithmCheck(found.name, found.operation, count, refused, errors)


def _found(algorithm: Algorithm | str, operation: str | None) -> Algorithm:
    if isinstance(algorithm, Algorithm):
        operation, name = algorithm.operation, algorithm.name
    else:
        name = algorithm
    known = algorithms_of(operation or "")
    if name not in known:
        raise ParameterError(
            f"check_algorithm: {name!r} of {operation!r} was given, which is not registered; expected what mosaic.algorithm returned, or a "
            f"name and its operation ({', '.join(map(repr, known)) or 'such as conv2d'})"
        )
    return known[name]


def _limit(error: float | Mapping[str, float] | None, dtype: str) -> float:
    given = DEFAULT_ERROR if error is None else error
    return given[dtype] if isinstance(given, Mapping) else given


def _occurrence(case: RandomCase, algorithm: Algorithm) -> Occurrence:
    """Return the place of the case's operation in its program, as the choice of algorithms sees it."""
    bound, _ = bind([value_of(case.result)], ())
    program, constants = bound.program, {id(leaf.node.operation) for leaf in case.leaves[case.num_inputs :]}
    known = [place for place, each in enumerate(program.instructions) if id(each.operation) in constants]
    position = program.outputs[0][0]
    return next(each for each in occurrences(program, known, detect()) if each.position == position)


def _check_together(cases: Sequence[RandomCase], algorithm: Algorithm, limit: float, seed: int) -> float:
    """Compile the cases as one program, run it on one thread and on two, and return the largest error."""
    chosen: dict[Any, str] = {case.result: algorithm.name for case in cases if case.result.ndim}
    chosen |= {algorithm.operation: algorithm.name} if len(chosen) < len(cases) else {}
    inputs = [leaf for case in cases for leaf in case.leaves[: case.num_inputs]]
    arrays = [array for case in cases for array in case.arrays[: case.num_inputs]]
    outputs = [case.result for case in cases]
    results = [compile(outputs, inputs=inputs, algorithms=chosen, num_threads=threads)(*arrays) for threads in (1, 2)]
    worst = 0.0
    for case, one, two in zip(cases, *results, strict=True):
        if np.asarray(one).tobytes() != np.asarray(two).tobytes():
            raise AlgorithmError(
                f"check_algorithm: {algorithm.name!r} gives other results on two threads than on one for {case} (seed {seed}); expected "
                "the same bits; let each part write to places of its own"
            )
        worst = max(worst, _error(case, np.asarray(one), algorithm, limit, seed))
    return worst


def _error(case: RandomCase, value: Array, algorithm: Algorithm, limit: float, seed: int) -> float:
    """Return the error of a result, as a share of the largest sum of |products|; raises AlgorithmError above the limit."""
    exact = np.asarray(case.operation.evaluate(*[each.astype(_WIDE) for each in case.operands]))
    sizes = np.asarray(case.operation.evaluate(*[np.abs(each).astype(_WIDE) for each in case.operands]))
    if value.shape != exact.shape:
        raise AlgorithmError(
            f"check_algorithm: {algorithm.name!r} gives the shape {value.shape} for {case} (seed {seed}); expected {exact.shape}"
        )
    differences = np.abs(value.astype(_WIDE) - exact)
    largest = max(float(np.max(sizes, initial=0)), float(np.finfo(value.dtype).tiny))
    error = float(np.max(np.where(np.isfinite(differences), differences, np.inf), initial=0)) / largest
    if error > limit:
        place = tuple(int(each) for each in np.unravel_index(int(np.argmax(differences)), exact.shape))
        raise AlgorithmError(
            f"check_algorithm: {algorithm.name!r} is wrong for {case} (seed {seed}): at {place} it gives {value[place]!r}, numpy in "
            f"float64 {float(exact[place])!r}; the error is {error:.1e} of the largest sum of |products|; expected at most {limit:.1e}; "
            "state error= if more is right"
        )
    return error


_WIDE: Dtype = np.dtype(np.float64)
