"""`MixedBackend`: a mapping from keys to backends, as a backend of its own."""

from __future__ import annotations

from array import array
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeGuard

from composit.backends import (
    Backend,
    ChoosesAlgorithms,
    ForPrograms,
    ForRegions,
    ForSteps,
    MakesCode,
    PreparedProgram,
    get_backend,
)
from composit.errors import OperandError, ParameterError
from composit.evaluation import prepare
from composit.handle import described
from composit.keys import Key, digest
from composit.locks import fork_safe_lock
from composit.mixed.explanations import Explanation, explanation_of
from composit.mixed.placement import NOWHERE, place
from composit.mixed.regions import Region, cut
from composit.mixed.selectors import Pattern, Selector, TensorKey, selector_of
from composit.node import Node
from composit.operation import Array
from composit.program import Program, Reference, Surroundings, running_in, running_surroundings, surroundings_of

MAX_MIXED_BACKENDS = 64
MAX_PLACEMENTS = 256
_Rules: TypeAlias = tuple[tuple[Selector, Backend], ...]


class MixedBackend:
    """Runs each node on the backend of the first key that matches it, and on numpy where none does; made by `mixed_backend`.

    selectors: the keys, in order
    backends:  the backend of each key, and numpy at the end
    words:     the texts of the keys, and of none
    """

    def __init__(self, rules: _Rules, check: bool) -> None:
        self.selectors = tuple([selector for selector, _ in rules])
        self.backends = (*[backend for _, backend in rules], get_backend("numpy"))
        self.words = (*[str(selector) for selector, _ in rules], "no key")
        self._rules = rules
        self._check = check
        self._placed: OrderedDict[Key, PlacedBackend] = OrderedDict()
        self._lock = fork_safe_lock()

    @property
    def name(self) -> str:
        """The names of its backends."""
        return " and ".join(dict.fromkeys(name_of(backend) for _, backend in self._rules))

    def for_parts(self) -> MixedBackend:
        """Return the same for programs that need not have something for each key, such as parts of a program."""
        return _kept(self._rules, check=False)

    def for_steps(self) -> MixedBackend:
        """Return the same with each backend in its form for programs all of whose arrays change."""
        rules = tuple([(key, each.for_steps() if isinstance(each, ForSteps) else each) for key, each in self._rules])
        return _kept(rules, self._check)

    def with_algorithms(self, algorithms: Any) -> MixedBackend:
        """Return the same with these algorithms on those of the backends that have algorithms to choose from.

        Raises:  ParameterError: none of them has
        """
        rules = tuple(
            [
                (key, each.with_algorithms(algorithms) if isinstance(each, ChoosesAlgorithms) else each)
                for key, each in self._rules
            ]
        )
        if rules == self._rules:
            raise ParameterError(
                f"algorithms: {algorithms!r:.80} was given for {self.name}, which have one way to compute each operation; expected a "
                "mapping with a backend that has algorithms; give some key the backend 'mosaic'"
            )
        return _kept(rules, self._check)

    def algorithms_of(self, operation: str) -> Sequence[str]:
        """Return the names that may be given for an operation, those of all backends that have any."""
        several = [each.algorithms_of(operation) for each in self.backends if isinstance(each, ChoosesAlgorithms)]
        return list(dict.fromkeys(name for names in several for name in names))

    def places(self, program: Program, nodes: Sequence[Node | None]) -> list[int]:
        """Return the number of the key that each instruction goes to, NOWHERE for leaves; raises what `place` does."""
        return place(program, nodes, self.selectors, self._check)

    def for_program(self, program: Program, nodes: Sequence[Node | None]) -> PlacedBackend:
        """Return the backend that runs each instruction where its key says; equal for programs placed alike.

        Raises:  ParameterError: a key matches nothing
        """
        places = self.places(program, nodes)
        backends = tuple([each.for_program(program, nodes) if _is_whole(each) else each for each in self.backends])
        key = digest(array("l", places).tobytes(), array("l", map(id, backends)).tobytes())
        with self._lock:
            known = self._placed.get(key)
            if known is None:
                known = self._placed[key] = PlacedBackend(self, tuple(places), backends)
            self._placed.move_to_end(key)
            while len(self._placed) > MAX_PLACEMENTS:
                self._placed.popitem(last=False)
        return known

    def regions(self, program: Program, places: Iterable[int]) -> list[Region]:
        """Return the parts of a program, in the order in which they run. places: the number of each instruction's key"""
        # Keys with one backend are one color.
        first: dict[int, int] = {}
        colors = [first.setdefault(id(backend), number) for number, backend in enumerate(self.backends)]
        return cut(program, [NOWHERE if number == NOWHERE else colors[number] for number in places])

    def explanation(self, program: Program, nodes: Sequence[Node | None]) -> Explanation:
        """Return which backend runs what, and what crosses; raises what `for_program` does."""
        return self.for_program(program, nodes).explanation(program)

    def prepare(self, program: Program) -> PreparedProgram:
        """Return a function that runs the program; tensors among the keys match nothing here, since nodes are not known."""
        return self.for_program(program, ()).prepare(program)

    def without_code(self, program: Program) -> Iterator[tuple[int, str]]:
        """Yield the instructions that no backend has machine code for, by position, and why."""
        for region in self.regions(program, self.for_parts().places(program, ())):
            backend = self.backends[region.color]
            if isinstance(backend, MakesCode):
                for position, why in backend.without_code(region.program):
                    yield region.positions[position], why
                continue
            for position, instruction in zip(region.positions, region.program.instructions, strict=True):
                if instruction.operands:
                    yield position, f"{name_of(backend)} runs it"


