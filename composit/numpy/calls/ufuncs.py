"""numpy.ufunc's public surface: what every universal function of ours shows and does besides being called.

Lives here: attributes, methods, the class that `isinstance(cnp.add, cnp.ufunc)` asks for, and functions that numpy
alone computes. Not here: those with rules (elementwise.py, products.py). May import numpy_call, numpy_function, apply.
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
from composit.numpy.calls.duck_arrays import one_of_each_class
from composit.numpy.calls.numpy_call import call_numpy
from composit.numpy.calls.numpy_function import rule_for

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

__all__ = ["frompyfunc", "ufunc"]

# Any, everywhere here: operands are tensors, arrays and numbers; ufuncs return one result or several.
Call = Callable[..., Any]


def call_method(function: Any, method: str, operands: tuple[Any, ...], options: Mapping[str, Any]) -> Any:
    """Return the result of a method of one of numpy's universal functions, lazy where there is a rule."""
    return hooks.call_ufunc(function, method, operands, options)


def is_asked(value: Any) -> bool:
    """Whether numpy asks an operand's class what to do: it is neither numpy's own nor a tensor."""
    if getattr(type(value), "__array_ufunc__", None) is None or isinstance(value, np.ndarray | np.generic):
        return False
    return not hasattr(value, "__lazy_tensor__")


def _asked_among(operands: tuple[Any, ...], options: Mapping[str, Any]) -> list[Any]:
    """Return one operand or result of each class that is asked, subclasses before their bases.

    Raises:  TypeError: there is one, beside another of a class that takes part in no universal function
    """
    out = options.get("out")
    given = (*operands, *(out if isinstance(out, tuple) else (out,)), options.get("where"))
    found = one_of_each_class(value for value in given if is_asked(value))
    refusing = [value for value in given if found and getattr(type(value), "__array_ufunc__", found) is None]
    if refusing:
        raise TypeError(f"operand {type(refusing[0]).__name__!r} does not support ufuncs (__array_ufunc__=None)")
    return found


def asked(function: ufunc, method: str, operands: tuple[Any, ...], options: dict[str, Any]) -> tuple[Any, bool]:
    """Return what operands' own classes make of a call by `__array_ufunc__`, and whether there is such an operand.

    They see our functions and tensors, so that what they do with them may stay lazy.

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
    """Return numpy's error for a call with so many operands and results by place."""
    given = f"{count} {'was' if count == 1 else 'were'} given"
    return TypeError(
        f"{function.__name__}() takes from {function.nin} to {function.nargs} positional arguments but {given}"
    )


def _check_numbers(function: ufunc, operands: tuple[Any, ...], options: Mapping[str, Any]) -> None:
    """Raise numpy's errors for a call with too many operands or results, or too few."""
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
    """Return named arguments as an operand's class is given them: results are a tuple, and left out where there is none.

    Raises:  TypeError: no universal function has such an argument
    """
    unknown = [name for name in options if name not in _NAMES]
    if unknown:
        raise TypeError(f"{function.__name__}() got an unexpected keyword argument {unknown[0]!r}")
    named = {"signature" if name == "sig" else name: value for name, value in options.items()}
    out = named.pop("out", None)
    results = out if isinstance(out, tuple) else (out,)
    return named if all(result is None for result in results) else {**named, "out": results}


def operand_of(value: Any) -> LazyTensor:
    """Return the tensor of an operand.

    Raises:  NoRuleError: its class has `__array_ufunc__`, by which numpy asks it; OperandError: it is no operand at all
    """
    if is_asked(value):
        raise NoRuleError(f"{type(value).__name__}: numpy asks its __array_ufunc__")
    return as_tensor(value)


class _Universal(type):
    """Counts numpy's own universal functions among the instances."""

    def __instancecheck__(cls, instance: Any) -> bool:
        if cls is not ufunc:
            return super().__instancecheck__(instance)
        # Functions such as erf, which numpy does not have, work alike and are none.
        return isinstance(instance.ufunc if super().__instancecheck__(instance) else instance, np.ufunc)


