"""Declares public functions: numpy's name and signature, with a rule of ours (`rule_for`) or without (`without_rule`).

A rule builds nodes and computes nothing. It covers the common forms of a call and declines the rest with NoRuleError;
then numpy's function runs on the real operands, and its result or error is the answer. So a rule can be short and
strict, and errors have numpy's class and text.
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
from composit.numpy.arguments.signatures import full_name, signature_of
from composit.numpy.calls.duck_arrays import ask_duck_arrays, duck_arrays_in
from composit.numpy.calls.fallback import REFUSALS, call_numpy, let_numpy_decide, written_handles
from composit.numpy.views.writes import assign_result, writing_to
from composit.operation import Array

Function = Callable[..., Any]  # Any: what numpy's functions take and return
# The class of numpy functions that dispatch by `__array_function__`; functions that numpy writes in Python call these.
_Dispatcher: Any = type(np.sum)
Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, eq=False)
class NumpyFunction:
    """A public function: numpy's function and our rule.

    function: numpy's own
    rule:     ours, which stays lazy; None if numpy's function runs at the call
    writes:   the arguments that numpy's function changes in place
    """

    function: Function
    rule: Function | None
    writes: tuple[str, ...] = ()


_public_to_row: dict[Function, NumpyFunction] = {}


def rows() -> Mapping[Function, NumpyFunction]:
    """Return a row for each public function declared so far."""
    return dict(_public_to_row)


def rule_for(
    function: Function, writes: tuple[str, ...] = ()
) -> Callable[[Callable[Parameters, Result]], Callable[Parameters, Result]]:
    """Decorate a rule: return the public function for one of numpy's.

    writes: the arguments that the function changes in place

    Rules need no `like=` and no `out=`: both are handled here, `out=` by assigning the result. A rule that has a
    parameter `name` accepts a label for its result, which is also set here.
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
                ducks = duck_arrays_in((*args, *kwargs.values()))
                if ducks:
                    return ask_duck_arrays(published, full_name(function), ducks, args, kwargs)
                return let_numpy_decide(_declined(refusal, rule, args, kwargs), function, args, kwargs, writes)

        published: Callable[Parameters, Result] = _published(public, NumpyFunction(function, rule, writes))
        return published

    return declare


