"""`Kernel`: what `register`, `elementwise` and `vmap` make of a Python function."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import update_wrapper
from types import FunctionType
from typing import Any, Protocol, runtime_checkable

import numpy as np

from composit.apply import apply, as_tensor
from composit.backends import get_backend
from composit.errors import KernelError, KernelNameError, MissingLibraryError, OperandError, UnsupportedOperationError
from composit.kernels.checking import check
from composit.kernels.language import FLOAT, Unit
from composit.kernels.operation import KernelCall, KernelUnit, kind_of
from composit.kernels.reading import FunctionSource, read_function
from composit.kernels.units import annotated_forms, build_unit, parameter_names
from composit.kernels.values import Form, shaped
from composit.operation import Dtype

_PYTHON_NUMBERS = (bool, int, float)


@runtime_checkable
class WritesKernels(Protocol):
    """A backend that can show the code it makes of a kernel."""

    def kernel_source(self, unit: Unit, float_dtype: Dtype) -> str:
        """Return the code of a unit's functions."""
        ...


@runtime_checkable
class UsesKernels(Protocol):
    """A backend of a library with modules, which can make one of a kernel."""

    def kernel_module(self, kernel: Kernel) -> Any:
        """Return a module that calls the kernel."""
        ...

    def kernel_function(self, kernel: Kernel) -> Any:
        """Return a differentiable function of the library that calls the kernel."""
        ...


