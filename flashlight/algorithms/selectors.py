"""Which algorithm each module gets: from a name, a list of names, a function or a mapping to one name per module.

"winograd"                              all modules
["direct", "smm"]                       one for each module, in the order of model.named_modules()
lambda module: "direct"                 called with each module
lambda module, input_shape: "direct"    and with the shape of its input, for a model whose input has `sample_input_shape`
{"layer1.*": "direct", "conv1": "smm"}  by the names of the modules; what no pattern fits gets the default
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, TypeAlias

from torch import nn

from composit.errors import OperandError, ParameterError
from composit.handle import described
from flashlight.algorithms.input_shapes import input_shapes
from flashlight.algorithms.operations import DEFAULT

Selector: TypeAlias = str | Sequence[str] | Callable[..., str] | Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Selection:
    """What a selector chooses for.

    modules: the modules of the operation by their names, in order
    sample_input_shape: of the whole model's input, where the user gave it
    asked:   begins the messages of errors
    """

    model: nn.Module
    modules: Mapping[str, nn.Module]
    sample_input_shape: Sequence[int] | None
    asked: str

    def names(self, selector: Selector | None) -> Iterator[tuple[str, object]]:
        """Yield the name of each module and what the selector gives for it.

        Raises:  ParameterError: it is a list of another length, a mapping that names no module, or of another type; OperandError: it is
                 a function that takes an input shape, and no `sample_input_shape` was given
        """
        if selector is None or isinstance(selector, str):
            yield from ((name, selector or DEFAULT) for name in self.modules)
        elif isinstance(selector, Mapping):
            yield from self._by_patterns(selector)
        elif callable(selector):
            yield from self._called(selector)
        elif isinstance(selector, Sequence):
            yield from self._in_order(selector)
        else:
            raise ParameterError(
                f"{self.asked}: {described(selector):.60} of type {type(selector).__name__} was given as algorithms; expected a name, a "
                "list of names, a function of a module that returns one, or a mapping from names of modules"
            )

    def _in_order(self, names: Sequence[object]) -> Iterator[tuple[str, object]]:
        if len(names) != len(self.modules):
            raise ParameterError(
                f"{self.asked}: {len(names)} algorithms were given for {len(self.modules)} modules ({_listed(self.modules)}); expected one "
                "for each, in this order; a module that is used several times counts once"
            )
        yield from zip(self.modules, names, strict=True)

    def _by_patterns(self, patterns: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
        chosen: dict[str, object] = {}
        for pattern, selector in patterns.items():
            inner = Selection(self.model, self.fitting(pattern), self.sample_input_shape, self.asked)
            for name, algorithm in inner.names(selector):
                chosen.setdefault(name, algorithm)
        yield from ((name, chosen.get(name, DEFAULT)) for name in self.modules)

    def fitting(self, pattern: object) -> dict[str, nn.Module]:
        """Return the modules that a pattern names.

        Raises:  ParameterError: there are none
        """
        found = {name: module for name, module in self.modules.items() if fnmatchcase(name, str(pattern))}
        if not found:
            raise ParameterError(
                f"{self.asked}: {pattern!r} names none of the modules {_listed(self.modules)}; expected their names, or patterns such as "
                "'layer1.*'"
            )
        return found

    def _called(self, choose: Callable[..., str]) -> Iterator[tuple[str, object]]:
        if not takes_shape(choose):
            yield from ((name, choose(module)) for name, module in self.modules.items())
            return
        if self.sample_input_shape is None:
            raise OperandError(missing_shape(self.asked, choose))
        shapes = input_shapes(self.model, self.modules, self.sample_input_shape, self.asked)
        yield from ((name, choose(module, shapes[name])) for name, module in self.modules.items())


def takes_shape(choose: Callable[..., str]) -> bool:
    """Return whether a function takes the shape of a module's input after the module."""
    try:
        parameters = inspect.signature(choose).parameters.values()
    except (TypeError, ValueError):
        return False  # a function of C without a signature
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(each.kind in kinds and each.default is inspect.Parameter.empty for each in parameters) > 1


def missing_shape(asked: str, choose: Callable[..., str]) -> str:
    """Return the words for a function that needs shapes nobody can tell."""
    return (
        f"{asked}: {getattr(choose, '__name__', 'the function')} takes a module and the shape of its input, which follows from the shape "
        "of the model's; expected sample_input_shape, such as (1, 3, 224, 224); or a function of the module alone"
    )


def _listed(modules: Mapping[str, nn.Module]) -> str:
    names = [name or "the module itself" for name in modules]
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
