"""`swap_operation`: chooses the algorithms of a torch model's modules, in place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import nn

from composit.errors import OperandError, ParameterError
from composit.handle import described
from flashlight.algorithms.backends import BACKEND, check_algorithm
from flashlight.algorithms.operations import SwappableOperation, operation_given
from flashlight.algorithms.selectors import Selection, Selector
from flashlight.algorithms.swapped import Choice, swap_class, unswap_class

_ASKED = "swap_operation"
_UNSET: Any = object()  # Any: stands for an argument that was not given


def swap_operation(
    operation: str | type[nn.Module],
    module: nn.Module,
    algorithms: Selector | None = None,
    sample_input_shape: Sequence[int] | None = None,
    *,
    swap_with: Callable[..., nn.Module] | None = None,
    backend: str = BACKEND,
    algos: Selector | None = _UNSET,
) -> None:
    """Let all modules of an operation inside a torch model run by composit, with algorithms of the user's choice; in place.

    The model trains, copies, pickles and compiles (torch.compile) as before. A module stays the object that it was, with its
    parameters, hooks and names: only its class becomes a subclass of its own. For each new shape of its input a program is compiled, of
    which a bounded number is kept. Swapping again changes the algorithms.

    operation:  a name ("conv2d", "linear", "max_pool2d", ...; see `flashlight.SUPPORTED_ALGORITHMS`), or a class of modules: torch's or a
                subclass; of a subclass, modules of that class alone
    algorithms: a name for all; a list with one per module, in the order of `module.named_modules()`; a function of a module, or of a
                module and the shape of its input, that returns a name; a mapping from names of modules, or patterns, to such. None is
                "default". `algos` is another word for it
    sample_input_shape: of the model's input; from it follows the shape of each module's, for such a function
    swap_with:  `swap_with(old, name)` makes the module that takes the place of an old one; the name of the algorithm may be any
    backend:    of `composit.evaluate`

    Dtypes:  float32 and float64, on the CPU

    Raises:  ParameterError: an unknown operation or algorithm, a list of another length, or no such module in the model; OperandError:
             the function needs shapes and there is no sample, or a module is scripted or lazy; ShapeError: torch refuses the sample; and,
             at a call, UnsupportedAlgorithmError: the algorithm cannot take its shape
    Example:
        >>> import torch
        >>> model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU())
        >>> x = torch.ones(1, 3, 8, 8)
        >>> before = model(x)
        >>> swap_operation("conv2d", model, "direct")
        >>> model[0].algorithm, torch.allclose(model(x), before, atol=1e-6)
        ('direct', True)
    """
    selector = algorithms if algos is _UNSET else algos
    if algos is not _UNSET and algorithms is not None:
        raise ParameterError(f"{_ASKED}: both algorithms and algos were given, which are one; expected one of them")
    if not isinstance(module, nn.Module):
        raise OperandError(
            f"{_ASKED}: {described(module)!s:.60} of type {type(module).__name__} was given as the module; expected a torch.nn.Module"
        )
    chosen, found = _modules_of(operation, module, swap_with is not None)
    selection = Selection(module, found, sample_input_shape, _ASKED)
    names = list(selection.names(selector))
    if swap_with is not None:
        _replace(module, found, names, swap_with)
        return
    assert chosen is not None, "only swap_with takes other classes"
    # All are checked before the first changes.
    choices = [
        Choice(chosen.name, check_algorithm(name, chosen, backend, _where(path)), backend, path) for path, name in names
    ]
    for choice in choices:
        swap_class(found[choice.path], choice)


def swap_conv2d(
    module: nn.Module,
    algorithms: Selector | None = None,
    sample_input_shape: Sequence[int] | None = None,
    *,
    swap_with: Callable[..., nn.Module] | None = None,
    backend: str = BACKEND,
    algos: Selector | None = _UNSET,
) -> None:
    """Choose the algorithms of the two-dimensional convolutions of a model, in place: `swap_operation("conv2d", ...)`.

    Raises:  as `swap_operation`
    Example:
        >>> import torch
        >>> model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.Conv2d(4, 4, 1))
        >>> swap_conv2d(model, ["direct", "default"])
        >>> [each.algorithm for each in model]
        ['direct', 'default']
    """
    swap_operation("conv2d", module, algorithms, sample_input_shape, swap_with=swap_with, backend=backend, algos=algos)


def swap_back(module: nn.Module) -> None:
    """Give all swapped modules of a model the classes that they had, in place; modules that `swap_with` made stay.

    Example:
        >>> import torch
        >>> model = torch.nn.Sequential(torch.nn.Linear(2, 2))
        >>> swap_operation("linear", model)
        >>> swap_back(model)
        >>> type(model[0]) is torch.nn.Linear
        True
    """
    for each in module.modules():
        unswap_class(each)


def _modules_of(
    given: str | type[nn.Module], model: nn.Module, takes_any: bool
) -> tuple[SwappableOperation | None, dict[str, nn.Module]]:
    """Return the operation, None for a class without, and the modules by name; a module with several names has the first."""
    operation: SwappableOperation | None = None
    if takes_any and isinstance(given, type) and issubclass(given, nn.Module):
        classes: tuple[type[nn.Module], ...] = (given,)
    else:
        operation, classes = operation_given(given, _ASKED)
    found = {name: each for name, each in model.named_modules() if isinstance(each, classes)}
    if not found:
        own = dict.fromkeys(type(each).__name__ for each in model.modules())
        raise ParameterError(
            f"{_ASKED}: {type(model).__name__} has no module of {' or '.join(each.__name__ for each in classes)}; expected a "
            f"model that has some; its modules are of {', '.join(list(own)[:8])}; functions that are called inside of a forward are chosen "
            "by flashlight.convert"
        )
    return operation, found


def _where(path: str) -> str:
    return f"{_ASKED}: {path}" if path else _ASKED


def _replace(
    model: nn.Module,
    found: dict[str, nn.Module],
    names: Sequence[tuple[str, object]],
    make: Callable[..., nn.Module],
) -> None:
    """Put other modules in the places of these, wherever the model refers to them."""
    if "" in found:
        raise OperandError(
            f"{_ASKED}: the model itself is a {type(model).__name__}, whose place is not in it; expected a model that has such "
            "modules inside; write the new module yourself"
        )
    made = {id(found[path]): make(found[path], str(name)) for path, name in names}
    for old, new in zip(found.values(), made.values(), strict=True):
        if not isinstance(new, nn.Module):
            raise OperandError(
                f"{_ASKED}: swap_with returned {described(new)!s:.60} of type {type(new).__name__} for a {type(old).__name__}; expected a "
                "torch.nn.Module; return the one that takes its place"
            )
        new.train(old.training)
    for parent in list(model.modules()):
        for name, child in parent._modules.items():
            if id(child) in made:
                parent._modules[name] = made[id(child)]