@dataclass(frozen=True, slots=True, eq=False)
class PlacedBackend:
    """A mixed backend for programs whose instructions go to the keys `places`, by number.

    backends: of the keys, as they are for the whole program
    """

    mixed: MixedBackend
    places: tuple[int, ...]
    backends: tuple[Backend, ...]

    def prepare(self, program: Program) -> MixedProgram:
        """Return a function that runs the program; regions that are equal programs are prepared once."""
        regions = self.mixed.regions(program, self.places)
        runs = [prepare(region.program, self._backend_of(region)) for region in regions]
        return MixedProgram(self, program, tuple(regions), tuple(runs))

    def _backend_of(self, region: Region) -> Backend:
        backend = self.backends[region.color]
        return backend.for_region(region.computed) if isinstance(backend, ForRegions) else backend

    def names(self, regions: Iterable[Region]) -> list[str]:
        """Return the name of each region's backend."""
        return [name_of(self.mixed.backends[region.color]) for region in regions]

    def explanation(self, program: Program) -> Explanation:
        """Return which backend runs what of a program that is placed so."""
        regions = self.mixed.regions(program, self.places)
        return explanation_of(program, regions, self.places, self.mixed.words, self.names(regions))


class MixedProgram:
    """A prepared program: its regions run one after the other, and give each other arrays as they are."""

    __slots__ = ("_dying", "_inputs", "_latest", "_outputs", "_own", "_placed", "_program", "_regions", "_runs")

    def __init__(
        self, placed: PlacedBackend, program: Program, regions: tuple[Region, ...], runs: tuple[PreparedProgram, ...]
    ) -> None:
        self._placed = placed
        self._program = program
        self._regions = regions
        self._runs = runs
        self._inputs: tuple[Reference, ...] = tuple([(position, 0) for position in program.inputs])
        self._outputs = program.outputs
        self._own = surroundings_of(program.labels)
        self._dying = _dying(regions, program.outputs)
        self._latest: tuple[Surroundings, tuple[Surroundings, ...]] | None = None

    def __call__(self, arrays: Sequence[Array]) -> list[Any]:
        """Return the outputs for the values of the inputs."""
        memory: dict[Reference, Any] = dict(zip(self._inputs, arrays, strict=True))
        every = zip(self._regions, self._runs, self._surroundings(), self._dying, strict=True)
        for region, run, surroundings, dying in every:
            with running_in(surroundings):
                results = run([memory[reference] for reference in region.given])
            memory.update(zip(region.made, results, strict=True))
            for reference in dying:
                del memory[reference]
        return [memory[reference] for reference in self._outputs]

    def _surroundings(self) -> tuple[Surroundings, ...]:
        """Return the labels and errstates of each region in this run, those of the latest run where it is of the same lines."""
        whole = running_surroundings(self._program) or self._own
        latest = self._latest
        if latest is None or latest[0] is not whole:
            labels = whole.labels
            parts = [surroundings_of(tuple([labels[each] for each in region.positions])) for region in self._regions]
            # One tuple, so that another thread sees both parts of it.
            latest = self._latest = (whole, tuple(parts))
        return latest[1]

    def explain(self) -> Explanation:
        """Return which backend runs what, and what crosses."""
        return self._placed.explanation(self._program)

    @property
    def source(self) -> str | None:
        """The C of the regions that have some, None if none has."""
        every = zip(self._placed.names(self._regions), self._runs, strict=True)
        found = [(number, name, getattr(run, "source", None)) for number, (name, run) in enumerate(every)]
        texts = [f"/* region {number}: {name} */\n{text}" for number, name, text in found if isinstance(text, str)]
        return "\n".join(texts) or None


