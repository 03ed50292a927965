"""`Kind`, the base class of all statements: reads, writes, expressions; and how to change the views in one.

A kind is a frozen dataclass derived from `Kind`; its fields hold views, expressions, and tuples of these. Passes and code
generation ask these questions, or dispatch on the class with `singledispatch`; so a new kind is added outside of them
(docs/adding_a_kernel.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields, replace
from functools import singledispatch
from typing import TYPE_CHECKING, Any, TypeVar

from mosaic.ir.expressions import (
    Accumulated,
    Apply,
    Convert,
    Expression,
    Gather,
    Literal,
    Load,
    loads,
    map_load,
    map_views,
    size,
    text,
    walk,
)
from mosaic.ir.views import View

ChangeView = Callable[[View], View]


class Kind:
    """A statement, or a stage of a group."""

    __slots__ = ()
    if TYPE_CHECKING:  # a dataclass would take a property of its base for the default of its field

        @property
        def origins(self) -> tuple[int, ...]:
            """The instructions of the program that it computes; a field or a property of each kind."""

    @property
    def num_flops(self) -> int:
        """The multiplications and additions that count; elementwise work is counted by its bytes."""
        return 0

    @property
    def num_turns(self) -> int:
        """How often it computes something for one element of a row."""
        return 1

    @property
    def num_records(self) -> int:
        """How many records its expressions have: a measure of its C; start values of loops do not count."""
        return sum(map(size, self.expressions()))

    @property
    def is_compiled(self) -> bool:
        """Whether C computes it, not numpy."""
        return True

    def reads(self) -> Iterator[View]:
        """Yield the views it loads from, including arrays that it overwrites in part."""
        raise TypeError(f"{type(self).__name__}: a kind of statement must define reads()")

    def writes(self) -> Iterator[View]:
        """Yield the views it fills or changes."""
        raise TypeError(f"{type(self).__name__}: a kind of statement must define writes()")

    def bases(self) -> Iterator[View]:
        """Yield the arrays that it overwrites in part."""
        yield from ()

    def expressions(self) -> Iterator[Expression]:
        """Yield what it computes, element by element."""
        yield from ()

    def checked_indices(self) -> Iterator[Gather]:
        """Yield the computed indices, which may be out of bounds."""
        for expression in self.expressions():
            for part in walk(expression):
                if isinstance(part, Load):
                    yield from part.gathers


class Product(Kind):
    """A statement that computes sums and hands each to an epilogue, an expression over the axes of its result."""

    __slots__ = ()
    if TYPE_CHECKING:  # fields of each kind; a dataclass would take properties of its base for defaults

        @property
        def result(self) -> View:
            """The array that it fills."""

        @property
        def epilogue(self) -> Expression:
            """What becomes of a sum, which is `Accumulated` in it."""

    def factors(self) -> Iterator[View]:
        """Yield the views whose elements it multiplies."""
        raise TypeError(f"{type(self).__name__}: a kind of product must define factors()")

    def reads(self) -> Iterator[View]:
        """Yield the factors, and the views that the epilogue loads from."""
        yield from self.factors()
        yield from (load.view for load in loads(self.epilogue))

    def writes(self) -> Iterator[View]:
        """Yield the array that it fills."""
        yield self.result

    def expressions(self) -> Iterator[Expression]:
        """Yield what it computes, element by element."""
        yield self.epilogue

    @property
    def ending(self) -> str:
        """The epilogue in words; "" if the sums are stored as they are."""
        return "" if isinstance(self.epilogue, Accumulated) else f" then {text(self.epilogue)}"

    def with_epilogue(self, result: View, epilogue: Expression, origins: tuple[int, ...]) -> Product:
        """Return the same sums with another epilogue that fills another array of the same shape."""
        # Every kind of product is a dataclass, which mypy cannot see.
        return replace(self, result=result, epilogue=epilogue, origins=origins)  # type: ignore[type-var]


AnyKind = TypeVar("AnyKind", bound=Kind)


def of_kind(kind: type[AnyKind], statements: Iterable[Kind]) -> tuple[AnyKind, ...]:
    """Return the statements of one kind, in order."""
    return tuple(each for each in statements if isinstance(each, kind))


def with_views(statement: AnyKind, change: ChangeView) -> AnyKind:
    """Return a statement that reads and writes other views."""
    result: AnyKind = changed(statement, change)
    return result


@singledispatch
def changed(part: Any, change: ChangeView) -> Any:  # Any: a part of a statement, and another of the same class
    """Return a part of a statement with its views changed; what holds none is returned as it is."""
    return part


@changed.register
def _(part: View, change: ChangeView) -> View:
    return change(part)


@changed.register(Load)
@changed.register(Apply)
@changed.register(Convert)
@changed.register(Literal)
@changed.register(Accumulated)
def _(part: Expression, change: ChangeView) -> Expression:
    return map_views(part, change)


@changed.register
def _(part: Gather, change: ChangeView) -> Gather:
    return replace(part, index=map_load(part.index, change))


@changed.register
def _(part: tuple, change: ChangeView) -> tuple[Any, ...]:  # type: ignore[type-arg]  # dispatch wants a plain class
    return tuple(changed(each, change) for each in part)


@changed.register
def _(part: Kind, change: ChangeView) -> Any:
    # Every kind is a dataclass, which the class itself cannot say.
    values = {each.name: changed(getattr(part, each.name), change) for each in fields(part)}  # type: ignore[arg-type]
    return replace(part, **values)  # type: ignore[type-var]
