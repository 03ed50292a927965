"""One C function for each function of a unit, statement by statement, so that people recognise their Python in it.

    static inline double relu3(double x)
    {
        if (x < 0.0) {
            return 0.0;
        ...

A function that can fail gets ``int64_t *status``, to which it writes the number of the assert; one with stacks gets `tapes`, of
which it uses one for each stack. Both are passed on to the functions that it calls.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache

from composit.kernels import arithmetic as a
from composit.kernels.language import (
    FLOAT,
    Apply,
    Assert,
    Assign,
    Body,
    Break,
    Call,
    Constant,
    Continue,
    Expression,
    For,
    Function,
    If,
    Pop,
    Push,
    Return,
    Select,
    Statement,
    Unit,
    Variable,
    While,
)
from composit.kernels.walking import all_variables, bodies, expressions, names, stacks, statements, targets
from mosaic import c
from mosaic.c.helpers import Helper
from mosaic.kernels import scalar_c
from mosaic.kernels.scalar_c import FloatType, ctype_of
from mosaic.kernels.tapes import POP, PUSH, TAPE

_RESERVED = frozenset(
    "auto break case char const continue default do double else enum extern float for goto if inline int long register restrict return "
    "short signed sizeof static struct switch typedef union unsigned void volatile while asm status tapes main bool".split()
)


@dataclass(frozen=True, slots=True)
class UnitFacts:
    """What all functions of a unit share: which can fail, the number of each assert, and the stacks."""

    unit: Unit
    floats: FloatType
    suffix: str
    failing: frozenset[str]
    asserts: tuple[Assert, ...]
    stacks: tuple[str, ...]
    with_tapes: frozenset[str]

    def name(self, function: str) -> str:
        """Return the C name of a function."""
        return f"{function}{self.suffix}"


@lru_cache(maxsize=256)
def asserts_of(unit: Unit) -> tuple[tuple[Function, Assert], ...]:
    """Return the asserts of a unit, each with its function, in the order of their numbers."""
    found = [
        (each, statement)
        for each in unit.functions
        for statement in statements(each.body)
        if isinstance(statement, Assert)
    ]
    return tuple(found)


def facts_of(unit: Unit, floats: FloatType, suffix: str = "") -> UnitFacts:
    """Return the facts of a unit; C names end with `suffix`."""
    with_tapes = _closed(unit, {each.name for each in unit.functions if stacks(each)})
    failing = _closed(unit, {each.name for each, _ in asserts_of(unit)} | with_tapes)
    used = dict.fromkeys(stack for each in unit.functions for stack in stacks(each))
    asserts = tuple(statement for _, statement in asserts_of(unit))
    return UnitFacts(unit, floats, suffix, failing, asserts, tuple(used), with_tapes)


def _closed(unit: Unit, found: set[str]) -> frozenset[str]:
    """Return the names with those of all functions that call one of them."""
    while True:
        more = {
            each.name
            for each in unit.functions
            if any(isinstance(statement, Call) and statement.function in found for statement in statements(each.body))
        }
        if more <= found:
            return frozenset(found)
        found = found | more


def unit_helper(facts: UnitFacts) -> Helper:
    """Return the C functions of a unit as one helper, under the name of the first."""
    helpers: dict[str, Helper] = {}
    made = [_Writer(each, facts, helpers).function() for each in _called_first(facts.unit)]
    items = (c.Include("stdint.h"), c.Include("math.h"), *_prototypes(facts.unit, made), *made)
    requires = (*((TAPE,) if facts.with_tapes else ()), *helpers.values())
    return Helper(facts.name(facts.unit.entry.name), items, requires)


def _called_first(unit: Unit) -> list[Function]:
    """Return the functions of a unit, each behind those that it calls, unless they call it too."""
    ordered: list[Function] = []
    begun: set[str] = set()

    def visit(function: Function) -> None:
        begun.add(function.name)
        for each in statements(function.body):
            if isinstance(each, Call) and each.function not in begun:
                visit(unit.function(each.function))
        ordered.append(function)

    visit(unit.entry)
    return ordered


def _prototypes(unit: Unit, made: list[c.Function]) -> list[c.Verbatim]:
    """Return the prototypes of functions that are called before they are defined: of those that call each other in a ring."""
    needed, defined = [], set[str]()
    for function in _called_first(unit):
        called = {each.function for each in statements(function.body) if isinstance(each, Call)}
        needed += [name for name in called if name not in defined and name != function.name]
        defined.add(function.name)
    ordered = {function.name: each for function, each in zip(_called_first(unit), made, strict=True)}
    found = [replace(ordered[name], body=None, is_inline=False) for name in sorted(set(needed))]
    return [c.Verbatim(c.declaration_item_text(each)) for each in found]


@dataclass(slots=True)
class _Writer:
    """One function. `declared` are the variables that are declared at this point; `mentions` counts where each occurs."""

    source: Function
    facts: UnitFacts
    helpers: dict[str, Helper]
    declared: set[str] = field(default_factory=set)
    mentions: Counter[str] = field(default_factory=Counter)

    def function(self) -> c.Function:
        """Return the C function."""
        source, facts = self.source, self.facts
        parameters = [c.Parameter(ctype_of(each.kind, facts.floats), _word(each.name)) for each in source.parameters]
        self.declared = {each.name for each in source.parameters}
        self.mentions = _mentions(source.body)
        single = len(source.results) == 1
        if not single:
            parameters += [
                c.Parameter(c.pointer(ctype_of(kind, facts.floats)), f"out_{name}")
                for kind, name in zip(source.results, source.names, strict=True)
            ]
        parameters += self._own_parameters()
        result = ctype_of(source.results[0], facts.floats) if single else c.void
        return c.Function(
            facts.name(source.name),
            result,
            tuple(parameters),
            self.body(source.body),
            is_static=True,
            is_inline=True,
            attributes=("unused",),
        )

    def _own_parameters(self) -> Iterator[c.Parameter]:
        if self.source.name in self.facts.with_tapes:
            yield c.Parameter(c.pointer(c.NamedType("kernel_tape")), "tapes")
        if self.source.name in self.facts.failing:
            yield c.Parameter(c.pointer(c.int64), "status", ("unused",))

    def body(self, body: Body) -> c.Body:
        """Return the C of a body; a variable is declared in the innermost body that has all its places."""
        own, done = _mentions(body), list[c.Statement]()
        variables = all_variables(self.source)
        outer = set(self.declared)
        for statement in body:
            here = _mentions((statement,))
            for name in here:
                if (
                    name in self.declared
                    or own[name] != self.mentions[name]
                    or (name in _inner(statement) and here[name] == own[name])
                ):
                    continue
                if _defines(statement, name):
                    continue  # declared with its value
                done.append(c.Declare(ctype_of(variables[name].kind, self.facts.floats), _word(name)))
                self.declared.add(name)
            done += self.statement(statement)
        self.declared = outer
        return tuple(done)

    def statement(self, statement: Statement) -> c.Body:
        """Return the C of a statement."""
        match statement:
            case Assign(target, value):
                return (self._assign(target, value),)
            case Call():
                return self._call(statement)
            case If(condition, then, otherwise):
                if not then:
                    return (c.If(self.expression(a.negated(condition)), self.body(otherwise)),)
                return (c.If(self.expression(condition), self.body(then), self.body(otherwise)),)
            case While(condition, body):
                return (c.While(self.expression(condition), self.body(body)),)
            case For():
                return self._for(statement)
            case Break():
                return (c.Break(),)
            case Continue():
                return (c.Continue(),)
            case Return(values):
                return self._return(values)
            case Assert(condition):
                number = self.facts.asserts.index(statement) + 2
                fail = (c.Assign(c.dereference(c.Name("status")), c.literal(number)), *self._failed())
                return (c.If(self.expression(a.negated(condition)), fail),)
            case Push(stack, value):
                field_name = "real" if value.kind is FLOAT else "whole"
                pushed = c.Call("kernel_push", (self._tape(stack), c.Name("status")))
                return (c.Assign(c.Member(pushed, field_name, is_through_pointer=True), self.expression(value)),)
            case Pop(target, stack):
                field_name = "real" if target.kind is FLOAT else "whole"
                ctype = ctype_of(target.kind, self.facts.floats)
                entry = c.Member(c.Call("kernel_pop", (self._tape(stack),)), field_name, is_through_pointer=True)
                return (self._stored(target, c.Cast(ctype, entry) if ctype.name != "double" else entry),)
        raise TypeError(f"statement: {statement!r:.60} has no C")

    def _tape(self, stack: str) -> c.Expression:
        self.helpers.setdefault(PUSH.name, PUSH)
        self.helpers.setdefault(POP.name, POP)
        return c.address_of(c.Name("tapes")[self.facts.stacks.index(stack)])

    def _stored(self, target: Variable, value: c.Expression) -> c.Statement:
        """Return the assignment of a value, which declares the variable where it is the first."""
        name = _word(target.name)
        if target.name in self.declared:
            return c.Assign(c.Name(name), value)
        self.declared.add(target.name)
        return c.Declare(ctype_of(target.kind, self.facts.floats), name, value)

    def _assign(self, target: Variable, value: Expression) -> c.Statement:
        if target.name not in self.declared:
            return self._stored(target, self.expression(value))
        name = _word(target.name)
        if (
            isinstance(value, Apply)
            and value.function in ("add", "subtract", "multiply")
            and value.operands[0] == target
        ):
            operator = {"add": "+", "subtract": "-", "multiply": "*"}[value.function]
            return c.AugmentedAssign(c.Name(name), operator, self.expression(value.operands[1]))
        return c.Assign(c.Name(name), self.expression(value))

    def _call(self, call: Call) -> c.Body:
        facts = self.facts
        arguments = [self.expression(each) for each in call.arguments]
        single = len(call.targets) == 1
        if not single:
            arguments += [c.address_of(c.Name(_word(each.name))) for each in call.targets]
        if call.function in facts.with_tapes:
            arguments.append(c.Name("tapes"))
        if call.function in facts.failing:
            arguments.append(c.Name("status"))
        called = c.Call(facts.name(call.function), tuple(arguments))
        done = self._stored(call.targets[0], called) if single else c.ExpressionStatement(called)
        if call.function not in facts.failing:
            return (done,)
        return done, c.If(c.dereference(c.Name("status")), self._failed())

    def _failed(self) -> c.Body:
        if len(self.source.results) != 1:
            return (c.Return(),)
        kind = self.source.results[0]
        zero = Constant(0.0 if kind is FLOAT else 0, kind)
        return (c.Return(scalar_c.constant(zero, self.facts.floats)),)

    def _for(self, loop: For) -> c.Body:
        name, step = _word(loop.variable.name), loop.step
        start, stop = self.expression(loop.start), self.expression(loop.stop)
        self.declared.add(loop.variable.name)
        body = self.body(loop.body)
        self.declared.discard(loop.variable.name)
        if step > 0 and not loop.is_reversed:
            return (c.For(name, start, stop, body, c.literal(step)),)
        index = c.Name(name)
        if not loop.is_reversed:
            return (c.CountedLoop(name, start, index > stop, c.literal(step), body),)
        test = index >= start if step > 0 else index <= start
        return (c.CountedLoop(name, _last_turn(loop, start, stop), test, c.literal(-step), body),)

    def _return(self, values: tuple[Expression, ...]) -> c.Body:
        if len(values) == 1:
            return (c.Return(self.expression(values[0])),)
        outs = (c.dereference(c.Name(f"out_{name}")) for name in self.source.names)
        stores = [c.Assign(out, self.expression(value)) for out, value in zip(outs, values, strict=True)]
        return (*stores, c.Return())

    def expression(self, expression: Expression) -> c.Expression:
        """Return the C of an expression."""
        match expression:
            case Constant():
                return scalar_c.constant(expression, self.facts.floats)
            case Variable(name):
                return c.Name(_word(name))
            case Select(condition, then, otherwise):
                if otherwise == a.FALSE:
                    return c.logical_and(self.expression(condition), self.expression(then))
                if then == a.TRUE:
                    return c.logical_or(self.expression(condition), self.expression(otherwise))
                return c.Conditional(*map(self.expression, (condition, then, otherwise)))
            case Apply(_, operands):
                return scalar_c.apply(
                    expression, tuple(map(self.expression, operands)), self.facts.floats, self.helpers
                )
        raise TypeError(f"expression: {expression!r:.60} has no C")


def _last_turn(loop: For, start: c.Expression, stop: c.Expression) -> c.Expression:
    """Return the last value of range(start, stop, step): start + step * (number of turns - 1)."""
    step = loop.step
    distance: c.Expression = stop if loop.start == a.integer(0) else c.Binary("-", stop, start)
    if step == 1:
        return c.Binary("-", stop, c.literal(1))
    if step == -1:
        return c.Binary("+", stop, c.literal(1))
    count = c.Binary("/", c.Binary("+", distance, c.literal(step - 1 if step > 0 else step + 1)), c.literal(step))
    moved = c.Binary("*", c.Binary("-", count, c.literal(1)), c.literal(step))
    return moved if loop.start == a.integer(0) else c.Binary("+", start, moved)


def _defines(statement: Statement, name: str) -> bool:
    """Whether a statement gives a variable its value, and reads it not before."""
    own = [each.name for each in targets(statement)]
    reads = {each for expression in expressions(statement) for each in names(expression)}
    return isinstance(statement, Assign | Call | Pop) and own == [name] and name not in reads


def _word(name: str) -> str:
    """Return the C name of a variable: with a line behind it where C has another meaning for it."""
    return f"{name}_" if name in _RESERVED or name in scalar_c.LIBRARY_NAMES else name


def _mentions(body: Body) -> Counter[str]:
    """Return how often each variable is read or assigned, but for the variables of `for`."""
    counts: Counter[str] = Counter()
    loops = {each.variable.name for each in statements(body) if isinstance(each, For)}
    for statement in statements(body):
        for expression in expressions(statement):
            counts.update(names(expression))
        counts.update(each.name for each in targets(statement))
    return Counter({name: count for name, count in counts.items() if name not in loops})


def _inner(statement: Statement) -> frozenset[str]:
    """Return the variables all of whose places are in one body of a statement."""
    own = {name for expression in expressions(statement) for name in names(expression)} | {
        each.name for each in targets(statement)
    }
    each_body = [frozenset(_mentions(body)) for body in bodies(statement)]
    found: Counter[str] = Counter(name for one in each_body for name in one)
    return frozenset(name for name, count in found.items() if count == 1 and name not in own)
