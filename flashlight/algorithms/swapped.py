"""`SwappedModule`: what the class of a module inherits from when its algorithm was chosen.

A swapped module stays the object that it was: only its class changes, to a subclass of its own class. So parameters, buffers, hooks,
names and everything that refers to it stay as they are, and `isinstance(module, torch.nn.Conv2d)` holds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import nn
from torch.nn.utils import parametrize

from composit.errors import OperandError
from flashlight.algorithms.backends import backends_for
from flashlight.algorithms.held_tensors import tensor_named
from flashlight.algorithms.module_functions import ModuleFunctions, Swap, call_text, tensors_of_call
from flashlight.algorithms.operations import OPERATIONS
from flashlight.algorithms.recordings import assembled, is_recording
from flashlight.capture.active import active_recorder
from flashlight.export import operator


@dataclass(frozen=True, slots=True)
class Choice:
    """What was chosen for a module: the operation, its algorithm, the backend that has it, and the module's name in the model."""

    operation: str
    algorithm: str
    backend: str
    path: str


class SwappedModule(nn.Module):
    """A module whose call runs by a backend of composit, with an algorithm that was chosen."""

    original_class: type[nn.Module]
    """The class that the module had."""

    _swap_choice: Choice
    _swap_functions: ModuleFunctions
    _swap_key: str
    _swap_names: tuple[str, ...]

    @property
    def algorithm(self) -> str:
        """The name of the chosen algorithm."""
        return self._swap_choice.algorithm

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Return what the original class returns."""
        if not torch.compiler.is_compiling():
            if is_recording() or active_recorder() is not None:
                return self.original_class.forward(self, *args, **kwargs)
            refresh(self)
        tensors = tensors_of_call(args, kwargs)
        tensors = tensors + [tensor_named(self, name) for name in self._swap_names]
        outputs = operator.run(tensors, f"{self._swap_key}|{call_text(self.training, args, kwargs)}")
        return assembled(outputs, OPERATIONS[self._swap_choice.operation].returns_pair)

    def extra_repr(self) -> str:
        """Return torch's text of the module, and the algorithm."""
        own = self.original_class.extra_repr(self)
        chosen = f"algorithm={self.algorithm!r}"
        return f"{own}, {chosen}" if own else chosen

    def __reduce_ex__(self, protocol: Any) -> tuple[Callable[..., Any], tuple[Any, ...], Any]:
        """Return how copy and pickle make the module again: of its original class, which is then swapped."""
        return _new_swapped, (self.original_class,), self.__getstate__()

    def __getstate__(self) -> dict[str, Any]:
        """Return the state without programs, which are made again where they are needed."""
        state = super().__getstate__()  # type: ignore[no-untyped-call]  # of object
        kept = state if isinstance(state, dict) else vars(self)
        return {name: value for name, value in kept.items() if name not in _OWN}

    def __setstate__(self, state: Any) -> None:
        """Take the state of copy and pickle."""
        super().__setstate__(state)  # type: ignore[no-untyped-call]  # torch's
        refresh(self)


_OWN = ("_swap_functions", "_swap_key", "_swap_names")


def refresh(module: SwappedModule) -> None:
    """Give a module functions of its own: a new one, a copy, or one whose tensors have other names now."""
    state = vars(module)
    functions: ModuleFunctions | None = state.get("_swap_functions")
    if functions is not None and functions.are_of(module):
        return
    choice = module._swap_choice
    swap = Swap(
        module.original_class.forward,
        choice.path,
        backends_for(choice.operation, choice.algorithm, choice.backend),
        OPERATIONS[choice.operation].returns_pair,
    )
    functions = ModuleFunctions(module, swap)
    # Past nn.Module's __setattr__, which would look for parameters.
    state.update(_swap_functions=functions, _swap_key=functions.key, _swap_names=functions.names)


# Classes by their originals, as long as somebody uses them.
_swapped_classes: WeakKeyDictionary[type, type[SwappedModule]] = WeakKeyDictionary()


def swapped_class(original: type[nn.Module]) -> type[SwappedModule]:
    """Return the subclass of a class of modules that runs by composit; each time the same one."""
    known = _swapped_classes.get(original)
    if known is None:
        own = {
            "__module__": __name__,
            "__doc__": f"A {original.__name__} with an algorithm that was chosen by flashlight.swap_operation.",
            "original_class": original,
        }
        known = _swapped_classes[original] = type(f"Swapped{original.__name__}", (SwappedModule, original), own)
    return known


def _new_swapped(original: type[nn.Module]) -> nn.Module:
    made: nn.Module = object.__new__(swapped_class(original))
    return made


def swap_class(module: nn.Module, choice: Choice) -> None:
    """Make a module a swapped one, in place; of one that is, only the choice changes.

    Raises:  OperandError: it is a scripted or lazy module, or has a forward of its own
    """
    _check_swappable(module, choice)
    if not isinstance(module, SwappedModule):
        original = type(module)
        if parametrize.is_parametrized(module):
            module.__class__ = _parametrized(original)
        else:
            module.__class__ = swapped_class(original)
    assert isinstance(module, SwappedModule), "its class was set"
    vars(module)["_swap_choice"] = choice
    vars(module).pop("_swap_functions", None)
    refresh(module)


def unswap_class(module: nn.Module) -> None:
    """Give a swapped module the class that it had, in place."""
    if isinstance(module, SwappedModule):
        plain: nn.Module = module
        original: type[nn.Module] = module.original_class
        if parametrize.is_parametrized(module):
            original = _with_namespace(type(plain), original)
        plain.__class__ = original
        for name in (*_OWN, "_swap_choice"):
            vars(plain).pop(name, None)


def _parametrized(parametrized: type[nn.Module]) -> type[nn.Module]:
    """Return the class that torch would have made if the module had been swapped before it was parametrized."""
    return _with_namespace(parametrized, swapped_class(parametrized.__bases__[0]))


def _with_namespace(source: type[nn.Module], base: type[nn.Module]) -> type[nn.Module]:
    """Return a subclass of `base` with the properties that torch put into `source` for parametrized tensors."""
    namespace = {name: value for name, value in vars(source).items() if name not in ("__dict__", "__weakref__")}
    return type(source.__name__, (base,), namespace)


def _check_swappable(module: nn.Module, choice: Choice) -> None:
    why = ""
    if isinstance(module, torch.jit.ScriptModule):
        why = "is a scripted module, whose code is not Python's; swap before torch.jit.script"
    elif isinstance(module, nn.modules.lazy.LazyModuleMixin):
        why = "is a lazy module without parameters yet; call the model once on an example before"
    elif "forward" in vars(module):
        why = "has a function in place of its class's forward, which would be left out; delete module.forward before"
    if why:
        raise OperandError(
            f"swap_operation: {choice.path or 'the module'} ({type(module).__name__}) {why}; expected a module of torch"
        )
