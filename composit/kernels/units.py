"""`build_unit`: a Python function and all that it calls as a unit, for arguments of given forms."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import FunctionType
from typing import Any, get_args, get_origin, get_type_hints

import numpy as np

from composit.kernels import arithmetic as a
from composit.kernels.builder import Builder, Callee
from composit.kernels.language import BOOL, FLOAT, INT, Assign, Function, Kind, Unit, Variable
from composit.kernels.reading import FunctionSource
from composit.kernels.scope import Forms, Scope
from composit.kernels.statements import build_body
from composit.kernels.values import Form, joined_forms, kinds, names_of_items, words
from composit.kernels.walking import Names

_MOST_ROUNDS = 12
"""Each round can only raise kinds, of which there are three."""
_KINDS: dict[object, Kind] = {
    float: FLOAT,
    int: INT,
    bool: BOOL,
    np.float64: FLOAT,
    np.float32: FLOAT,
    np.int64: INT,
    np.bool: BOOL,
}


def annotated_forms(source: FunctionSource) -> tuple[Form | None, ...]:
    """Return the form that each parameter is annotated with; None without one, or for an array or tensor.

    Raises:  KernelError: an annotation that is nothing of the language
    """
    hints = _hints(source)
    return tuple(_form_of_hint(source, hints.get(name)) for name in parameter_names(source))


def parameter_names(source: FunctionSource) -> tuple[str, ...]:
    """Return the names of a function's parameters."""
    arguments = source.tree.args
    return tuple(each.arg for each in (*arguments.posonlyargs, *arguments.args))


def _hints(source: FunctionSource) -> dict[str, Any]:
    try:
        return get_type_hints(source.function)
    except (NameError, TypeError):
        return {name: hint for name, hint in source.function.__annotations__.items() if not isinstance(hint, str)}


def _form_of_hint(source: FunctionSource, hint: object) -> Form | None:
    if hint is None or hint in _KINDS:
        return _KINDS.get(hint) if hint is not None else None
    if get_origin(hint) is tuple:
        is_open = Ellipsis in get_args(hint)
        items = [] if is_open else [_form_of_hint(source, each) for each in get_args(hint)]
        if is_open or None in items:
            raise source.error(source.tree, f"the annotation {hint} has no fixed items", "write tuple[float, float]")
        return tuple(item for item in items if item is not None)
    if isinstance(hint, type) and any(word in hint.__name__ for word in ("Tensor", "ndarray")):
        return None
    raise source.error(
        source.tree,
        f"the annotation {hint!r:.60} is no form of the language",
        "write float, int, bool or tuple[float, int]",
    )


@dataclass(slots=True)
class _Entry:
    """A function for arguments of given forms; `function` is None while it is being built."""

    name: str
    forms: Forms
    parameters: tuple[Form, ...]
    function: Function | None = None
    is_guessed: bool = False


@dataclass(slots=True)
class UnitBuilder:
    """Builds the functions of a unit, each once for arguments of one form.

    source_of: returns the source of a kernel or Python function, None of anything else
    """

    find_source: Callable[[object], FunctionSource | None]
    entries: dict[tuple[FunctionType, tuple[Form, ...]], _Entry] = field(default_factory=dict)
    names: Names = field(default_factory=Names)

    def source_of(self, value: object) -> FunctionSource | None:
        """Return the source of a kernel or Python function; None of anything else."""
        return self.find_source(value)

    def callee(self, source: FunctionSource, arguments: tuple[Form, ...]) -> Callee:
        """Return the function of a source for arguments of these forms."""
        parameters = _parameters(source, arguments)
        entry = self.entries.get((source.function, parameters))
        if entry is None:
            entry = self.entries[source.function, parameters] = _Entry(
                self.names.fresh(source.name), Forms(), parameters
            )
            self._build(source, entry)
        if entry.forms.result is None:
            # A function that calls itself before it has returned anything: a first guess, which later rounds correct.
            entry.forms.result = _form_of_hint(source, _hints(source).get("return")) or INT
            entry.is_guessed = True
        return Callee(entry.name, entry.parameters, entry.forms.result)

    def _build(self, source: FunctionSource, entry: _Entry) -> None:
        for _ in range(_MOST_ROUNDS):
            scope = Scope(entry.forms, Names({each.id for each in ast.walk(source.tree) if isinstance(each, ast.Name)}))
            function = self._round(source, entry, scope)
            if not scope.is_repeated:
                entry.function = function
                return
        raise source.error(
            source.tree, "the kinds of its variables do not settle", "annotate the parameters and the result"
        )

    def _round(self, source: FunctionSource, entry: _Entry, scope: Scope) -> Function:
        builder = Builder(source, self, scope)
        names = parameter_names(source)
        first: list[Assign] = []
        parameters: list[Variable] = []
        for name, form in zip(names, entry.parameters, strict=True):
            scope.names.fresh(name)
            present = scope.forms.variables.setdefault(name, form)
            scope.mark(name)
            for part, kind, own in zip(names_of_items(name, form), kinds(form), kinds(present), strict=True):
                # A parameter that is given an int and becomes a float later: the float is a variable of its own.
                given = Variable(part if kind is own else scope.names.fresh(f"{part}_given"), kind)
                parameters.append(given)
                if kind is not own:
                    first.append(Assign(Variable(part, own), a.convert(given, own), source.tree.lineno))
        body = build_body(builder, source.tree.body)
        if scope.assigned is not None:
            raise source.error(
                source.tree, "the end is reached without a return", "return a number or a tuple on every way"
            )
        assert scope.forms.result is not None, "something is returned"
        results = tuple(kinds(scope.forms.result))
        result_names = tuple(names_of_items("result", scope.forms.result))
        return Function(entry.name, tuple(parameters), results, result_names, (*first, *body), source.file)

    def unit(self) -> Unit:
        """Return the functions built so far, in the order in which they were asked for."""
        functions = [entry.function for entry in self.entries.values() if entry.function is not None]
        return Unit(tuple(functions))


def _parameters(source: FunctionSource, arguments: Sequence[Form]) -> tuple[Form, ...]:
    """Return the forms of the parameters: the annotations, and those of the arguments where there is none."""
    forms: list[Form] = []
    for name, hint, given in zip(parameter_names(source), annotated_forms(source), arguments, strict=True):
        form = given if hint is None else hint
        if joined_forms(form, given) != form:
            raise source.error(
                source.tree,
                f"`{name}` is a {words(form)} and was given a {words(given)}",
                "convert the argument, or change the annotation",
            )
        forms.append(form)
    return tuple(forms)


def build_unit(
    source: FunctionSource, arguments: Sequence[Form], find_source: Callable[[object], FunctionSource | None]
) -> tuple[Unit, Callee]:
    """Return the unit of a function for arguments of these forms, and the forms of its parameters and result.

    Raises:  KernelError: something is not in the language, or the forms do not fit
    """
    builder = UnitBuilder(find_source)
    callee = builder.callee(source, tuple(arguments))
    return builder.unit(), callee