class Kernel:
    """A Python function of numbers that runs on each element of arrays, as one operation of the graph.

    Called on tensors or arrays it gives lazy tensors, and the operands broadcast; called on Python numbers it is the function
    itself. Parameters without annotation take the kind of what they are given: float, int or bool.

    Example:
        >>> from composit.kernels import register
        >>> import composit.numpy as cnp
        >>> @register
        ... def relu3(x: float) -> float:
        ...     if x < 0.0:
        ...         return 0.0
        ...     elif x < 1.0:
        ...         return x**3 / 3.0
        ...     return x - 2.0 / 3.0
        >>> cnp.evaluate(relu3(cnp.asarray([-1.0, 0.5, 2.0])))
        array([0.        , 0.04166667, 1.33333333])
        >>> print(relu3.derivative_source)
        def relu3_vjp(x: float, dresult: float) -> float:
            dx = 0.0
            if x < 0.0:
                pass
            elif x < 1.0:
                dx = dresult / 3.0 * (3.0 * x ** 2.0)
            else:
                dx = dresult
            return dx
        <BLANKLINE>
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.raw_f = function
        self.function_source = read_function(function)
        check(self.function_source)
        self._known: dict[tuple[Form, ...], tuple[KernelUnit, Form]] = {}
        update_wrapper(self, function)
        forms = annotated_forms(self.function_source)
        if all(form is not None for form in forms):
            # A function that it calls may be defined later in the file. Then the first call builds the kernel.
            with suppress(KernelNameError):
                self.unit_for(tuple(form for form in forms if form is not None))

    @property
    def name(self) -> str:
        """The function's name."""
        return self.function_source.name

    def __repr__(self) -> str:
        return f"<kernel {self.name}>"

    def unit_for(self, forms: tuple[Form, ...]) -> tuple[KernelUnit, Form]:
        """Return the unit for arguments of these forms, and the form of what it returns.

        Raises:  KernelError: the function is not in the language, or the arguments do not fit
        """
        known = self._known.get(forms)
        if known is None:
            unit, callee = build_unit(self.function_source, forms, find_source)
            known = self._known[forms] = KernelUnit(unit), callee.result
        return known

    @property
    def unit(self) -> KernelUnit:
        """The unit for arguments as annotated, floats where nothing is annotated."""
        forms = annotated_forms(self.function_source)
        return self.unit_for(tuple(FLOAT if form is None else form for form in forms))[0]

    def __call__(self, *arguments: Any) -> Any:  # Any: tensors, arrays, numbers, tuples of these
        """Return the kernel on each element, as lazy tensors; of Python numbers, what the Python function returns."""
        if all(map(_is_python, arguments)):
            return self.raw_f(*arguments)
        library = _library_of(arguments)
        if library is not None:
            return library.kernel_function(self)(*arguments)
        unit, result, operands = self.bound(arguments)
        return self.in_form(apply(KernelCall(unit), *operands), result)

    def bound(
        self, arguments: Sequence[Any], convert: Callable[[Any], Any] = as_tensor
    ) -> tuple[KernelUnit, Form, list[Any]]:
        """Return the unit for arguments, the form of its result, and the operands; `convert` makes a tensor of each.

        Raises:  OperandError: there are more or fewer arguments than parameters
        """
        names = parameter_names(self.function_source)
        if len(arguments) != len(names):
            raise OperandError(
                f"{self.name}: {len(arguments)} arguments were given; expected {len(names)}: {', '.join(names)}; give one for each"
            )
        given = [_tensors(argument, convert) for argument in arguments]
        unit, result = self.unit_for(tuple(map(_form_of, given)))
        return unit, result, [leaf for each in given for leaf in _flat(each)]

    def in_form(self, results: Any, form: Form) -> Any:
        """Return results as the Python function returns them: one tensor, or tuples of these."""
        if not isinstance(form, tuple):
            return results
        flat: tuple[Any, ...] = results if isinstance(results, tuple) else (results,)
        return shaped(form, iter(flat))

    def vjp(self, *arguments: Any) -> Any:
        """Return the cotangents of the float arguments from ``vjp(x..., dy)``; dy is a tuple where the result is one.

        Example:
            >>> from composit.kernels import register
            >>> import composit.numpy as cnp, numpy as np
            >>> @register
            ... def cube(x: float) -> float:
            ...     return x**3
            >>> cnp.evaluate(cube.vjp(np.array([1.0, 2.0]), np.array([1.0, 10.0])))
            array([  3., 120.])
        """
        *primal, cotangent = arguments
        unit, _, operands = self.bound(primal)
        return apply(KernelCall(unit.vjp()), *operands, *_flat(_tensors(cotangent)))

    def jvp(self, *arguments: Any) -> Any:
        """Return the results and their tangents from ``jvp(x..., dx...)``, with a tangent for each float argument."""
        count = len(parameter_names(self.function_source))
        unit, _, operands = self.bound(arguments[:count])
        tangents = [leaf for each in arguments[count:] for leaf in _flat(_tensors(each))]
        return apply(KernelCall(unit.jvp), *operands, *tangents)

    def grad(self, *arguments: Any) -> Any:
        """Return the derivative of the one float result by each float argument.

        Raises:  KernelError: it has several results
        """
        unit, result, operands = self.bound(arguments)
        if result is not FLOAT:
            raise KernelError(
                f"{self.name}: grad of {result} was asked for; expected one float result; call vjp with a cotangent for each"
            )
        return apply(KernelCall(unit.vjp()), *operands, 1.0)

    @property
    def nnModule(self) -> Any:  # the name that users of Knossos know
        """A torch module that calls the kernel. Each read makes one."""
        return self.nn_module()

    def nn_module(self, *example: Any) -> Any:  # Any: a torch module, and torch tensors
        """Return a torch module that calls the kernel; an example is taken for programs written for Knossos, without effect.

        Raises:  MissingLibraryError: torch is not installed
        """
        return self._in_torch().kernel_module(self)

    @property
    def autogradFunction(self) -> Any:  # as nnModule
        """An object whose `apply` calls the kernel on torch tensors, with torch's autograd."""
        return self._in_torch().kernel_function(self)

    def _in_torch(self) -> UsesKernels:
        backend = get_backend("torch")
        if not isinstance(backend, UsesKernels):
            raise UnsupportedOperationError(
                f"{self.name}: the backend {backend!r:.40} makes no modules; expected flashlight's; install flashlight"
            )
        return backend

    @property
    def source(self) -> str:
        """The Python text."""
        return textwrap.dedent(self.function_source.text)

    @property
    def derivative_source(self) -> str:
        """The reverse derivative as Python text, which Python can run."""
        return self.unit.vjp().text

    @property
    def c_source(self) -> str:
        """The C functions, for float64, that the backend "mosaic" compiles."""
        return self.c_text()

    def c_text(self, dtype: Any = np.float64, derivative: bool = False) -> str:
        """Return the C functions for a dtype of floats, of the kernel or of its reverse derivative.

        Raises:  UnsupportedOperationError: the backend "mosaic" shows no code
        """
        backend = get_backend("mosaic")
        if not isinstance(backend, WritesKernels):
            raise UnsupportedOperationError(
                f"{self.name}: the backend {backend!r:.40} shows no C; expected mosaic's; install mosaic"
            )
        unit = self.unit.vjp() if derivative else self.unit
        return backend.kernel_source(unit.unit, np.dtype(dtype))

    def explain(self) -> str:
        """Return what is made of the kernel: kinds, functions, and what its derivative stores."""
        unit = self.unit
        lines = []
        for each in unit.unit.functions:
            parameters = ", ".join(f"{one.name}: {one.kind.value}" for one in each.parameters)
            lines.append(f"{each.name}({parameters}) -> {', '.join(kind.value for kind in each.results)}")
        return "\n".join(lines)

    def plot(self, low: float = -2.0, high: float = 2.0, num_points: int = 401) -> Any:
        """Return a matplotlib figure of the value and the gradient of a kernel of one float.

        Raises:  MissingLibraryError: matplotlib is not installed
        """
        try:
            from matplotlib.figure import Figure
        except ImportError as error:
            raise MissingLibraryError(
                f"{self.name}: plot needs matplotlib; expected it to be installed; pip install matplotlib"
            ) from error
        from composit.nn.evaluation import evaluate

        x = np.linspace(low, high, num_points)
        figure = Figure()
        axes = figure.subplots()
        axes.plot(x, evaluate(self(x)), label=self.name)
        axes.plot(x, evaluate(self.grad(x)), label=f"derivative of {self.name}")
        axes.legend()
        axes.grid(True)
        return figure