def _with_label(public: Function, label: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> object:
    """Return the result with the label. An argument that is returned itself keeps its label: the result is a new handle."""
    if label is None:
        return public(*args, **kwargs)
    check_label(public.__name__, label)
    result = public(*args, **kwargs)
    given = (value.__lazy_tensor__() for value in (*args, *kwargs.values()) if is_tensor(value))
    return with_name(result, label) if any(tensor is result for tensor in given) else labelled(result, label)


def without_rule(function: Function, writes: str | tuple[str, ...] = ()) -> Function:
    """Return the public function for a numpy function without a rule: numpy's runs on the real operands at the call.

    writes: the arguments that it changes in place, besides `out`; tensors given there are assigned to, and views follow
    """
    written = ("out", *((writes,) if isinstance(writes, str) else writes))
    asks = isinstance(function, _Dispatcher)

    def public(*args: Any, **kwargs: Any) -> object:
        if "like" in kwargs:
            if not _is_like_ours(kwargs["like"]):
                return _like(published, function, args, kwargs)
            del kwargs["like"]
        ducks = duck_arrays_in((*args, *kwargs.values())) if asks else ()
        return (
            ask_duck_arrays(published, full_name(function), ducks, args, kwargs)
            if ducks
            else call_numpy(function, args, kwargs, written)
        )

    public.__name__ = public.__qualname__ = getattr(function, "__name__", "numpy_function")
    public.__module__ = (getattr(function, "__module__", None) or "numpy").replace("numpy", "composit.numpy", 1)
    public.__doc__ = f"Return what {full_name(function)} returns, computed when it is called. See its page."
    published: Function = _published(public, NumpyFunction(function, None, written))
    return published


def with_own_memory(function: Function) -> Function:
    """Return the function with results copied where they are read-only, as views of a tensor's value are."""

    @wraps(function)
    def made(*args: Any, **kwargs: Any) -> Array:
        result: Array = function(*args, **kwargs)
        return result if result.flags.writeable else result.copy()

    return made


def _published(public: Function, row: NumpyFunction) -> Any:
    public.__doc__ = _with_page(inspect.unwrap(public).__doc__ or "", row.function)
    signature = signature_of(row.function)
    if signature is not None:
        public.__signature__ = signature  # type: ignore[attr-defined]  # what inspect reads
    if inspect.isbuiltin(row.function):
        public = _Builtin(public)
    if isinstance(row.function, _Dispatcher):
        # ndarray.__array_function__ calls this when a subclass passes a call on with super().
        public._implementation = row.function._implementation  # type: ignore[attr-defined]
    _public_to_row[public] = row
    return public


# Functions of these modules have a page of their own in numpy's reference.
_WITH_PAGES = ("numpy", "numpy.char", "numpy.fft", "numpy.linalg", "numpy.strings")


def _with_page(text: str, function: Function) -> str:
    """Return a docstring with the address of numpy's page at its end."""
    module = getattr(function, "__module__", None) or ""
    if module not in _WITH_PAGES and not module.startswith("numpy.polynomial."):
        return text
    page = f"https://numpy.org/doc/stable/reference/generated/{module}.{function.__name__}.html"
    return f"{inspect.cleandoc(text)}\n\nReference: {page}"


class _Builtin:
    """A public function that is not bound as a method in a class, like the builtins that numpy writes in C."""

    def __init__(self, function: Function) -> None:
        update_wrapper(self, function)
        self._function = function

    def __call__(self, *args: Any, **kwargs: Any) -> object:
        return self._function(*args, **kwargs)

    def __reduce__(self) -> str:
        # Pickled by name, as functions are.
        return str(self.__dict__["__qualname__"])

    def __repr__(self) -> str:
        return f"<built-in function {self.__dict__['__name__']}>"


_NO_PLACE = 1 << 30


def _place(function: Function, argument: str) -> int:
    """Return the argument's place among the positional ones, _NO_PLACE if it can only be given by name."""
    signature = signature_of(function)
    found = None if signature is None else signature.parameters.get(argument)
    if signature is None or found is None or found.kind is inspect.Parameter.KEYWORD_ONLY:
        return _NO_PLACE
    return list(signature.parameters).index(argument)


def _named(function: Function, args: tuple[Any, ...], kwargs: Mapping[str, Any], first: int) -> dict[str, Any]:
    """Return all arguments from position `first` on, by name.

    Raises:  TypeError: numpy's, the call has too many arguments
    """
    signature = signature_of(function)
    parameters = list(signature.parameters.values())[first:] if signature is not None else []
    names = [each.name for each in parameters if each.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]
    if len(args) - first > len(names):
        function(*args, **kwargs)
    return {**dict(zip(names, args[first:], strict=False)), **kwargs}


def _declined(error: Exception, rule: Function, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Exception:
    """Return the rule's error; NoRuleError in place of the TypeError for an argument that the rule has no parameter for."""
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
    """Return the result of a call with `out=`, assigned to it."""
    options = {name: value for name, value in kwargs.items() if name != "out"}
    out = kwargs.get("out")
    try:
        if out is not None and options.get("dtype") is not None:
            raise NoRuleError("out, dtype: both were given, and each would decide the dtype of the result")
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
    """Return the result that the class of `like=` creates; raises numpy's TypeError if it cannot."""
    ducks = duck_arrays_in([kwargs["like"]])
    if not ducks:
        return function(*args, **kwargs)
    del kwargs["like"]
    return ask_duck_arrays(public, full_name(function), ducks, args, kwargs)


def _written(result: Any, out: Any) -> object:
    is_tensor = isinstance(out, TensorHandle) and isinstance(result, TensorHandle)
    if not is_tensor or out.type.is_scalar or out.shape != result.shape or out.dtype != result.dtype:
        raise NoRuleError("out: the result is of another type than out; numpy casts it or raises")
    assign_result(out, result)
    return out
