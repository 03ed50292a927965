"""`register`, `elementwise` and `vmap`: decorators, and functions of a function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, overload

from composit.kernels.kernel import Kernel

Function = Callable[..., Any]  # Any: numbers, and tuples of these


@overload
def register(function: Function) -> Kernel: ...
@overload
def register(function: None = None, *, generate_lm: bool = False) -> Callable[[Function], Kernel]: ...


def register(function: Function | None = None, *, generate_lm: bool = False) -> Kernel | Callable[[Function], Kernel]:
    """Return a Python function of numbers as a kernel, or with parentheses a decorator that does.

    generate_lm: taken for programs written for Knossos, and without effect: derivatives are made when they are asked for

    Raises:  KernelError: the function is outside the language; the text shows the line and what to write instead
    Example:
        >>> import composit.numpy as cnp
        >>> @register
        ... def steps_to_one(n: int) -> int:
        ...     steps = 0
        ...     while n > 1:
        ...         n = n // 2 if n % 2 == 0 else 3 * n + 1
        ...         steps += 1
        ...     return steps
        >>> cnp.evaluate(steps_to_one(cnp.asarray([1, 6, 27])))
        array([  0,   8, 111])
    """
    return Kernel if function is None else Kernel(function)


@overload
def elementwise(function: Function) -> Kernel: ...
@overload
def elementwise(function: None = None, *, example_element: Any = ...) -> Callable[[Function], Kernel]: ...


def elementwise(
    function: Function | None = None, *, example_element: Any = None
) -> Kernel | Callable[[Function], Kernel]:
    """Return a Python function of numbers as a kernel that runs on each element: the same as `register`.

    example_element: taken for programs written for Knossos, and without effect: kinds follow from annotations or arguments
    """
    return register(function) if function is not None else register()


def vmap(function: Function) -> Kernel:
    """Return a kernel that runs on each element of its arguments' first axis: for a function of numbers, the same as `register`."""
    return function if isinstance(function, Kernel) else register(function)
