"""Origins: from a tensor that can be replaced to the reads of values that depend on it.

`evaluate(y, inputs={x: array})` has to check every read that `x` could have changed, so the search for reads starts at `x`.
An `Origin` stands for one replaceable tensor, or joins several:

    a = asarray(...); b = asarray(...)     # nothing is noted yet
    if a.sum() > 0: ...                    # origin(a) holds the read
    if (a + b).sum() > 0: ...              # join(origin(a), origin(b)) holds it; both list the join

Joins share structure: a loop that adds an array in each round makes one join per round, however many arrays came before. When
the last tensor of a node is gone, nobody can replace the node's value, and the origin drops its reads. Imports nothing of
ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, TypeAlias
from weakref import ref

if TYPE_CHECKING:
    from composit.guards import Guard


# Keyed by the id of the place (the read keeps it alive) and the kind. Weak: a read lives as long as some `guards` list it.
Firsts: TypeAlias = "dict[tuple[int, str], ref[Guard]]"
_NO_FIRSTS: Firsts = {}


def _is_kept(known: ref[Guard] | None) -> bool:
    return known is not None and known() is not None


class Origin:
    """Reads that depend on one replaceable tensor, or on all of several.

    guards:       the reads noted here
    parents:      the origins that a join joins; none for a single tensor
    later:        joins that depend on this one and hold reads
    firsts:       for each place and kind, the first read of a number that depends on this origin, if it is still kept
    last:         the place and the kind of the read of a number that was noted here last: the next read of a loop has the same
    is_nested:    whether joins are among the parents
    is_permanent: whether reads are kept without a tensor that points to the node, since another library will ask for it again
    is_dead:      whether nobody can replace the value any more
    """

    __slots__ = ("_is_listed", "firsts", "guards", "is_dead", "is_nested", "is_permanent", "last", "later", "parents")

    def __init__(self, parents: tuple[Origin, ...] = (), is_nested: bool = False) -> None:
        self.parents = parents
        self.is_nested = is_nested
        # Most origins never hold a read, so they get no lists of their own.
        self.guards: list[Guard] | tuple[Guard, ...] = ()
        self.later: Sequence[Origin] = ()
        self.firsts = _NO_FIRSTS
        self.last: tuple[object, str] | None = None
        self.is_permanent = False
        self.is_dead = False
        self._is_listed = False

    def note(self, guard: Guard) -> None:
        """Keep a read; it is found from every origin that this one depends on."""
        guards = self.guards
        if guards.__class__ is list:
            guards.append(guard)
        else:
            self.guards = [guard]
        if guard.place:
            known = self.firsts.get((id(guard.place), guard.kind))
            if known is None or known() is None:
                self._note_first(guard)
            self.last = guard.place, guard.kind
        if not self.parents or self._is_listed:
            return
        stack = [self]
        while stack:
            origin = stack.pop()
            if origin.parents and not origin._is_listed:
                origin._is_listed = True
                for parent in origin.parents:
                    parent._add(origin)
                stack.extend(origin.parents)

    def _note_first(self, guard: Guard) -> None:
        key = id(guard.place), guard.kind
        known, stack = ref(guard), [self]
        while stack:
            origin = stack.pop()
            # If an origin has a first read, so have all its parents: later rounds of a loop stop here.
            if not _is_kept(origin.firsts.get(key)):
                if origin.firsts is _NO_FIRSTS:
                    origin.firsts = {}
                origin.firsts[key] = known
                stack.extend(origin.parents)

    def first_reads(self) -> Iterator[Guard]:
        """Yield, for each place, the first read of a number that depends on this, without going through all reads."""
        if not all(map(_is_kept, list(self.firsts.values()))):
            # A first read was dropped with another tensor that it depended on; later reads of its place may be left.
            numbers = sorted((guard for guard in self.reads() if guard.place), key=attrgetter("after"), reverse=True)
            self.firsts = {(id(guard.place), guard.kind): ref(guard) for guard in numbers}
        for known in list(self.firsts.values()):
            guard = known()
            if guard is not None:
                yield guard

    def ended(self) -> Origin | None:
        """Drop the reads, since the last tensor of the node is gone; return the origin that the node keeps."""
        if self.is_permanent:
            return self
        has_reads = bool(self.guards or self.later)
        self._end()
        return PASSED if has_reads else None

    def _end(self) -> None:
        """Drop the reads here, and in joins that depend on nothing else that can be replaced.

        Each read leads to its node and from there to the values that this origin is kept with. Only the cyclic collector
        would ever free such a ring.
        """
        ending = [self]
        while ending:
            origin = ending.pop()
            later = origin.later
            origin.is_dead = True
            origin.guards = origin.later = origin.parents = ()
            origin.firsts = _NO_FIRSTS
            origin.last = None
            ending.extend(join for join in later if not join.is_dead and all(each.is_dead for each in join.parents))

    def forget(self) -> None:
        """Drop all reads that depend on this, in joins with others too."""
        for origin in list(self._reached()):
            origin.guards = origin.later = ()
            origin.firsts = _NO_FIRSTS
            origin.last = None
            origin._is_listed = False

    def reads(self) -> Iterator[Guard]:
        """Yield the reads that depend on this, each once."""
        for origin in self._reached():
            yield from origin.guards

    def _reached(self) -> Iterator[Origin]:
        seen = {id(self)}
        stack = [self]
        while stack:
            origin = stack.pop()
            yield origin
            for child in origin.later:
                if id(child) not in seen:
                    seen.add(id(child))
                    stack.append(child)

    def _add(self, origin: Origin) -> None:
        if not isinstance(self.later, list):
            self.later = []
        self.later.append(origin)
        count = len(self.later)
        if count >= _MANY and not count & (count - 1):
            # Joins without reads are dropped at each power of two, which costs a constant per join.
            self.later = [each for each in self.later if each._is_listed]

    def alive(self) -> Origin | None:
        """Return the origin without dead parents: itself, its only living parent, or None."""
        passed: list[Origin] = []
        origin = self
        while origin.parents:
            left = [parent for parent in origin.parents if not parent.is_dead]
            if len(left) > 1:
                break
            passed.append(origin)
            if not left:
                break
            origin = left[0]
        result = None if origin.is_dead or (passed and passed[-1] is origin) else origin
        for each in passed:
            # Shorten the path, or a loop that joins in each round would walk through all earlier rounds.
            each.is_dead = result is None
            each.parents = () if result is None else (result,)
            each.is_nested = result is not None and bool(result.parents)
        return result


# The origin of a node whose dependent values were read while no tensor pointed to it: those reads were not kept.
PASSED = Origin()
PASSED.is_dead = True
PASSED.is_permanent = True

_MANY = 16
# A join of up to this many tensors lists the tensors; a larger one lists joins.
_MOST_LISTED = 32


def joined_two(first: Origin | None, second: Origin | None) -> Origin | None:
    """Return `joined` of two origins, quickly where they need no join."""
    if second is None or first is second:
        return first
    if first is None or first in second.parents:
        return second
    return first if second in first.parents else _join((first, second))


def joined(origins: Iterable[Origin | None]) -> Origin | None:
    """Return the origin of a value that depends on all of these: None without any, a join only where they differ."""
    distinct = {id(origin): origin for origin in origins if origin is not None}
    if len(distinct) < 2:
        return distinct.popitem()[1] if distinct else None
    return _join(tuple(distinct.values()))


def _join(origins: tuple[Origin, ...]) -> Origin:
    """Return one of the origins if it depends on all that the others do, else a join.

    A loop over its own results depends on the same few tensors in each round, and so makes no join per round.
    """
    listed: dict[int, Origin] = {}
    for origin in origins:
        if origin.is_nested:
            return Origin(origins, is_nested=True)
        for each in origin.parents or (origin,):
            if not each.is_dead:
                listed[id(each)] = each
    for origin in origins:
        if len(origin.parents or (origin,)) == len(listed) and all(
            id(each) in listed for each in origin.parents or (origin,)
        ):
            return origin
    if len(listed) == 1:
        return listed.popitem()[1]
    if len(listed) > _MOST_LISTED:
        return Origin(origins, is_nested=True)
    return Origin(tuple(listed.values()) or origins)
