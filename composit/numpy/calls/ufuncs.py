"""The class `cnp.ufunc`: attributes and methods of all universal functions, and those that numpy computes at the call.

A ufunc of ours has numpy's attributes (nin, types, ...) and methods (reduce, at, ...). Elementwise functions with
rules are in elementwise/table.py, matmul and the like in products.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from composit.apply import as_tensor
from composit.errors import NoRuleError
from composit.handle import TensorHandle
from composit.hooks import hooks
from composit.numpy.arguments.signatures import signature_of
from composit.numpy.calls.declarations import rule_for
from composit.numpy.calls.duck_arrays import one_of_each_class
from composit.numpy.calls.fallback import call_numpy

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

__all__ = ["frompyfunc", "ufunc"]

# Any, everywhere here: operands are tensors, arrays and numbers; ufuncs return one result or several.
Call = Callable[..., Any]


def call_method(function: Any, method: str, operands: tuple[Any, ...], options: Mapping[str, Any]) -> Any:
    """Return the result of a ufunc's method, lazy if the method has a rule."""
    return hooks.call_ufunc(function, method, operands, options)


def is_asked(value: Any) -> bool:
    """Return whether numpy would call the operand's `__array_ufunc__`: it is neither numpy's own nor a tensor."""
    if getattr(type(value), "__array_ufunc__", None) is None or isinstance(value, np.ndarray | np.generic):
        return False
    return not hasattr(value, "__lazy_tensor__")


def _asked_among(operands: tuple[Any, ...], options: Mapping[str, Any]) -> list[Any]:
    """Return one operand or `out` of each class with its own `__array_ufunc__`, subclasses before their bases.

    Raises:  TypeError: another operand's class has `__array_ufunc__ = None`
    """
    out = options.get("out")
    given = (*operands, *(out if isinstance(out, tuple) else (out,)), options.get("where"))
    found = one_of_each_class(value for value in given if is_asked(value))
    refusing = [value for value in given if found and getattr(type(value), "__array_ufunc__", found) is None]
    if refusing:
        raise TypeError(f"operand {type(refusing[0]).__name__!r} does not support ufuncs (__array_ufunc__=None)")
    return found


def asked(function: ufunc, method: str, operands: tuple[Any, ...], options: dict[str, Any]) -> tuple[Any, bool]:
    """Return (result, True) from the first operand whose `__array_ufunc__` answers, or (None, False) without such operands.

    The method gets our function and tensors, so that its result may stay lazy.

    Raises:  TypeError: each of them returned NotImplemented
    """
    values = _asked_among(operands, options)
    if not values:
        return None, False
    if method == "__call__":
        _check_numbers(function, operands, options)
    named = _as_asked(function, options)
    for value in values:
        result = value.__array_ufunc__(function, method, *operands, **named)
        if result is not NotImplemented:
            return result, True
    shown = [
        repr(function),
        repr(method),
        *map(repr, operands),
        *(f"{name}={value!r}" for name, value in named.items()),
    ]
    kinds = [repr(type(value).__name__) for value in (*operands, *named.get("out", ()))]
    raise TypeError(
        f"operand type(s) all returned NotImplemented from __array_ufunc__({', '.join(shown)}): {', '.join(kinds)}"
    )


def wrong_number(function: ufunc, count: int) -> TypeError:
    """Return numpy's error for a call with `count` positional arguments."""
    given = f"{count} {'was' if count == 1 else 'were'} given"
    return TypeError(
        f"{function.__name__}() takes from {function.nin} to {function.nargs} positional arguments but {given}"
    )


def _check_numbers(function: ufunc, operands: tuple[Any, ...], options: Mapping[str, Any]) -> None:
    """Raise numpy's errors for a wrong number of operands or results."""
    if len(operands) != function.nin:
        raise wrong_number(function, len(operands))
    out = options.get("out", (None,) * function.nout)
    if function.nout > 1 and not isinstance(out, tuple):
        raise TypeError("'out' must be a tuple of arrays")
    if isinstance(out, tuple) and len(out) != function.nout:
        raise ValueError("The 'out' tuple must have exactly one entry per ufunc output")


_NAMES = frozenset(
    "out where casting order dtype subok signature sig axes axis keepdims initial indices".split()  # of any method
)