def _dying(regions: Sequence[Region], outputs: Sequence[Reference]) -> list[list[Reference]]:
    """Return for each region the values that nothing reads after it; inputs are the caller's and stay."""
    last: dict[Reference, int] = {}
    made: set[Reference] = set()
    for number, region in enumerate(regions):
        last.update(dict.fromkeys(region.given, number))
        made.update(region.made)
    dying: list[list[Reference]] = [[] for _ in regions]
    for reference in made.difference(outputs):
        dying[last[reference]].append(reference)
    return dying


def _is_whole(backend: Backend) -> TypeGuard[ForPrograms]:
    """Return whether a backend looks at a whole program before it runs parts of it."""
    return isinstance(backend, ForPrograms) and isinstance(backend, ForRegions)


def whole(backend: Backend) -> MixedBackend:
    """Return a backend as one that every node goes to, without a key."""
    made = MixedBackend(((Pattern("*"), backend),), check=False)
    made.words = ("", "")
    return made


def name_of(backend: Backend) -> str:
    """Return what people call a backend."""
    return str(getattr(backend, "name", type(backend).__name__))


_mixed: OrderedDict[tuple[object, ...], MixedBackend] = OrderedDict()
_mixed_lock = fork_safe_lock()


def mixed_backend(mapping: Mapping[Any, str | Backend], check: bool = True) -> MixedBackend:
    """Return the mapping as a backend; equal mappings give one object, so that prepared programs are found again.

    check: whether a key that matches nothing in a program is an error

    Raises:  OperandError: a key is neither string nor tensor, or a value no backend; ParameterError: there is no key, or one
             selects nothing; UnknownBackendError
    """
    if not mapping:
        raise ParameterError(
            "backend: an empty mapping was given; expected a backend for at least one key, as in {'encoder*': 'mosaic', '*': 'torch'}"
        )
    rules = [(selector_of(key), _backend_of(key, value)) for key, value in mapping.items()]
    return _kept(tuple(rules), check)


def _backend_of(key: object, value: Any) -> Backend:
    if isinstance(value, Mapping):
        raise OperandError(
            f"backend: the key {described(key):.80} was given the mapping {described(value):.80}; expected the name of a backend or a "
            "backend object; write one mapping with the keys of both"
        )
    return get_backend(value)


def _kept(rules: _Rules, check: bool) -> MixedBackend:
    # A backend keeps its own alive, so that no other gets the id.
    key = (check, *[part for selector, backend in rules for part in (selector, id(backend))])
    with _mixed_lock:
        known = _mixed.get(key)
        # Another node may have got the id of one that died.
        if known is None or any(isinstance(each, TensorKey) and not each.is_alive for each in known.selectors):
            known = _mixed[key] = MixedBackend(rules, check)
        _mixed.move_to_end(key)
        while len(_mixed) > MAX_MIXED_BACKENDS:
            _mixed.popitem(last=False)
    return known
