"""`compile_step`: a training step (forward, backward, update) as one program, built once and run many times."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np

from composit.backends import Backend, BackendChoice, ForSteps, PreparedProgram, RunsInPlace, get_backend
from composit.containers import Rebuild, flatten, map_leaves
from composit.eager_results import lazily
from composit.errors import NoValueError, ParameterError, TracingError
from composit.evaluation import bind, owned, prepare
from composit.guards import leaf_value
from composit.handle import TensorHandle
from composit.mixed.mixed_backend import MixedProgram
from composit.nn.donation import Donations, Place, outputs_in_order
from composit.nn.scans.forms import paths_of
from composit.nn.step_arguments import StepArguments
from composit.nn.transforms import Container, being_traced, is_traced
from composit.numpy.random.recorded_draws import Draw, recorded_draws
from composit.operation import Array, Input, tensor_type
from composit.program import BoundProgram, run_in, surroundings_of
from composit.value import value_of


def compile_step(
    function: Callable[..., Container],
    backend: BackendChoice = "mosaic",
    *,
    donate: int | str | Sequence[int | str] = (),
    max_variants: int = 8,
) -> CompiledStep:
    """Return a function of arrays that runs a step's whole graph as one compiled program.

    The function takes parameters, state, data and rates, in containers of any kind, and returns tensors in containers: new
    parameters, new state, the loss. It is called with placeholders when arguments of new types come, and after that only its
    program runs. Results are arrays. Pass the new parameters in where the old ones went: a loop copies no weights.

    - A Python float among the arguments, such as a learning rate, may change without a new compilation.
    - Draws of composit's generators that exist before the call are made anew in each step, in the same order as without
      compilation: the masks of two steps differ. A generator made inside from a seed draws the same in each step.
    - The second call traces once more and compares: what differs from call to call without being an argument is an error.

    backend:      of `evaluate`: "mosaic" compiles to C, "numpy" and "torch" run the prepared program, a mapping mixes them
    donate:       positions and names of arguments whose arrays the step may overwrite: C then writes new parameters into the memory
                  of the old ones, and returns these arrays. `explain()` says which results are, and why others are not
    max_variants: how many sets of argument types are kept; the one that was not used for longest is dropped

    Raises:  TracingError: the function reads a value (use cnp.where), or builds another program at the second call
    Example:
        >>> import composit.numpy as cnp
        >>> from composit.nn import compile_step, value_and_grad
        >>> def step(w, x, rate):
        ...     loss, slope = value_and_grad(lambda w: cnp.sum((x @ w) ** 2))(w)
        ...     return w - rate * slope, loss
        >>> step = compile_step(step, backend="numpy")
        >>> w, loss = step(np.ones(2), np.eye(2), 0.25)
        >>> w, float(loss)
        (array([0.5, 0.5]), 2.0)
        >>> w, loss = step(w, np.eye(2), 0.1)
    """
    chosen = get_backend(backend)
    own = chosen.for_steps() if isinstance(chosen, ForSteps) else chosen
    return CompiledStep(function, own, _checked_donate(donate), max_variants)


def _checked_donate(donate: Any) -> tuple[int | str, ...]:
    given = (donate,) if isinstance(donate, int | str) else tuple(donate)
    if not all(isinstance(each, str) or (isinstance(each, int) and each >= 0) for each in given):
        raise ParameterError(
            f"compile_step: donate={donate!r:.60} was given; expected positions of arguments from 0 on, or names of keyword arguments; "
            "for the first argument write donate=0"
        )
    return given


class CompiledStep:
    """A step that runs as a compiled program; see `compile_step`."""

    def __init__(
        self,
        function: Callable[..., Container],
        backend: Backend,
        donate: tuple[int | str, ...],
        max_variants: int,
    ) -> None:
        if max_variants < 1:
            raise ParameterError(
                f"compile_step: max_variants={max_variants!r} was given; expected at least 1; 8 is the default"
            )
        self._function = function
        self._backend = backend
        self._donate = donate
        self._max_variants = max_variants
        self._variants: OrderedDict[object, _Variant] = OrderedDict()

    def __call__(self, *args: Container, **kwargs: Container) -> Container:
        """Return the step's results for these arguments, as arrays in the function's containers.

        Inside grad, another compiled step and the like, the function itself is called: its operations become part of their graph.
        """
        if is_traced():
            return self._function(*args, **kwargs)
        given = StepArguments(args, kwargs)
        given.check_donated(self._donate)
        key = given.key
        variant = self._variants.get(key)
        if variant is None:
            variant = self._variants[key] = _Variant(
                _traced(self._function, given, self._donate), self._backend, given.donated(self._donate)
            )
            while len(self._variants) > self._max_variants:
                self._variants.popitem(last=False)
        elif not variant.is_checked:
            variant.compare(_traced(self._function, given, self._donate))
        if len(self._variants) > 1:  # to hash a key costs as much as to look at all arrays
            self._variants.move_to_end(key)
        return variant.run(given.arrays())

    @property
    def num_variants(self) -> int:
        """How many programs are kept: one for each set of argument types."""
        return len(self._variants)

    def explain(self) -> str:
        """Where the results of the latest call are: a line for each, and one for each donated argument that keeps its values.

        Of a mapping of backends first which backend runs what, and what crosses, as `composit.explain` says it.

        Raises:  ParameterError: nothing ran yet
        """
        newest = next(reversed(self._variants.values()), None)
        if newest is None:
            raise ParameterError(
                f"explain: the memory of {self!r} was asked for; expected a step that has run; call it once"
            )
        lines = newest.donations.lines()
        mixed = newest.prepared
        return "\n".join([str(mixed.explain()), *lines] if isinstance(mixed, MixedProgram) else lines)

    @property
    def source(self) -> str:
        """The C of the program that ran last: forward, backward and update.

        Raises:  ParameterError: nothing ran yet, or the backend makes no text
        """
        newest = next(reversed(self._variants.values()), None)
        text = None if newest is None else getattr(newest.prepared, "source", None)
        if text is None:
            why = (
                "the step has not run yet; call it once"
                if newest is None
                else "its backend makes no C; use backend='mosaic'"
            )
            raise ParameterError(f"source: the C of {self!r} was asked for; expected a step compiled to C: {why}")
        return str(text)

    def __repr__(self) -> str:
        name = getattr(self._function, "__name__", type(self._function).__name__)
        return (
            f"<CompiledStep {name}: {self.num_variants} programs for {getattr(self._backend, 'name', self._backend)}>"
        )


@dataclass(frozen=True, slots=True)
class _Trace:
    """The program that a call of the function built.

    rebuild:   from output values to the function's result
    sources:   for each input of the program the number of an argument, a draw, or a constant array
    results:   the tensors that the function returns; `arguments`: the numeric leaves of the arguments
    outputs:   the number of the result that each output of the program is
    """

    bound: BoundProgram
    rebuild: Rebuild
    draws: Sequence[Draw]
    sources: Sequence[int | Draw | Array]
    results: Sequence[Place]
    arguments: Sequence[Place]
    outputs: Sequence[int]


def _traced(function: Callable[..., Container], given: StepArguments, donate: Sequence[int | str]) -> _Trace:
    made, (args, kwargs) = given.placeholders()
    # Taken before the call, since the function may write to its arguments: `x *= 2` points the tensor to another value.
    inputs = [value_of(each) for each in made]
    names = [path for number, each in enumerate(args) for path in paths_of(each, f"argument {number}")]
    names += [path for name, each in kwargs.items() for path in paths_of(each, f"argument {name}")]
    with recorded_draws() as record, being_traced(), lazily():
        try:
            result = function(*args, **kwargs)
        except NoValueError as error:
            raise TracingError(
                f"compile_step: the step asked for the value of an argument, which differs from call to call: {error}; expected a step "
                "that builds the same program for all values; write cnp.where for a condition, and return what Python should look at"
            ) from error
    tensors, rebuild = flatten(result)
    results, arguments = _places(paths_of(result, "result"), tensors), _places(names, made)
    outputs = outputs_in_order(results, arguments, given.donated(donate))
    bound, _ = bind([value_of(tensors[number]) for number in outputs], inputs)
    numbers = {value.identity: number for number, value in enumerate(inputs)}
    sources: list[int | Draw | Array] = []
    for leaf in bound.leaves:
        number = numbers.get(leaf.identity)
        if number is not None:
            sources.append(number)
            continue
        array = leaf_value(leaf)
        draw = next(
            (each for each in record.draws if isinstance(leaf.node.operation, Input) and each.gave(array)), None
        )
        sources.append(array if draw is None else draw)
    return _Trace(bound, rebuild, record.draws, sources, results, arguments, outputs)


def _places(paths: Sequence[str], tensors: Sequence[TensorHandle]) -> list[Place]:
    return [Place(path, tensor_type(each.shape, each.dtype)) for path, each in zip(paths, tensors, strict=True)]


class _Variant:
    """A program made runnable, for one set of argument types."""

    def __init__(self, trace: _Trace, backend: Backend, donated: Sequence[int]) -> None:
        self._trace = trace
        self._fresh: Mapping[int, Array] | None = {id(draw): draw.array for draw in trace.draws}
        self._surroundings = surroundings_of(trace.bound.program.labels)
        self.prepared: PreparedProgram = prepare(trace.bound.program, backend, trace.bound.nodes)
        self.is_checked = False
        inputs = {source: number for number, source in enumerate(trace.sources) if isinstance(source, int)}
        places = (trace.results, trace.arguments, trace.outputs)
        self.donations = Donations(self.prepared, *places, inputs, donated)

    def compare(self, again: _Trace) -> None:
        """Raise if a second trace differs from the first; its draws are those of the next run."""
        first = self._trace
        if again.bound.program.digest != first.bound.program.digest or len(again.draws) != len(first.draws):
            raise TracingError(
                f"compile_step: the second call built another program ({len(again.bound.program.instructions)} operations, "
                f"{len(again.draws)} draws) than the first ({len(first.bound.program.instructions)} operations, {len(first.draws)} "
                "draws) for arguments of the same types; expected the same one each time; pass what changes as an array or a float, and "
                "draw arrays (size=...), not single numbers"
            )
        for call, later in zip(first.draws, again.draws, strict=True):
            if not _are_same_calls(call, later):
                raise TracingError(
                    f"compile_step: a call of {call.method.__name__} that draws an array of shape {call.array.shape} had other "
                    "parameters, or another generator, in the second call than in the first, but a compiled step repeats the call as it "
                    "was; expected the same ones each time; draw standard numbers and compute with them, as in loc + scale * "
                    "generator.normal(size=...), and make generators outside of the step"
                )
        for one, other in zip(first.sources, again.sources, strict=True):
            if isinstance(one, np.ndarray) and isinstance(other, np.ndarray) and not _are_same(one, other):
                raise TracingError(
                    f"compile_step: an array of shape {one.shape} and dtype {one.dtype} that the step made itself differs between the "
                    "first two calls, but would be a constant of the compiled program; expected arrays that change among the arguments, "
                    "and random numbers from a composit generator (composit.numpy.random.default_rng) made outside of the step"
                )
        numbers = {id(draw): number for number, draw in enumerate(first.draws)}
        self._fresh = {key: again.draws[number].array for key, number in numbers.items()}
        self.is_checked = True

    def run(self, arrays: Sequence[Any]) -> Container:
        """Return the results for the values of the arguments."""
        fresh = self._fresh
        if fresh is None:
            fresh = {id(draw): draw.again() for draw in self._trace.draws}
        self._fresh = None
        values = [
            arrays[source] if isinstance(source, int) else fresh[id(source)] if isinstance(source, Draw) else source
            for source in self._trace.sources
        ]
        given = run_in(self._surroundings, lambda given: self.donations.run(given, arrays), values)
        found = dict(zip(self._trace.outputs, given, strict=True))
        results = [found[number] for number in range(len(found))]
        if not isinstance(self.prepared, RunsInPlace):
            # A result may be an argument itself, or share memory with others.
            kept = [copy(each) if any(each is value for value in values) else each for each in results]
            return self._trace.rebuild(owned(kept))
        # Nobody else sees the results of such a program.
        return self._trace.rebuild(results)


def _are_same_calls(one: Draw, other: Draw) -> bool:
    """Return whether two draws call the same method of the same generator with equal parameters."""
    if one.method is not other.method or one.generator._bit_generator is not other.generator._bit_generator:
        return False
    first, second = _parameters_of(one), _parameters_of(other)
    return len(first) == len(second) and all(map(_are_equal, first, second))


def _parameters_of(draw: Draw) -> list[Any]:
    # An array given as `out` holds what was drawn.
    found: list[Any] = []
    map_leaves((draw.args, {name: value for name, value in draw.kwargs.items() if name != "out"}), found.append)
    return found


def _are_equal(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return _are_same(one, other)
    return one is other or (type(one) is type(other) and bool(one == other))


def _are_same(one: Array, other: Array) -> bool:
    return one is other or (one.shape == other.shape and one.dtype == other.dtype and one.tobytes() == other.tobytes())
