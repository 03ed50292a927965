"""What an expression of the user's stands for while a function is built: a number, or a tuple of these."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias

from composit.kernels.arithmetic import joined
from composit.kernels.language import Constant, Expression, Kind, Variable

Value: TypeAlias = "Expression | tuple[Value, ...]"
# The form of a value: a kind, or those of a tuple's items.
Form: TypeAlias = "Kind | tuple[Form, ...]"


def form_of(value: Value) -> Form:
    """Return the form of a value."""
    return tuple(map(form_of, value)) if isinstance(value, tuple) else value.kind


def leaves(value: Value) -> Iterator[Expression]:
    """Yield the numbers of a value, in order."""
    if isinstance(value, tuple):
        for item in value:
            yield from leaves(item)
    else:
        yield value


def kinds(form: Form) -> Iterator[Kind]:
    """Yield the kinds of a form, in order."""
    if isinstance(form, tuple):
        for item in form:
            yield from kinds(item)
    else:
        yield form


def shaped(form: Form, numbers: Iterator[Expression]) -> Value:
    """Return the value of a form whose numbers are given in order."""
    return tuple(shaped(item, numbers) for item in form) if isinstance(form, tuple) else next(numbers)


def joined_forms(one: Form, other: Form) -> Form | None:
    """Return the form that holds both, None if there is none."""
    if isinstance(one, tuple) and isinstance(other, tuple):
        if len(one) != len(other):
            return None
        items = [joined_forms(first, second) for first, second in zip(one, other, strict=True)]
        return None if None in items else tuple(item for item in items if item is not None)
    if isinstance(one, tuple) or isinstance(other, tuple):
        return None
    return joined(one, other)


def is_atom(expression: Expression) -> bool:
    """Whether an expression is a constant or a variable."""
    return isinstance(expression, Constant | Variable)


def words(form: Form) -> str:
    """Return a form as people write it: ``tuple[float, int]``."""
    if isinstance(form, tuple):
        return f"tuple[{', '.join(map(words, form))}]"
    return form.value


def names_of_items(name: str, form: Form) -> Sequence[str]:
    """Return the names of the variables that hold a value: its own, or one for each item."""
    if isinstance(form, tuple):
        return [each for number, item in enumerate(form) for each in names_of_items(f"{name}_{number}", item)]
    return [name]