def find_source(value: object) -> FunctionSource | None:
    """Return the source of a kernel or of a Python function, checked; None of anything else."""
    if isinstance(value, Kernel):
        return value.function_source
    if not isinstance(value, FunctionType):
        return None
    source = read_function(value)
    check(source)
    return source


def _is_python(value: object) -> bool:
    if isinstance(value, tuple | list):
        return all(map(_is_python, value))
    return type(value) in _PYTHON_NUMBERS


def _library_of(arguments: Sequence[Any]) -> UsesKernels | None:
    """Return the backend whose tensors are among the arguments, None where there are none."""
    # A class of torch's, or derived from one, as parameters are; torch is not imported here.
    classes = (base for each in arguments for base in type(each).__mro__)
    if not any(base.__module__.partition(".")[0] == "torch" for base in classes):
        return None
    backend = get_backend("torch")
    return backend if isinstance(backend, UsesKernels) else None


def _tensors(argument: Any, convert: Callable[[Any], Any] = as_tensor) -> Any:  # Any: a tensor, or a tuple of these
    if isinstance(argument, tuple):
        return tuple(_tensors(each, convert) for each in argument)
    return convert(argument)


def _form_of(argument: Any) -> Form:
    if isinstance(argument, tuple):
        return tuple(map(_form_of, argument))
    dtype = argument.dtype
    # torch's dtypes are no numpy dtypes, and have the same names.
    return kind_of(dtype if isinstance(dtype, np.dtype) else np.dtype(str(dtype).rpartition(".")[2]))


def _flat(argument: Any) -> Iterator[Any]:
    if isinstance(argument, tuple):
        for each in argument:
            yield from _flat(each)
    else:
        yield argument
