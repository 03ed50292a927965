"""Reverse derivatives: a function that returns the cotangents of its float arguments, from the arguments and a cotangent of each
float result.

    def f(x):                       def f_vjp(x, dresult):
        y = x * x                       y = x * x               # forwards: what the way back reads
        result = sin(y)       ->        dy = dresult * cos(y)   # backwards
        return result                   dx = dy * x
                                        dx += dy * x
                                        return dx

- The way back goes through the statements in reversed order; each adds to the cotangents of what it read.
- A variable that is assigned in several places, or in a loop, is put on a stack before it is overwritten, and taken off on the
  way back; only those variables are that the way back reads.
- A branch is taken back as it was taken; a loop has as many turns back as it had.
- A stack in the function itself (it is a derivative already) has a stack of cotangents: what was put on last is taken off
  first there too, the other way round.

Source:    Griewank and Walther, Evaluating Derivatives, second edition, chapters 3 and 12
Weakness:  a called function runs again on the way back, so calls nested n deep run n times
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from composit.kernels import arithmetic as a
from composit.kernels.dead_code import without_dead_code
from composit.kernels.exits import without_exits
from composit.kernels.flattening import flattened, is_active, own_term
from composit.kernels.joining import with_joined_branches
from composit.kernels.language import (
    BOOL,
    FLOAT,
    INT,
    Apply,
    Assign,
    Body,
    Call,
    Constant,
    Expression,
    For,
    Function,
    If,
    Kind,
    Pop,
    Push,
    Return,
    Select,
    Statement,
    Unit,
    Variable,
    While,
)
from composit.kernels.retracing import retraceable
from composit.kernels.scalar_functions import terms
from composit.kernels.tangents import Tangents, derivative_names
from composit.kernels.values import is_atom
from composit.kernels.walking import all_variables, assignments, bodies, read_names, statements

Zero = frozenset[str]


def vjp_unit(unit: Unit) -> Unit:
    """Return the unit whose first function computes the cotangents of the float arguments of the given one.

    Precondition:  the first function has a derivative
    """
    renamed = derivative_names(unit, "vjp")
    derivatives = [_derivative(each, renamed, unit) for each in unit.functions if has_derivative(each)]
    called = {each.function for one in derivatives for each in statements(one.body) if isinstance(each, Call)}
    wanted, stack = set[str](), [*called]
    while stack:
        name = stack.pop()
        if name not in wanted:
            wanted.add(name)
            stack += [
                each.function
                for one in unit.functions
                if one.name == name
                for each in statements(one.body)
                if isinstance(each, Call)
            ]
    kept = [each for number, each in enumerate(derivatives) if number == 0 or each.name in wanted]
    return Unit((*kept, *(each for each in unit.functions if each.name in wanted)))


def has_derivative(function: Function) -> bool:
    """Whether a float argument may move a float result."""
    return FLOAT in function.results and any(each.kind is FLOAT for each in function.parameters)


def _derivative(function: Function, renamed: dict[str, str], unit: Unit) -> Function:
    primal = retraceable(flattened(without_exits(function)))
    return without_dead_code(with_joined_branches(_Reverse(primal, renamed, unit).function()))


@dataclass(slots=True)
class _Reverse:
    """The way back through one function.

    zero: in methods, the variables whose cotangent is 0 for sure at this point
    """

    primal: Function
    renamed: dict[str, str]
    unit: Unit
    cotangents: Tangents = field(init=False)
    stacks: dict[Kind, str] = field(init=False)
    kept: frozenset[str] = field(init=False)
    turns: dict[int, Variable] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.cotangents = Tangents(self.primal)
        names = self.cotangents.names
        words = {FLOAT: "floats", INT: "ints", BOOL: "flags"}
        self.stacks = {kind: names.fresh(word) for kind, word in words.items()}
        loops = {each.variable.name for each in statements(self.primal.body) if isinstance(each, For)}
        # Until it is known what the way back reads, all that is overwritten counts as kept.
        self.kept = frozenset(name for name, count in assignments(self.primal).items() if count > 1) - loops

    def function(self) -> Function:
        """Return the derivative."""
        primal, last = self.primal, self.primal.body[-1]
        assert isinstance(last, Return), "there is one return, at the end"
        floats = [each for each in last.values if each.kind is FLOAT]
        seeds = self._seeds(floats)
        everything = frozenset(name for name, each in all_variables(primal).items() if each.kind is FLOAT)
        started: list[Statement] = []
        zero = everything
        for value, seed in zip(floats, seeds, strict=True):
            if isinstance(value, Variable) and self.cotangents.of(value) == seed:
                zero -= {value.name}
                continue
            added, zero = self._add(value, seed, last.line, zero)
            started += added
        back, _ = self._back(primal.body[:-1], zero, 0)
        while not (known := read_names(back) | self._counters()) >= self.kept:
            self.kept &= known
            back = self._without_unread(back)
        forwards = self._forwards(primal.body[:-1], 0)
        parameters = {each.name for each in primal.parameters}
        variables = all_variables(primal)
        initial = [
            Assign(
                variables[name], Constant({FLOAT: 0.0, INT: 0, BOOL: False}[variables[name].kind], variables[name].kind)
            )
            for name in variables
            if name in self.kept - parameters
        ]
        own = [self.cotangents.of(variables[name]) for name in variables if name in everything]
        zeros = [Assign(each, a.ZERO) for each in own if each not in seeds]
        wanted = tuple(self.cotangents.of(each) for each in primal.parameters if each.kind is FLOAT)
        body = (*initial, *forwards, *zeros, *started, *back, Return(wanted, last.line))
        return Function(
            self.renamed[primal.name],
            (*primal.parameters, *seeds),
            (FLOAT,) * len(wanted),
            tuple(each.name for each in wanted),
            body,
            primal.place,
        )

    def _seeds(self, floats: Sequence[Expression]) -> tuple[Variable, ...]:
        """Return the parameters for the cotangents of the results: a result's own cotangent, where only it is returned."""
        names = [name for name, kind in zip(self.primal.names, self.primal.results, strict=True) if kind is FLOAT]
        parameters = {each.name for each in self.primal.parameters}
        seeds = []
        for value, name in zip(floats, names, strict=True):
            is_own = isinstance(value, Variable) and value.name not in parameters and floats.count(value) == 1
            wish = Variable(self.cotangents.names.fresh(f"d{name}"), FLOAT)
            if is_own and isinstance(value, Variable):
                self.cotangents.bind(value, wish)
            seeds.append(wish)
        return tuple(seeds)

    def _without_unread(self, body: Body) -> Body:
        """Return the way back without taking off what is not kept."""
        done: list[Statement] = []
        own = set(self.stacks.values())
        for statement in body:
            if (
                isinstance(statement, Pop)
                and statement.stack in own
                and statement.target.name not in self.kept | self._counters()
            ):
                continue
            if isinstance(statement, If):
                then, otherwise = map(self._without_unread, bodies(statement))
                if then or otherwise:
                    done.append(replace(statement, then=then, otherwise=otherwise))
            elif isinstance(statement, For | While):
                done.append(replace(statement, body=self._without_unread(statement.body)))
            else:
                done.append(statement)
        return tuple(done)

    def _counters(self) -> frozenset[str]:
        return frozenset(each.name for each in self.turns.values())

    # Forwards.

    def _forwards(self, body: Body, depth: int) -> Body:
        return tuple(part for statement in body for part in self._forward(statement, depth))

    def _forward(self, statement: Statement, depth: int) -> Body:
        """Return a statement, with what it overwrites put on a stack before it; `depth` loops are around it."""
        match statement:
            case Assign(target) | Pop(target):
                return (*self._push((target,), statement.line), statement)
            case Call(targets):
                return (*self._push(targets, statement.line), statement)
            case If(condition, then, otherwise, line):
                return (If(condition, self._forwards(then, depth), self._forwards(otherwise, depth), line),)
            case For(_, _, _, _, body):
                return (replace(statement, body=self._forwards(body, depth + 1)),)
            case While(condition, body, line):
                turns = self.turns[id(statement)]
                counted = (
                    *self._forwards(body, depth + 1),
                    Assign(turns, a.arithmetic("add", turns, a.integer(1)), line),
                )
                loop = (Assign(turns, a.integer(0), line), While(condition, counted, line))
                return (*loop, Push(self.stacks[INT], turns, line)) if depth else loop
        return (statement,)

    def _push(self, targets: Sequence[Variable], line: int) -> Body:
        return tuple(Push(self.stacks[each.kind], each, line) for each in targets if each.name in self.kept)

    def _pop(self, targets: Sequence[Variable], line: int) -> Body:
        return tuple(Pop(each, self.stacks[each.kind], line) for each in reversed(targets) if each.name in self.kept)

    # Backwards.

    def _back(self, body: Body, zero: Zero, depth: int) -> tuple[Body, Zero]:
        done: list[Statement] = []
        for statement in reversed(body):
            part, zero = self._back_through(statement, zero, depth)
            done += part
        return tuple(done), zero

    def _back_through(self, statement: Statement, zero: Zero, depth: int) -> tuple[Body, Zero]:
        match statement:
            case Assign(target, value, line):
                return self._assign(target, value, line, zero)
            case Call():
                return self._call(statement, zero)
            case If(condition, then, otherwise, line):
                first, after_first = self._back(then, zero, depth)
                second, after_second = self._back(otherwise, zero, depth)
                both = after_first & after_second
                return ((If(condition, first, second, line),) if first or second else ()), both
            case For(variable, start, stop, step, body, is_reversed, line):
                inner, after = self._turn(body, zero, depth)
                return (For(variable, start, stop, step, inner, not is_reversed, line),), after
            case While(_, body, line):
                return self._while(statement, body, line, zero, depth)
            case Push(stack, value, line) if value.kind is FLOAT:
                received = Variable(self.cotangents.names.fresh("received"), FLOAT)
                added, zero = self._add(value, received, line, zero)
                return (Pop(received, self.cotangents.of_stack(stack), line), *added), zero
            case Pop(target, stack, line):
                given: Body = ()
                if target.kind is FLOAT:
                    given = (
                        Push(self.cotangents.of_stack(stack), self._cotangent(target, zero), line),
                        *self._reset(target, line),
                    )
                    zero = zero | {target.name}
                return (*given, *self._pop((target,), line)), zero
        return (), zero

    def _while(self, statement: While, body: Body, line: int, zero: Zero, depth: int) -> tuple[Body, Zero]:
        names = self.cotangents.names
        if id(statement) not in self.turns:
            self.turns[id(statement)] = Variable(names.fresh("turns"), INT)
        turns = self.turns[id(statement)]
        inner, after = self._turn(body, zero, depth)
        loop = For(Variable(names.fresh("turn"), INT), a.integer(0), turns, 1, inner, line=line)
        return ((Pop(turns, self.stacks[INT], line), loop) if depth else (loop,)), after

    def _turn(self, body: Body, zero: Zero, depth: int) -> tuple[Body, Zero]:
        """Return a turn of a loop, for what is 0 before each turn."""
        while True:
            inner, after = self._back(body, zero, depth + 1)
            if zero <= after:
                return inner, zero
            zero &= after

    def _cotangent(self, variable: Variable, zero: Zero) -> Expression:
        return a.ZERO if variable.name in zero else self.cotangents.of(variable)

    def _reset(self, variable: Variable, line: int) -> Body:
        return (Assign(self.cotangents.of(variable), a.ZERO, line),)

    def _assign(self, target: Variable, value: Expression, line: int, zero: Zero) -> tuple[Body, Zero]:
        restored = self._pop((target,), line)
        if target.kind is not FLOAT or target.name in zero or value == target:
            return restored, zero
        cotangent = self.cotangents.of(target)
        own = own_term(target, value)
        if own is not None:
            name, other = own
            added, zero = self._add(other, cotangent if name == "add" else a.negative(cotangent), line, zero)
            return (*added, *restored), zero
        added, zero = self._add(value, cotangent, line, zero, target)
        return (*added, *self._reset(target, line), *restored), zero | {target.name}

    def _add(
        self, value: Expression, cotangent: Expression, line: int, zero: Zero, result: Expression | None = None
    ) -> tuple[Body, Zero]:
        """Add what a cotangent of an expression is worth to the cotangents of the variables in it."""
        if not is_active(value):
            return (), zero
        if isinstance(value, Variable):
            own = self.cotangents.of(value)
            total = cotangent if value.name in zero else Apply("add", (own, cotangent), FLOAT)
            return (Assign(own, total, line),), zero - {value.name}
        stored, cotangent = self._stored(cotangent, line, len([each for each in _parts(value) if is_active(each)]))
        if isinstance(value, Select):
            first, after_first = self._add(value.then, cotangent, line, zero)
            second, after_second = self._add(value.otherwise, cotangent, line, zero)
            return (*stored, If(value.condition, first, second, line)), after_first & after_second
        assert isinstance(value, Apply), "the only other kind"
        done = list(stored)
        for operand, term in zip(value.operands, terms(value, cotangent, result or value), strict=True):
            if term is not None and is_active(operand):
                added, zero = self._add(operand, term, line, zero)
                done += added
        return tuple(done), zero

    def _stored(self, cotangent: Expression, line: int, num_uses: int) -> tuple[Body, Expression]:
        """Return a cotangent under a name, where it is used several times."""
        if num_uses < 2 or is_atom(cotangent):
            return (), cotangent
        name = Variable(self.cotangents.names.fresh("flow"), FLOAT)
        return (Assign(name, cotangent, line),), name

    def _call(self, call: Call, zero: Zero) -> tuple[Body, Zero]:
        restored = self._pop(call.targets, call.line)
        targets = [each for each in call.targets if each.kind is FLOAT]
        function = self.unit.function(call.function)
        if not has_derivative(function) or all(each.name in zero for each in targets):
            return restored, zero
        given = tuple(self._cotangent(each, zero) for each in targets)
        resets = tuple(part for each in targets for part in self._reset(each, call.line))
        zero |= {each.name for each in targets}
        names = self.cotangents.names
        floats = [each for each in call.arguments if each.kind is FLOAT]
        received = tuple(Variable(names.fresh("received"), FLOAT) for _ in floats)
        # The arguments of the call, as they were: a result that has taken the place of one is restored later.
        done: list[Statement] = [
            Call(received, self.renamed[call.function], (*call.arguments, *given), call.line),
            *resets,
        ]
        for argument, cotangent in zip(floats, received, strict=True):
            added, zero = self._add(argument, cotangent, call.line, zero)
            done += added
        return (*done, *restored), zero


def _parts(value: Expression) -> Sequence[Expression]:
    if isinstance(value, Apply):
        return value.operands
    return (value.then, value.otherwise) if isinstance(value, Select) else ()
