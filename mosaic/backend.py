"""The backend "mosaic" of `evaluate`: every array is an input of the run, so that new data never compile again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from composit.kernels.language import Unit
from composit.locks import fork_safe_lock
from composit.node import Node
from composit.operation import Array, Dtype
from composit.program import Label, Program
from mosaic.algorithms.choosing import Choice, choose
from mosaic.algorithms.chosen import settled
from mosaic.algorithms.measuring import measured_seconds
from mosaic.algorithms.precisions import checked_precision, precision_of, target_for
from mosaic.algorithms.registry import SELECTORS, algorithms_of, has_defaults_from_outside
from mosaic.executable import Executable, with_scalars
from mosaic.kernels.source import kernel_text
from mosaic.passes.fold_constants import fold_constants
from mosaic.passes.pipeline import Options, Request, compile_program
from mosaic.report import explain
from mosaic.runtime.threads import checked_num_threads, num_available_cores
from mosaic.targets import Target, detect
from mosaic.without_compiler import InterpretedExecutable, build


class MosaicBackend:
    """Compiles programs to C for this machine; the name "mosaic" stands for `MosaicBackend()`.

    num_threads: at most so many; None is one per core. The results do not depend on it
    fuse:        False makes one kernel per node
    algorithms:  which algorithm computes what, as for `mosaic.compile`
    precision:   "bfloat16" rounds the operands of products of matrices, as for `mosaic.compile`

    Raises:  ParameterError: num_threads is no positive integer
    Example:
        >>> import composit.numpy as cnp, mosaic
        >>> cnp.evaluate(cnp.ones((2,)) + 1, backend=mosaic.MosaicBackend(num_threads=1))
        array([2., 2.])
    """

    name = "mosaic"

    def __init__(
        self, *, num_threads: int | None = None, fuse: bool = True, algorithms: Any = None, precision: str = "float32"
    ) -> None:
        self._num_threads = None if num_threads is None else checked_num_threads(num_threads)
        self._fuse = fuse
        self._algorithms = algorithms
        self._precision = checked_precision(precision)
        self._keep_packed = True
        self._for_steps: MosaicBackend | None = None
        self._fixed: tuple[Choice, ...] | None = None

    def kernel_source(self, unit: Unit, float_dtype: Dtype) -> str:
        """Return the C functions of a kernel of `composit.kernels`."""
        return kernel_text(unit, float_dtype)

    def for_steps(self) -> MosaicBackend:
        """Return the backend for programs all of whose arrays change from run to run: panels of weights are not kept."""
        if self._for_steps is None:
            own = self.with_algorithms(self._algorithms)
            own._keep_packed = False
            self._for_steps = own
        return self._for_steps

    def with_algorithms(self, algorithms: Any) -> MosaicBackend:
        """Return the backend that computes operations by these algorithms."""
        other = MosaicBackend(
            num_threads=self._num_threads, fuse=self._fuse, algorithms=algorithms, precision=self._precision
        )
        other._keep_packed = self._keep_packed
        return other

    def for_region(self, positions: Sequence[int]) -> MosaicBackend:
        """Return the backend for a part of the program that this one is for, with the algorithms chosen for the whole.

        positions: in the whole program, of the part's instructions; -1 for what it is given
        """
        if self._fixed is None:
            return self
        places = {position: place for place, position in enumerate(positions)}
        chosen = [each for each in self._fixed if each.position in places]
        return self._kept(
            tuple(replace(each, occurrence=replace(each.occurrence, position=places[each.position])) for each in chosen)
        )

    def algorithms_of(self, operation: str) -> tuple[str, ...]:
        """Return the names of an operation's algorithms, and the words that choose among them; none if there is no choice."""
        known = algorithms_of(operation)
        return (*known, *SELECTORS) if known else ()

    def for_program(self, program: Program, nodes: Sequence[Node | None]) -> MosaicBackend:
        """Return the backend with the algorithms of this program's instructions; itself, where all are the default."""
        if self._algorithms is None and (self._fixed is not None or not has_defaults_from_outside()):
            return self
        return self._kept(self._choices(program, fold_constants(program, {}), nodes))

    def _kept(self, choices: tuple[Choice, ...]) -> MosaicBackend:
        """Return the backend with these choices, one object for equal ones."""
        key = (
            self._num_threads,
            self._fuse,
            self._keep_packed,
            self._precision,
            tuple((one.occurrence.key, one.algorithm) for one in choices),
        )
        with _fixed_lock:
            found = _fixed_backends.setdefault(key, self._with_choices(choices))
            _fixed_backends.move_to_end(key)
            while len(_fixed_backends) > _MOST_FIXED:
                _fixed_backends.popitem(last=False)
        return found

    def _with_choices(self, choices: tuple[Choice, ...]) -> MosaicBackend:
        other = self.with_algorithms(None)
        other._fixed = choices
        return other

    def prepare(self, program: Program) -> PreparedRun:
        """Return a callable that runs the program; it takes the values of `program.inputs` in order."""
        return self._prepared(self._request(program))

    def prepare_with(
        self, program: Program, constants: Mapping[int, Array], nodes: Sequence[Node | None]
    ) -> PreparedRun:
        """Return a callable that runs the program with some inputs fixed, by their positions; it takes the values of the others."""
        known = fold_constants(program, constants)
        choices = self._choices(program, known, nodes) if self._fixed is None else self._fixed
        inputs = tuple(position for position in program.inputs if position not in constants)
        return self._prepared(Request(program, known, Options(self._target(), self._fuse), inputs, choices))

    def _prepared(self, request: Request) -> PreparedRun:
        program = request.program
        # The cores are counted here: a process may be given fewer after it made the backend.
        executable = build(request, self._num_threads or num_available_cores(), _say_nothing)
        settled(request.choices, program, executable.compiled)
        types = [program.instructions[position].types[0] for position in request.inputs]
        # A rate or a step count comes as a Python number.
        weak = {index: value_type.dtype for index, value_type in enumerate(types) if value_type.weak is not None}
        return PreparedRun(executable, weak, request.choices)

    def without_code(self, program: Program) -> Iterator[tuple[int, str]]:
        """Yield the instructions that numpy runs, by position, and why each has no C; no compiler is called."""
        for island in compile_program(self._request(program), _say_nothing).islands:
            yield island.origins[0], island.reason

    def _request(self, program: Program) -> Request:
        known = fold_constants(program, {})
        options = Options(self._target(), self._fuse, keep_packed=self._keep_packed)
        choices = self._choices(program, known, ()) if self._fixed is None else self._fixed
        return Request(program, known, options, program.inputs, choices)

    def _choices(
        self, program: Program, known: Mapping[int, Array], nodes: Sequence[Node | None]
    ) -> tuple[Choice, ...]:
        threads = self._num_threads or num_available_cores()
        target = self._target()
        measure = partial(measured_seconds, target=target, num_threads=threads)
        return choose(self._algorithms, program, known, target, nodes, measure, precision_of(target))

    def _target(self) -> Target:
        return target_for(self._precision, detect())


