"""Names what the way back through a function asks for again: the branches taken, and the bounds of loops.

    if x > 0:               taken = x > 0
        x = -x      ->      if taken:
                                x = -x

Precondition:   no early exits
Postcondition:  the same values; the condition of an `If` and the bounds of a `For` read only variables that keep their value
                from there to the end of the function or of the turn
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

from composit.kernels.language import Assign, Body, Constant, Expression, For, Function, If, Statement, Variable, While
from composit.kernels.walking import Names, all_variables, assigned_names, assignments, names


def retraceable(function: Function) -> Function:
    """Return the function with names for what the way back asks for."""
    tracer = _Tracer(Names({*all_variables(function)}), assignments(function))
    return replace(function, body=tracer.body(function.body))


@dataclass(slots=True)
class _Tracer:
    """counts: how often each variable may be assigned."""

    names: Names
    counts: Counter[str]

    def body(self, body: Body) -> Body:
        """Return a body with the new assignments."""
        return tuple(part for statement in body for part in self._statement(statement))

    def _statement(self, statement: Statement) -> Body:
        match statement:
            case If(condition, then, otherwise, line):
                branches = self.body(then), self.body(otherwise)
                is_known = all(self.counts[name] <= 1 for name in names(condition))
                written = assigned_names((*then, *otherwise))
                if is_known or (isinstance(condition, Variable) and condition.name not in written):
                    return (If(condition, *branches, line),)
                taken = Variable(self.names.fresh("taken"), condition.kind)
                return Assign(taken, condition, line), If(taken, *branches, line)
            case For(_, start, stop, _, body, _, line):
                before: list[Assign] = []
                start, stop = (self._fixed(each, body, before, line) for each in (start, stop))
                return (*before, replace(statement, start=start, stop=stop, body=self.body(body)))
            case While():
                return (replace(statement, body=self.body(statement.body)),)
        return (statement,)

    def _fixed(self, bound: Expression, body: Body, before: list[Assign], line: int) -> Expression:
        if isinstance(bound, Constant) or not names(bound) & assigned_names(body):
            return bound
        kept = Variable(self.names.fresh("bound"), bound.kind)
        before.append(Assign(kept, bound, line))
        return kept