def _as_asked(function: ufunc, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options as numpy passes them to `__array_ufunc__`: `out` is a tuple, or missing if it is None.

    Raises:  TypeError: no universal function has such an option
    """
    unknown = [name for name in options if name not in _NAMES]
    if unknown:
        raise TypeError(f"{function.__name__}() got an unexpected keyword argument {unknown[0]!r}")
    named = {"signature" if name == "sig" else name: value for name, value in options.items()}
    out = named.pop("out", None)
    results = out if isinstance(out, tuple) else (out,)
    return named if all(result is None for result in results) else {**named, "out": results}


def operand_of(value: Any) -> LazyTensor:
    """Return the operand as a tensor.

    Raises:  NoRuleError: it has an `__array_ufunc__`, which numpy calls; OperandError: it cannot be an operand
    """
    if is_asked(value):
        raise NoRuleError(f"{type(value).__name__}: numpy asks its __array_ufunc__")
    return as_tensor(value)


class _Universal(type):
    """Makes `isinstance(f, cnp.ufunc)` true for numpy's own ufuncs too."""

    def __instancecheck__(cls, instance: Any) -> bool:
        if cls is not ufunc:
            return super().__instancecheck__(instance)
        # Functions that numpy does not have, such as erf, are no ufuncs, although they share this class.
        return isinstance(instance.ufunc if super().__instancecheck__(instance) else instance, np.ufunc)


def with_named_results(
    function: ufunc, operands: tuple[Any, ...], options: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the arguments with results that were given by position moved to `out`, where later code looks for writes."""
    results = operands[function.nin :]
    if not results or len(results) > function.nout or "out" in options or any(each is ... for each in results):
        return operands, options
    padded = (*results, *[None] * (function.nout - len(results)))
    return operands[: function.nin], {**options, "out": padded}


class _Signature:
    """The attribute `__signature__`: numpy's signature on an instance, missing on the class."""

    def __get__(self, instance: ufunc | None, owner: type) -> inspect.Signature | None:
        if instance is None:
            raise AttributeError(f"__signature__: {owner.__name__} is a class; expected one of its functions")
        return signature_of(instance.ufunc)


class ufunc(metaclass=_Universal):  # numpy's name
    """A function that works element by element or over core axes, with numpy.ufunc's attributes and methods.

    The attribute `ufunc` is numpy's own function. Reference: numpy.ufunc.
    """

    __slots__ = ()

    ufunc: Any
    __name__: str
    # The numbers of operands and of results.
    nin: int
    nout: int

    def __init_subclass__(cls) -> None:
        # `help` of an instance shows numpy's page; the docstring of its class would hide it.
        cls.__doc__ = property(_page)  # type: ignore[assignment]

    @property
    def nargs(self) -> int:
        """The number of operands and results."""
        return self.nin + self.nout

    @property
    def ntypes(self) -> int:
        """The number of loops (combinations of dtypes) that numpy has."""
        return len(self.types)

    @property
    def types(self) -> list[str]:
        """The loops that numpy has, as characters of dtypes: operands, an arrow, results."""
        return list(self.ufunc.types)

    @property
    def identity(self) -> object:
        """The result of reducing an empty array; None if there is none."""
        return self.ufunc.identity

    @property
    def signature(self) -> str | None:
        """The core axes of a generalized function; None for a function that works element by element."""
        found: str | None = self.ufunc.signature
        return found

    __signature__ = _Signature()

    def __eq__(self, other: object) -> bool:
        """Return whether it is the same function, or numpy's own: tables of other libraries are keyed by numpy's."""
        return other is self or other is self.ufunc

    def __hash__(self) -> int:
        return hash(self.ufunc)

    def __repr__(self) -> str:
        return f"<ufunc {self.__name__!r}>"

    def reduce(self, array: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Return the array reduced along axes with the function. Reference: numpy.ufunc.reduce."""
        return self._along("reduce", (array,), args, kwargs)

    def accumulate(self, array: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Return the intermediate results of `reduce` along one axis. Reference: numpy.ufunc.accumulate."""
        return self._along("accumulate", (array,), args, kwargs)

    def reduceat(self, array: Any, /, indices: Any, *args: Any, **kwargs: Any) -> Any:
        """Return `reduce` of the slices between indices. Reference: numpy.ufunc.reduceat."""
        return self._along("reduceat", (array, indices), args, kwargs)

    reduce.__signature__ = signature_of(np.ufunc.reduce)  # type: ignore[attr-defined]  # what inspect reads
    accumulate.__signature__ = signature_of(np.ufunc.accumulate)  # type: ignore[attr-defined]
    reduceat.__signature__ = signature_of(np.ufunc.reduceat)  # type: ignore[attr-defined]

    def outer(self, A: Any, B: Any, /, **kwargs: Any) -> Any:  # numpy's names
        """Return the function applied to all pairs of elements. Reference: numpy.ufunc.outer."""
        return self._method("outer", (A, B), kwargs)

    def at(self, a: Any, indices: Any, /, *b: Any) -> None:
        """Apply the function in place at indices, once per occurrence of an index. Reference: numpy.ufunc.at."""
        self._method("at", (a, indices, *b), {})

    at.__signature__ = signature_of(np.ufunc.at)  # type: ignore[attr-defined]  # what inspect reads

    def resolve_dtypes(
        self, dtypes: Any, *, signature: Any = None, casting: Any = None, reduction: Any = False
    ) -> tuple[np.dtype[Any], ...]:
        """Return the dtypes of the loop that numpy would run. Reference: numpy.ufunc.resolve_dtypes."""
        options = {"signature": signature, "casting": casting, "reduction": reduction}
        given = {name: value for name, value in options.items() if value}
        found: tuple[np.dtype[Any], ...] = self.ufunc.resolve_dtypes(dtypes, **given)
        return found

    def _along(
        self, method: str, operands: tuple[Any, ...], args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> object:
        named = dict(zip(_OPTIONS, args, strict=False))
        if len(args) > len(_OPTIONS) or named.get("out") is ... or named.keys() & kwargs.keys():
            # numpy raises the error.
            return call_numpy(getattr(self.ufunc, method), (*operands, *args), kwargs)
        given = {name: value for name, value in named.items() if value is not None or name == "axis"}
        return self._method(method, operands, {**given, **kwargs})

    def _method(self, method: str, operands: tuple[Any, ...], options: dict[str, Any]) -> object:
        result, is_answered = asked(self, method, operands, options)
        if is_answered:
            return result
        result = call_method(self.ufunc, method, operands, options)
        if result is NotImplemented:
            # An operand of an unknown class: numpy raises the error, or asks the class.
            return getattr(self.ufunc, method)(*operands, **options)
        return result


def _page(function: ufunc) -> str | None:
    found: str | None = function.ufunc.__doc__
    return found


# The parameters after the operands of methods along axes, in numpy's order.
_OPTIONS = ("axis", "dtype", "out", "keepdims", "initial", "where")


class NumpyUfunc(ufunc):
    """A universal function without a rule: numpy's runs on the real operands at the call."""

    __slots__ = ("__name__", "__qualname__", "nin", "nout", "ufunc")

    def __init__(self, function: Any) -> None:  # Any: numpy's types call some of them functions
        self.ufunc = function
        self.nin, self.nout = function.nin, function.nout
        self.__name__ = self.__qualname__ = function.__name__

    def __call__(self, *operands: Any, **options: Any) -> Any:
        result, is_answered = asked(self, "__call__", *with_named_results(self, operands, options))
        return result if is_answered else call_numpy(self.ufunc, operands, options, ("out",))

    def __reduce__(self) -> tuple[type, tuple[np.ufunc]]:
        return NumpyUfunc, (self.ufunc,)


class GeneralizedFunction(ufunc):
    """A generalized ufunc with a rule: a function over core axes, such as matmul."""

    __slots__ = ("__name__", "__qualname__", "_public", "nin", "nout", "of_two", "ufunc")

    def __init__(self, function: np.ufunc, rule: Callable[..., LazyTensor]) -> None:
        self.ufunc = function
        self.nin, self.nout = function.nin, function.nout
        self.__name__ = self.__qualname__ = function.__name__
        # Builds the node or raises; operators call it and ask numpy themselves.
        self.of_two = rule
        self._public = rule_for(function)(rule)

    def __call__(self, *operands: Any, **options: Any) -> LazyTensor:
        if any(not isinstance(operand, TensorHandle) for operand in operands) or "out" in options:
            result, is_answered = asked(self, "__call__", *with_named_results(self, operands, options))
            if is_answered:
                answer: LazyTensor = result
                return answer
        return self._public(*operands, **options)

    def __reduce__(self) -> tuple[Call, tuple[str]]:
        return _generalized_by_name, (self.__name__,)


_name_to_generalized: dict[str, GeneralizedFunction] = {}


def generalized_functions() -> Sequence[GeneralizedFunction]:
    """Return the generalized functions declared so far."""
    return tuple(_name_to_generalized.values())


def _generalized_by_name(name: str) -> GeneralizedFunction:
    return _name_to_generalized[name]


def generalized(function: np.ufunc) -> Callable[[Callable[..., LazyTensor]], GeneralizedFunction]:
    """Decorate a rule: return the public function for one of numpy's generalized ufuncs."""

    def declare(rule: Callable[..., LazyTensor]) -> GeneralizedFunction:
        declared = _name_to_generalized[function.__name__] = GeneralizedFunction(function, rule)
        return declared

    return declare


def frompyfunc(func: Callable[..., Any], /, nin: int, nout: int, **kwargs: Any) -> NumpyUfunc:
    """Return a universal function that calls a Python function for each element. Reference: numpy.frompyfunc."""
    return NumpyUfunc(np.frompyfunc(func, nin, nout, **kwargs))