def with_named_results(
    function: ufunc, operands: tuple[Any, ...], options: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the arguments of a call with results given by place under the name `out`, where writes are looked for."""
    results = operands[function.nin :]
    if not results or len(results) > function.nout or "out" in options or any(each is ... for each in results):
        return operands, options
    padded = (*results, *[None] * (function.nout - len(results)))
    return operands[: function.nin], {**options, "out": padded}


class _Signature:
    """numpy's signature of an instance; the class has none of its own to show."""

    def __get__(self, instance: ufunc | None, owner: type) -> inspect.Signature | None:
        if instance is None:
            raise AttributeError(f"__signature__: {owner.__name__} is a class; expected one of its functions")
        return signature_of(instance.ufunc)


class ufunc(metaclass=_Universal):  # numpy's name
    """A function that works element by element, or over core axes: numpy.ufunc's attributes and methods.

    The attribute `ufunc` of an instance is numpy's own. Reference: numpy.ufunc.
    """

    __slots__ = ()

    ufunc: Any
    __name__: str
    # The numbers of operands and of results.
    nin: int
    nout: int

    def __init_subclass__(cls) -> None:
        # An instance shows numpy's page, where otherwise its class's docstring would be found.
        cls.__doc__ = property(_page)  # type: ignore[assignment]

    @property
    def nargs(self) -> int:
        """The number of operands and results."""
        return self.nin + self.nout

    @property
    def ntypes(self) -> int:
        """The number of loops that numpy has."""
        return len(self.types)

    @property
    def types(self) -> list[str]:
        """The loops that numpy has, as characters of dtypes: operands, an arrow, results."""
        return list(self.ufunc.types)

    @property
    def identity(self) -> object:
        """What a reduction of nothing gives, None where there is no such value."""
        return self.ufunc.identity

    @property
    def signature(self) -> str | None:
        """The core axes of a generalized function, None for one that works element by element."""
        found: str | None = self.ufunc.signature
        return found

    __signature__ = _Signature()

    def __eq__(self, other: object) -> bool:
        """Whether it is the same function, be it numpy's own: tables of programs and libraries are keyed by either."""
        return other is self or other is self.ufunc

    def __hash__(self) -> int:
        return hash(self.ufunc)

    def __repr__(self) -> str:
        return f"<ufunc {self.__name__!r}>"

    def reduce(self, array: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Return the function applied along axes until one element is left. Reference: numpy.ufunc.reduce."""
        return self._along("reduce", (array,), args, kwargs)

    def accumulate(self, array: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Return all intermediate results of `reduce` along one axis. Reference: numpy.ufunc.accumulate."""
        return self._along("accumulate", (array,), args, kwargs)

    def reduceat(self, array: Any, /, indices: Any, *args: Any, **kwargs: Any) -> Any:
        """Return `reduce` of the slices between indices. Reference: numpy.ufunc.reduceat."""
        return self._along("reduceat", (array, indices), args, kwargs)

    reduce.__signature__ = signature_of(np.ufunc.reduce)  # type: ignore[attr-defined]  # what inspect reads
    accumulate.__signature__ = signature_of(np.ufunc.accumulate)  # type: ignore[attr-defined]
    reduceat.__signature__ = signature_of(np.ufunc.reduceat)  # type: ignore[attr-defined]

    def outer(self, A: Any, B: Any, /, **kwargs: Any) -> Any:  # numpy's names
        """Return the function of all pairs of elements. Reference: numpy.ufunc.outer."""
        return self._method("outer", (A, B), kwargs)

    def at(self, a: Any, indices: Any, /, *b: Any) -> None:
        """Apply the function in place at indices, once for each time one is listed. Reference: numpy.ufunc.at."""
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
            # numpy says what is wrong.
            return call_numpy(getattr(self.ufunc, method), (*operands, *args), kwargs)
        given = {name: value for name, value in named.items() if value is not None or name == "axis"}
        return self._method(method, operands, {**given, **kwargs})

    def _method(self, method: str, operands: tuple[Any, ...], options: dict[str, Any]) -> object:
        result, is_answered = asked(self, method, operands, options)
        if is_answered:
            return result
        result = call_method(self.ufunc, method, operands, options)
        if result is NotImplemented:
            # An operand of a class that is not ours to know: numpy has a word for it.
            return getattr(self.ufunc, method)(*operands, **options)
        return result


def _page(function: ufunc) -> str | None:
    found: str | None = function.ufunc.__doc__
    return found


# What the methods along axes take after their operands, in numpy's order.
_OPTIONS = ("axis", "dtype", "out", "keepdims", "initial", "where")


class NumpyUfunc(ufunc):
    """A universal function without a rule: numpy's runs on the real operands when it is called."""

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
    """A universal function over core axes, with a rule."""

    __slots__ = ("__name__", "__qualname__", "_public", "nin", "nout", "of_two", "ufunc")

    def __init__(self, function: np.ufunc, rule: Callable[..., LazyTensor]) -> None:
        self.ufunc = function
        self.nin, self.nout = function.nin, function.nout
        self.__name__ = self.__qualname__ = function.__name__
        # What builds the node and raises where it cannot, without asking numpy: operators ask it themselves.
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
    """Return those that have been declared."""
    return tuple(_name_to_generalized.values())


def _generalized_by_name(name: str) -> GeneralizedFunction:
    return _name_to_generalized[name]


def generalized(function: np.ufunc) -> Callable[[Callable[..., LazyTensor]], GeneralizedFunction]:
    """Declare a rule of ours for a generalized universal function of numpy's; decorates the public function."""

    def declare(rule: Callable[..., LazyTensor]) -> GeneralizedFunction:
        declared = _name_to_generalized[function.__name__] = GeneralizedFunction(function, rule)
        return declared

    return declare


def frompyfunc(func: Callable[..., Any], /, nin: int, nout: int, **kwargs: Any) -> NumpyUfunc:
    """Return a universal function that calls a Python function for each element. Reference: numpy.frompyfunc."""
    return NumpyUfunc(np.frompyfunc(func, nin, nout, **kwargs))