_MOST_FIXED = 256
_fixed_backends: OrderedDict[tuple[object, ...], MosaicBackend] = OrderedDict()
"""Backends with the choices of one program, by these: so that programs prepared by one are found again."""
_fixed_lock = fork_safe_lock()


@dataclass(frozen=True, slots=True)
class PreparedRun:
    """A program in machine code, as a function of the values of its inputs.

    weak: the inputs that are Python numbers, and the dtypes in which C takes them
    choices: the algorithms of the instructions that have any
    """

    executable: Executable | InterpretedExecutable
    weak: Mapping[int, Dtype]
    choices: tuple[Choice, ...] = ()

    def __call__(self, arrays: Sequence[Array]) -> Sequence[Array]:
        return with_scalars(self.executable.run(self._given(arrays)), self.executable.output_types)

    def donations(self) -> Iterator[tuple[int, int, str]]:
        """Yield an output, an input that it is computed from, and why it cannot be written there: "" if it can."""
        if isinstance(self.executable, Executable):
            for each in self.executable.compiled.donations:
                yield each.output, each.input, each.reason

    def run_in_place(self, arrays: Sequence[Array], given_away: Mapping[int, int]) -> Sequence[Array]:
        """Return the results; outputs are written into the arrays of inputs as `given_away` says, and are these arrays."""
        assert isinstance(self.executable, Executable), "a program that numpy runs has no donations"
        results = self.executable.run_in_place(self._given(arrays), given_away)
        return with_scalars(results, self.executable.output_types)

    def _given(self, arrays: Sequence[Array]) -> list[Array]:
        given = list(arrays)
        for index, dtype in self.weak.items():
            given[index] = np.asarray(given[index], dtype)
        return given

    def explain(self, labels: Sequence[Label]) -> str:
        """The kernel that computes each node, or why none does, and its algorithm; `labels` name the nodes."""
        return explain(self.executable, self.choices, labels)

    @property
    def source(self) -> str:
        """The C that was compiled."""
        return self.executable.compiled.source


def _say_nothing(stage: str, fraction: float) -> None:
    """No progress is shown."""
