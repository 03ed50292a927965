"""Removes break, continue and early returns: what reverse derivatives start from.

    while c(x):                 stopped = False
        x = f(x)                while not stopped and c(x):
        if d(x):          ->        x = f(x)
            break                   if d(x):
        x = g(x)                        stopped = True
    return x                        else:
                                        x = g(x)
                                result = x
                                return result

Precondition:   any function of the language
Postcondition:  the same values; one `Return`, at the end; no `Break` or `Continue`
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from composit.kernels import arithmetic as a
from composit.kernels.language import (
    BOOL,
    INT,
    Assign,
    Body,
    Break,
    Continue,
    Expression,
    For,
    Function,
    If,
    Return,
    Statement,
    Variable,
    While,
)
from composit.kernels.walking import Names, all_variables, always_leaves, may_leave, returns, statements


def without_exits(function: Function) -> Function:
    """Return the function with one return, at its end."""
    results = [each for each in statements(function.body) if isinstance(each, Return)]
    if len(results) == 1 and function.body[-1] is results[0] and not _has_jumps(function.body):
        return function
    names = Names({*all_variables(function)})
    targets = tuple(
        Variable(names.fresh(name), kind) for name, kind in zip(function.names, function.results, strict=True)
    )
    remover = _Remover(names, targets)
    body = remover.removed(function.body, _Around())
    return replace(function, body=(*body, Return(targets, results[-1].line)))


def _has_jumps(body: Body) -> bool:
    return any(isinstance(each, Break | Continue) for each in statements(body))


@dataclass(frozen=True, slots=True)
class _Around:
    """The flags that matter at a statement, which follow from the loops and branches that enclose it.

    stops:    for each loop, from the outside in, the flag that ends it
    skips:    the flags that are set wherever the body is left
    """

    stops: tuple[Variable, ...] = ()
    skips: tuple[Variable, ...] = ()


@dataclass(slots=True)
class _Remover:
    """names: for new variables; results: the variables that stand for what is returned."""

    names: Names
    results: tuple[Variable, ...]

    def removed(self, body: Body, around: _Around) -> Body:
        """Return a body in which what follows an exit is under a condition."""
        done: list[Statement] = []
        for number, statement in enumerate(body):
            rest = body[number + 1 :]
            if isinstance(statement, Return | Break | Continue):
                return (*done, *self._exit(statement, around))
            if isinstance(statement, If) and may_leave((statement,)):
                return (*done, *self._if(statement, rest, around))
            if isinstance(statement, While | For):
                loop, returned = self._loop(statement, around)
                done += loop
                if returned is not None:
                    following = self.removed(rest, around)
                    return (*done, If(a.negated(returned), following)) if following else tuple(done)
                continue
            if isinstance(statement, If):
                statement = self._branches(statement, statement.then, statement.otherwise, around)
            done.append(statement)
        return tuple(done)

    def _exit(self, statement: Return | Break | Continue, around: _Around) -> Body:
        line = statement.line
        flags = around.skips
        assigned: Body = ()
        if isinstance(statement, Return):
            assigned = tuple(Assign(*pair, line) for pair in zip(self.results, statement.values, strict=True))
            flags = (*flags, *around.stops)
        elif isinstance(statement, Break):
            flags = (*flags, around.stops[-1])
        return (*assigned, *(Assign(flag, a.TRUE, line) for flag in dict.fromkeys(flags)))

    def _if(self, statement: If, rest: Body, around: _Around) -> Body:
        """Return an `If` that may leave, with what follows it in the branch that does not."""
        if always_leaves(statement.then):
            then, otherwise = statement.then, (*statement.otherwise, *rest)
            return (self._branches(statement, then, otherwise, around),)
        if always_leaves(statement.otherwise):
            then, otherwise = (*statement.then, *rest), statement.otherwise
            return (self._branches(statement, then, otherwise, around),)
        if not rest:
            return (self._branches(statement, statement.then, statement.otherwise, around),)
        skipped = Variable(self.names.fresh("skipped"), BOOL)
        inner = replace(around, skips=(*around.skips, skipped))
        branches = self._branches(statement, statement.then, statement.otherwise, inner)
        following = self.removed(rest, around)
        return (
            Assign(skipped, a.FALSE, statement.line),
            branches,
            If(a.negated(skipped), following, (), statement.line),
        )

    def _branches(self, statement: If, then: Body, otherwise: Body, around: _Around) -> If:
        return replace(statement, then=self.removed(then, around), otherwise=self.removed(otherwise, around))

    def _loop(self, loop: While | For, around: _Around) -> tuple[list[Statement], Variable | None]:
        """Return a loop whose body has no exits, and the flag that is set if the function returned in it."""
        line, inside = loop.line, returns(loop.body)
        is_left = inside or any(isinstance(each, Break) for each in _of_this_loop(loop.body))
        if not is_left:
            # A `continue` leaves the turn only.
            return [replace(loop, body=self.removed(loop.body, _Around(around.stops, ())))], None
        stopped = Variable(self.names.fresh("stopped"), BOOL)
        returned = Variable(self.names.fresh("returned"), BOOL) if inside else None
        stops = (*around.stops, stopped)
        before: list[Statement] = [Assign(stopped, a.FALSE, line)]
        # A return sets all flags of loops around it, those of `skips` outside of this loop, and `returned`.
        inner = _Around(stops, ())
        if returned is not None:
            before.append(Assign(returned, a.FALSE, line))
            inner = _Around((*around.skips, returned, *stops), ())
        body: Body
        condition: Expression
        step: Body = ()
        if isinstance(loop, For):
            start, body, condition, step = self._counted(loop)
            before.append(start)
        else:
            body, condition = loop.body, loop.condition
        done = self.removed(body, inner)
        test = a.both(a.negated(stopped), condition)
        return [*before, While(test, (*done, *step), line)], returned

    def _counted(self, loop: For) -> tuple[Assign, Body, Expression, Body]:
        """Return a range as what a `while` needs: the first turn, the body, the condition and the step."""
        assert not loop.is_reversed, "only derivatives have reversed loops, and they have no exits"
        at = Variable(self.names.fresh("at"), INT)
        compare = "less" if loop.step > 0 else "greater"
        body = (Assign(loop.variable, at, loop.line), *loop.body)
        step = Assign(at, a.arithmetic("add", at, a.integer(loop.step)), loop.line)
        return Assign(at, loop.start, loop.line), body, a.comparison(compare, at, loop.stop), (step,)


def _of_this_loop(body: Body) -> list[Statement]:
    """Return the statements of a body that are in no further loop."""
    found: list[Statement] = []
    for statement in body:
        found.append(statement)
        if isinstance(statement, If):
            found += [*_of_this_loop(statement.then), *_of_this_loop(statement.otherwise)]
    return found
