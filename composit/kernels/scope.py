"""The state of one function while it is built: its variables, the statements so far, and what is assigned for sure."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from composit.kernels.arithmetic import convert, joined
from composit.kernels.language import Assign, Expression, Kind, Statement, Variable
from composit.kernels.values import Form, Value, is_atom, kinds, names_of_items, shaped
from composit.kernels.walking import Names


@dataclass(slots=True)
class Forms:
    """What earlier rounds found out: the form of each variable of the user's, and of the results.

    A variable has one kind in the whole function, so a function is built again until no kind changes: `y = 0` in front of
    a loop becomes `y = 0.0` where the loop adds floats to it.
    """

    variables: dict[str, Form] = field(default_factory=dict)
    result: Form | None = None


@dataclass(slots=True)
class Scope:
    """The function that is being built.

    forms:    of the variables and results, joined over all rounds
    names:    gives names to variables that the user has none for
    assigned: the variables that have a value at this point; None where no way leads to it
    fixed:    values that stand for a name while a comprehension or a loop over a tuple is written out
    exits:    for each loop around this point, what is assigned at each `break`
    """

    forms: Forms
    names: Names
    assigned: set[str] | None = field(default_factory=set)
    statements: list[Statement] = field(default_factory=list)
    fixed: dict[str, Value] = field(default_factory=dict)
    exits: list[list[set[str]]] = field(default_factory=list)
    is_repeated: bool = False

    def emit(self, statement: Statement) -> None:
        """Append a statement."""
        self.statements.append(statement)

    @contextmanager
    def block(self) -> Iterator[list[Statement]]:
        """Collect the statements written inside of it in a list of their own."""
        outer, self.statements = self.statements, []
        try:
            yield self.statements
        finally:
            self.statements = outer

    def has(self, name: str) -> bool:
        """Whether a variable of the user's has a value here."""
        return self.assigned is None or name in self.assigned

    def mark(self, name: str) -> None:
        """Note that a variable has a value from here on."""
        if self.assigned is not None:
            self.assigned.add(name)

    def read(self, name: str) -> Value:
        """Return the value of a variable of the user's."""
        form = self.forms.variables[name]
        variables = map(Variable, names_of_items(name, form), kinds(form))
        return shaped(form, iter(tuple(variables)))

    def temporary(self, value: Expression, wish: str, line: int) -> Expression:
        """Return a new variable that holds a value; constants and variables are returned as they are."""
        return value if is_atom(value) else self.stored(value, wish, line)

    def stored(self, value: Expression, wish: str, line: int) -> Variable:
        """Return a new variable that holds a value."""
        target = Variable(self.names.fresh(wish), value.kind)
        self.emit(Assign(target, value, line))
        return target

    def store(self, name: str, value: Expression, kind: Kind, line: int) -> None:
        """Assign a number to a variable of a kind."""
        self.emit(Assign(Variable(name, kind), convert(value, joined(kind, value.kind)), line))
