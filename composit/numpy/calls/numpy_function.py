"""The public functions: numpy's names and signatures, each with a rule of ours or with numpy's own computation.

A rule builds nodes and computes nothing. It covers the frequent forms of a call; whatever it refuses, numpy decides: the
real function runs on the real operands, and either its result or its error is the answer. So a rule may be short and
strict, and an error has numpy's class and text. May import numpy_call, assignment, handle, errors.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import update_wrapper, wraps
from typing import Any, ParamSpec, TypeVar

import numpy as np

from composit.apply import is_tensor
from composit.errors import NoRuleError
from composit.handle import TensorHandle
from composit.labels import labelled, with_name
from composit.node import check_label
from composit.numpy.arguments.signatures import signature_of
from composit.numpy.calls.duck_arrays import ask_ducks, ducks_among
from composit.numpy.calls.numpy_call import REFUSALS, call_numpy, let_numpy_decide, written_handles
from composit.numpy.views.writes import assign_result, writing_to
from composit.operation import Array

Function = Callable[..., Any]  # Any: what numpy's functions take and return
# numpy's functions of this class ask their arguments by `__array_function__`; those written in Python leave it to these.
_Dispatcher: Any = type(np.sum)
Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, eq=False)
class NumpyFunction:
    """What stands behind a public name.

    function: numpy's own
    rule:     ours, which stays lazy; None where numpy's function runs at the call
    writes:   the arguments that numpy's function changes in place
    """

    function: Function
    rule: Function | None
    writes: tuple[str, ...] = ()


_public_to_row: dict[Function, NumpyFunction] = {}


def rows() -> Mapping[Function, NumpyFunction]:
    """Return what stands behind each public function declared so far."""
    return dict(_public_to_row)


def rule_for(
    function: Function, writes: tuple[str, ...] = ()
) -> Callable[[Callable[Parameters, Result]], Callable[Parameters, Result]]:
    """Declare a rule of ours for a function of numpy's; decorates the public function.

    writes: the arguments that it changes in place

    `like=` chooses nothing here, and `out=` is written to when the result is there: rules need neither. Nor do they look at
    `name=`, which those declare whose results can be given a label.
    """

    def declare(rule: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
        place_of_out = _place(function, "out")
        has_label = "name" in inspect.signature(rule).parameters

        @wraps(rule)
        def public(*args: Any, **kwargs: Any) -> object:
            if has_label and kwargs and "name" in kwargs:
                label = kwargs.pop("name")
                return _with_label(public, label, args, kwargs)
            if kwargs and "like" in kwargs:
                if not _is_like_ours(kwargs["like"]):
                    return _like(published, function, args, kwargs)
                del kwargs["like"]
            if kwargs and "out" in kwargs:
                return _with_options(function, rule, args, kwargs)
            if len(args) > place_of_out and args[place_of_out] is not None:
                return _with_options(function, rule, args[:place_of_out], _named(function, args, kwargs, place_of_out))
            try:
                if writes:
                    with writing_to(*written_handles(function, args, kwargs, writes)):
                        return rule(*args, **kwargs)
                return rule(*args, **kwargs)
            except REFUSALS as refusal:
                ducks = ducks_among((*args, *kwargs.values()))
                if ducks:
                    return ask_ducks(published, ducks, args, kwargs)
                return let_numpy_decide(_declined(refusal, rule, args, kwargs), function, args, kwargs, writes)

        published: Callable[Parameters, Result] = _published(public, NumpyFunction(function, rule, writes))
        return published

    return declare


def _with_label(public: Function, label: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> object:
    """Return the result under a name; a tensor that was given and comes back itself keeps its own."""
    if label is None:
        return public(*args, **kwargs)
    check_label(public.__name__, label)
    result = public(*args, **kwargs)
    given = (value.__lazy_tensor__() for value in (*args, *kwargs.values()) if is_tensor(value))
    return with_name(result, label) if any(tensor is result for tensor in given) else labelled(result, label)


def without_rule(function: Function, writes: str | tuple[str, ...] = ()) -> Function:
    """Return the public function for one of numpy's without a rule: it runs on the real operands when it is called.

    writes: the arguments it changes in place, besides `out`; tensors there are assigned to, views included
    """
    written = ("out", *((writes,) if isinstance(writes, str) else writes))
    asks = isinstance(function, _Dispatcher)

    def public(*args: Any, **kwargs: Any) -> object:
        if "like" in kwargs:
            if not _is_like_ours(kwargs["like"]):
                return _like(published, function, args, kwargs)
            del kwargs["like"]
        ducks = ducks_among((*args, *kwargs.values())) if asks else ()
        return ask_ducks(published, ducks, args, kwargs) if ducks else call_numpy(function, args, kwargs, written)

    public.__name__ = public.__qualname__ = getattr(function, "__name__", "numpy_function")
    public.__module__ = (getattr(function, "__module__", None) or "numpy").replace("numpy", "composit.numpy", 1)
    public.__doc__ = f"Return what numpy.{public.__name__} returns, computed when it is called. See its page."
    published: Function = _published(public, NumpyFunction(function, None, written))
    return published


def with_own_memory(function: Function) -> Function:
    """Return a function that makes arrays of numpy's classes, which nobody could write to where they show a tensor's value."""

    @wraps(function)
    def made(*args: Any, **kwargs: Any) -> Array:
        result: Array = function(*args, **kwargs)
        return result if result.flags.writeable else result.copy()

    return made


def _published(public: Function, row: NumpyFunction) -> Any:
    signature = signature_of(row.function)
    if signature is not None:
        public.__signature__ = signature  # type: ignore[attr-defined]  # what inspect reads
    if inspect.isbuiltin(row.function):
        public = _Builtin(public)
    if isinstance(row.function, _Dispatcher):
        # What ndarray's own `__array_function__` calls, where a subclass hands on what it was asked.
        public._implementation = row.function._implementation  # type: ignore[attr-defined]
    _public_to_row[public] = row
    return public


class _Builtin:
    """A public function that is no method where a class holds it, as those that numpy writes in C."""

    def __init__(self, function: Function) -> None:
        update_wrapper(self, function)
        self._function = function

    def __call__(self, *args: Any, **kwargs: Any) -> object:
        return self._function(*args, **kwargs)

    def __reduce__(self) -> str:
        # As a function, it is pickled by its name.
        return str(self.__dict__["__qualname__"])

    def __repr__(self) -> str:
        return f"<built-in function {self.__dict__['__name__']}>"


_NO_PLACE = 1 << 30


def _place(function: Function, argument: str) -> int:
    """Return where an argument stands among the positional ones; beyond all where it is named only."""
    signature = signature_of(function)
    found = None if signature is None else signature.parameters.get(argument)
    if signature is None or found is None or found.kind is inspect.Parameter.KEYWORD_ONLY:
        return _NO_PLACE
    return list(signature.parameters).index(argument)


def _named(function: Function, args: tuple[Any, ...], kwargs: Mapping[str, Any], first: int) -> dict[str, Any]:
    """Return the positional arguments from a place on by their names, with those given by name.

    Raises:  TypeError: there are more than the function takes, in its own words
    """
    signature = signature_of(function)
    parameters = list(signature.parameters.values())[first:] if signature is not None else []
    names = [each.name for each in parameters if each.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]
    if len(args) - first > len(names):
        function(*args, **kwargs)
    return {**dict(zip(names, args[first:], strict=False)), **kwargs}


def _declined(error: Exception, rule: Function, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Exception:
    """Return what a rule said no with: NoRuleError where it has no parameter for an argument of the call."""
    if type(error) is not TypeError:
        return error
    signature = signature_of(rule)
    assert signature is not None, f"{rule.__name__} is written in Python"
    try:
        signature.bind(*args, **kwargs)
    except TypeError:
        return NoRuleError(f"{rule.__name__}: {error}")
    return error


def _with_options(function: Function, rule: Function, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> object:
    """Return the result of a call that says where it goes, or like what it should be."""
    options = {name: value for name, value in kwargs.items() if name != "out"}
    out = kwargs.get("out")
    try:
        if out is not None and options.get("dtype") is not None:
            raise NoRuleError("out, dtype: both decide, and not every function takes both")
        if out is None:
            return rule(*args, **options)
        with writing_to(out):
            return _written(rule(*args, **options), out)
    except REFUSALS as refusal:
        given = options if out is None else kwargs
        return let_numpy_decide(_declined(refusal, rule, args, options), function, args, given)


def _is_like_ours(like: Any) -> bool:
    return like is None or isinstance(like, TensorHandle) or type(like) is np.ndarray


def _like(public: Function, function: Function, args: tuple[Any, ...], kwargs: dict[str, Any]) -> object:
    """Return what the class of `like=` makes of a creation; raises numpy's TypeError where it cannot."""
    ducks = ducks_among([kwargs["like"]])
    if not ducks:
        return function(*args, **kwargs)
    del kwargs["like"]
    return ask_ducks(public, ducks, args, kwargs)


def _written(result: Any, out: Any) -> object:
    is_tensor = isinstance(out, TensorHandle) and isinstance(result, TensorHandle)
    if not is_tensor or out.type.is_scalar or out.shape != result.shape or out.dtype != result.dtype:
        raise NoRuleError("out: the result is not of the type of out, so that numpy casts it or says no")
    assign_result(out, result)
    return out
