"""Derivatives of functions: grad, value_and_grad, vjp, jvp, jacobian, hessian, linearize.

A function takes tensors, arrays or numbers, alone or in nested containers, and returns tensors. Each call builds the graph of
the function once; the derivatives are lazy tensors, so they can be drawn, compiled and differentiated again. The names and
their meaning are jax's (https://docs.jax.dev/en/latest/automatic-differentiation.html). An argument on which the result does
not depend has the derivative zero.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import fields, is_dataclass
from functools import wraps
from operator import index
from typing import TYPE_CHECKING, Any, SupportsIndex, TypeAlias

import numpy as np

import composit.numpy as cnp
from composit.apply import apply, as_tensor
from composit.containers import Rebuild, flatten, map_leaves
from composit.errors import DerivativeError, DtypeError, OperandError, ParameterError, ShapeError
from composit.handle import TensorHandle, described, make_tensor
from composit.nn.differentiate import chain_rule
from composit.nn.optimizer import number_input
from composit.numpy.arguments.normalizing import spell_shape
from composit.numpy.calls.expressions import Argument

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

# Any: a function of tensors in containers of any kind, and such a container.
Function: TypeAlias = Callable[..., Any]
Container: TypeAlias = Any
Argnums: TypeAlias = SupportsIndex | Sequence[SupportsIndex]


def grad(function: Function, argnums: Argnums = 0, has_aux: bool = False) -> Function:
    """Return a function that gives the gradient of a scalar function, in the form of its argument.

    argnums: the position of the argument, or several positions; then the result is a tuple with one gradient for each
    has_aux: whether the function returns (scalar, anything else); the result is then (gradient, anything else)

    Shapes:  each gradient has the shape and dtype of its argument
    Raises:  ShapeError: the function returns an array; DtypeError: no real number; DerivativeError: an argument holds integers
    Example:
        >>> import composit.numpy as cnp
        >>> from composit.nn import grad
        >>> cnp.evaluate(grad(lambda x: cnp.sum(x * x))(cnp.asarray([1.0, 2.0])))
        array([2., 4.])
    """
    both = value_and_grad(function, argnums, has_aux)

    @wraps(function)
    def gradient(*args: Any, **kwargs: Any) -> Container:
        value, gradients = both(*args, **kwargs)
        return (gradients, value[1]) if has_aux else gradients

    return gradient


def value_and_grad(function: Function, argnums: Argnums = 0, has_aux: bool = False) -> Function:
    """Return a function that gives the value of a scalar function and its gradient; the parameters are those of `grad`.

    Example:
        >>> import composit.numpy as cnp
        >>> from composit.nn import value_and_grad
        >>> value, gradient = value_and_grad(cnp.sin)(0.0)
        >>> cnp.evaluate(value, gradient)
        (np.float64(0.0), np.float64(1.0))
    """

    @wraps(function)
    def both(*args: Any, **kwargs: Any) -> tuple[Container, Container]:
        call = _Call("grad", function, args, kwargs, argnums)
        loss, aux = _split(call.result) if has_aux else (call.result, None)
        loss = _scalar_loss(loss)
        gradients = call.in_form(chain_rule({loss: loss}, call.inputs, unreached="zeros") if call.inputs else [])
        return (loss, aux) if has_aux else loss, gradients

    return both


def vjp(function: Function, *primals: Container) -> tuple[Container, Function]:
    """Return the function's result at `primals`, and a function from cotangents to the gradients of all arguments.

    Cotangents have the form of the result; the gradients are a tuple, one per argument.

    Raises:  ShapeError, OperandError: cotangents differ from the result
    Example:
        >>> import composit.numpy as cnp
        >>> from composit.nn import vjp
        >>> y, pull = vjp(lambda x: x * x, cnp.asarray([1.0, 2.0]))
        >>> (gradient,) = pull(cnp.asarray([10.0, 1.0]))
        >>> cnp.evaluate(gradient)
        array([20.,  4.])
    """
    call = _Call("vjp", function, primals, {}, range(len(primals)))

    def pull(cotangents: Container) -> Container:
        incoming = _matching("vjp", "cotangent", cotangents, call.result_form, call.outputs)
        return call.in_form(call.pulled_back(incoming))

    return call.result, pull


def jvp(function: Function, primals: Sequence[Container], tangents: Sequence[Container]) -> tuple[Container, Container]:
    """Return the function's result at `primals`, and its change along `tangents`, which have the form of `primals`.

    The graph of the change is that of a forward sweep: its size does not depend on the number of results.

    Raises:  ShapeError, OperandError: tangents differ from the arguments
    Example:
        >>> import composit.numpy as cnp
        >>> from composit.nn import jvp
        >>> _, change = jvp(lambda x: x * x, [cnp.asarray([1.0, 2.0])], [cnp.asarray([1.0, 0.5])])
        >>> cnp.evaluate(change)
        array([2., 2.])
    """
    if not isinstance(primals, list | tuple) or not isinstance(tangents, list | tuple):
        raise OperandError(
            f"jvp: primals={described(primals):.60} and tangents={described(tangents):.60} were given; expected two lists with one "
            "entry per argument; for one argument write [x] and [t]"
        )
    result, push = linearize(function, *primals)
    return result, push(*tangents)


def linearize(function: Function, *primals: Container) -> tuple[Container, Function]:
    """Return the function's result at `primals`, and the linear function from tangents to the result's change.

    Example:
        >>> import composit.numpy as cnp
        >>> from composit.nn import linearize
        >>> y, push = linearize(cnp.exp, cnp.zeros(2))
        >>> cnp.evaluate(push(cnp.asarray([1.0, 2.0])))
        array([1., 2.])
    """
    call = _Call("jvp", function, primals, {}, range(len(primals)))
    forward = _Forward(call)

    def push(*tangents: Container) -> Container:
        given = _matching("jvp", "tangent", tangents, call.argument_form, call.inputs)
        return call.fill_result(forward.pushed(given))

    return call.result, push


def jacobian(function: Function, argnums: Argnums = 0) -> Function:
    """Return a function that gives all derivatives of all results: result shape + argument shape, in the result's form.

    In place of each result stands what `grad` would give for one of its elements. As many sweeps are built as there are
    elements in the results or in the arguments, whichever are fewer.

    Raises:  DtypeError: a result or an argument is complex: four real derivatives do not fit into one; use vjp or jvp
    Example:
        >>> import composit.numpy as cnp
        >>> from composit.nn import jacobian
        >>> cnp.evaluate(jacobian(lambda x: x * x)(cnp.asarray([1.0, 2.0])))
        array([[2., 0.],
               [0., 4.]])
    """

    @wraps(function)
    def derivatives(*args: Any, **kwargs: Any) -> Container:
        call = _Call("jacobian", function, args, kwargs, argnums)
        for each in [*call.outputs, *call.inputs]:
            if each.dtype.kind != "f":
                raise DtypeError(
                    f"jacobian: {described(each)} has dtype {each.dtype}; expected real floating results and arguments; use vjp or "
                    "jvp, or split complex values with cnp.real and cnp.imag"
                )
        num_results, num_inputs = (sum(each.size for each in some) for some in (call.outputs, call.inputs))
        parts = _by_results(call) if num_results <= num_inputs else _by_inputs(call)
        return call.fill_result([call.in_form(row) for row in parts])

    return derivatives


def hessian(function: Function, argnums: Argnums = 0) -> Function:
    """Return a function that gives the second derivatives of a scalar function: argument shape + argument shape.

    With several arguments, entry [i][j] holds the derivatives by argument i and then by argument j.

    Example:
        >>> import composit.numpy as cnp
        >>> from composit.nn import hessian
        >>> cnp.evaluate(hessian(lambda x: cnp.sum(x**3))(cnp.asarray([1.0, 2.0])))
        array([[ 6.,  0.],
               [ 0., 12.]])
    """
    return jacobian(grad(function, argnums), argnums)


_is_traced: ContextVar[bool] = ContextVar("composit_is_traced", default=False)


@contextmanager
def being_traced() -> Iterator[None]:
    """Mark that a user's function is called for its graph: a compiled step inside adds its operations to it."""
    token = _is_traced.set(True)
    try:
        yield
    finally:
        _is_traced.reset(token)


def is_traced() -> bool:
    """Return whether this call stands inside `being_traced`."""
    return _is_traced.get()


class _Call:
    """One call of a user's function: the tensors that it is differentiated by, and the results.

    Each input is a node of its own, so that what the function knows of the same tensor from elsewhere counts as constant.
    Inputs and outputs are handles that nobody else has: the function may write to its arguments (`x *= 2`), and the caller to
    the result, without changing where the derivative starts and ends.
    """

    def __init__(
        self, asked: str, function: Function, args: Sequence[Any], kwargs: dict[str, Any], argnums: Argnums
    ) -> None:
        places = _places(asked, argnums, len(args))
        arguments = list(args)
        handles: list[Any] = []
        rebuilds: list[Rebuild] = []
        for place in places:
            leaves, rebuild = flatten(map_leaves(args[place], _as_input))
            if not leaves:
                _check_container(asked, args[place])
            own = [apply(Argument(), leaf) for leaf in leaves]
            arguments[place] = rebuild(own)
            handles.append([_as_it_is(leaf) for leaf in own])
            rebuilds.append(rebuild)
        self.inputs: list[Any] = [leaf for own in handles for leaf in own]
        # Copies of the containers, since the caller may change the ones that were given and the ones of the result.
        self.argument_form = [rebuild(own) for rebuild, own in zip(rebuilds, handles, strict=True)]
        self._counts = [len(own) for own in handles]
        self._rebuilds = rebuilds
        self._is_one = isinstance(argnums, SupportsIndex)
        for leaf in self.inputs:
            if leaf.dtype.kind not in "fc":
                raise DerivativeError(
                    f"{asked}: an argument holds {described(leaf)} of dtype {leaf.dtype}; expected floating or complex numbers, since "
                    "integers have no derivative; pass floats, or leave the argument out of argnums"
                )
        with being_traced():
            self.result = map_leaves(function(*arguments, **kwargs), _as_output)
        outputs, self.fill_result = flatten(self.result)
        self.result_form = self.fill_result(outputs)
        self.outputs = [_as_it_is(output) for output in outputs]

    def pulled_back(self, cotangents: Sequence[Any]) -> list[Any]:
        """Return the gradients of all inputs for one cotangent per output."""
        # Each output is a node of its own: a result that is returned twice counts twice.
        seeds = {apply(Argument(), y): g for y, g in zip(self.outputs, cotangents, strict=True) if y.dtype.kind in "fc"}
        if not self.inputs:
            return []
        return chain_rule(seeds, self.inputs, unreached="zeros")

    def in_form(self, per_input: Sequence[Any]) -> Container:
        """Return values, one per input, in the form of the arguments: one argument alone, or a tuple of several."""
        parts: list[Any] = []
        start = 0
        for count, rebuild in zip(self._counts, self._rebuilds, strict=True):
            parts.append(rebuild(per_input[start : start + count]))
            start += count
        return parts[0] if self._is_one else tuple(parts)


class _Forward:
    """The change of the outputs along tangents.

    A reverse sweep is linear in its cotangents u. Its own derivative by u, weighted with the tangents, is the forward sweep:
    d/du <J^T u, t> = J t (Christianson 1992; the "double backward trick"). Nothing of u is left in the result.
    """

    def __init__(self, call: _Call) -> None:
        self._call = call
        self._seeds = [cnp.zeros(y.shape, y.dtype) for y in call.outputs]
        self._gradients = call.pulled_back(self._seeds)

    def pushed(self, tangents: Sequence[Any]) -> list[Any]:
        """Return the change of each output."""
        terms = [
            cnp.sum(cnp.real(g * t) if g.dtype.kind == "c" else g * t)
            for g, t in zip(self._gradients, tangents, strict=True)
        ]
        total = sum(terms[1:], terms[0]) if terms else None
        floating = [seed for seed in self._seeds if seed.dtype.kind in "fc"]
        if total is None or not floating:
            return [cnp.zeros(seed.shape, seed.dtype) for seed in self._seeds]
        changes = iter(chain_rule({total: total}, floating, unreached="zeros"))
        return [next(changes) if seed.dtype.kind in "fc" else cnp.zeros(seed.shape, seed.dtype) for seed in self._seeds]


def _by_results(call: _Call) -> list[list[Any]]:
    """Return, per output, the derivatives by each input: one reverse sweep per element of the outputs."""
    zeros = [cnp.zeros(y.shape, y.dtype) for y in call.outputs]
    parts: list[list[Any]] = []
    for place, output in enumerate(call.outputs):
        rows = [call.pulled_back([*zeros[:place], seed, *zeros[place + 1 :]]) for seed in _unit_arrays(output)]
        parts.append(
            [
                cnp.reshape(_stacked([row[i] for row in rows], each, 0), output.shape + each.shape)
                for i, each in enumerate(call.inputs)
            ]
        )
    return parts


def _by_inputs(call: _Call) -> list[list[Any]]:
    """Return the same as `_by_results`: one forward sweep per element of the inputs."""
    forward = _Forward(call)
    zeros = [cnp.zeros(x.shape, x.dtype) for x in call.inputs]
    columns = [
        [forward.pushed([*zeros[:place], seed, *zeros[place + 1 :]]) for seed in _unit_arrays(each)]
        for place, each in enumerate(call.inputs)
    ]
    return [
        [
            cnp.reshape(_stacked([column[i] for column in columns[place]], output, -1), output.shape + each.shape)
            for place, each in enumerate(call.inputs)
        ]
        for i, output in enumerate(call.outputs)
    ]


def _unit_arrays(like: TensorHandle) -> list[Any]:
    """Return, for each element, an array with 1 there and 0 elsewhere."""
    units = np.eye(like.size, dtype=like.dtype).reshape(like.size, *like.shape)
    return [cnp.asarray(unit) for unit in units]


def _stacked(parts: Sequence[Any], like: TensorHandle, axis: int) -> LazyTensor:
    return cnp.stack(parts, axis=axis) if parts else cnp.zeros((*like.shape, 0), like.dtype)


def _places(asked: str, argnums: Argnums, num_args: int) -> list[int]:
    given = [index(each) for each in ([argnums] if isinstance(argnums, SupportsIndex) else argnums)]
    if not all(-num_args <= each < num_args for each in given):
        positions = f"positions from 0 to {num_args - 1}" if num_args else "at least one positional argument"
        raise ParameterError(
            f"{asked}: argnums={argnums!r} was given for a call with {num_args} positional arguments; expected {positions}; pass the "
            "arguments to differentiate by without keywords"
        )
    places = [each % num_args for each in given]
    if len(set(places)) != len(places):
        raise ParameterError(
            f"{asked}: argnums={argnums!r} names an argument twice; expected each position once; leave one out"
        )
    return places


def _in_order_of(asked: str, word: str, form: Container, given: Container) -> Container:
    """Return the given values in the order of `form`, so that mappings are matched by their keys."""
    if isinstance(form, Mapping) and isinstance(given, Mapping):
        if form.keys() != given.keys():
            raise OperandError(
                f"{asked}: {word}s with the keys {list(given)!r:.60} were given for {list(form)!r:.60}; expected the same keys; pass "
                "zeros where nothing flows"
            )
        return {key: _in_order_of(asked, word, form[key], given[key]) for key in form}
    if isinstance(form, list | tuple) and isinstance(given, list | tuple) and len(form) == len(given):
        return [_in_order_of(asked, word, *pair) for pair in zip(form, given, strict=True)]
    if is_dataclass(form) and type(form) is type(given):
        return [_in_order_of(asked, word, getattr(form, f.name), getattr(given, f.name)) for f in fields(form)]
    return given


def _check_container(asked: str, given: object) -> None:
    """Raise for an argument without tensors that is no container, such as a truth value: its gradient would be itself."""
    if isinstance(given, Mapping | list | tuple) or is_dataclass(given) or given is None:
        return
    raise DerivativeError(
        f"{asked}: the argument {described(given):.60} of type {type(given).__name__} was given; expected floating or complex numbers, "
        "alone or in containers; pass floats, or leave the argument out of argnums"
    )


def _as_it_is(tensor: TensorHandle) -> LazyTensor:
    """Return another handle of the tensor's value, which stays when the tensor is written to."""
    return make_tensor(tensor.node, tensor.output_index)


def _as_input(leaf: Any) -> Any:  # Any: a tensor, array, number or anything else in a container
    """Return a tensor for an array or a number; Python's floats stay weak, as in expressions."""
    return number_input(leaf, "argument") if type(leaf) is float else _as_output(leaf)


def _as_output(leaf: Any) -> Any:  # Any: as _as_input
    # Scalars among the tensors are instances of numpy's classes too.
    is_value = isinstance(leaf, np.ndarray | np.generic | int | float | complex)
    if not is_value or isinstance(leaf, TensorHandle | bool):
        return leaf
    # An array of a subclass may have rules of its own, as masks have, and is refused.
    return as_tensor(leaf if isinstance(leaf, np.ndarray) and leaf.ndim else np.asarray(leaf)[()])


def _split(result: Container) -> tuple[Any, Any]:
    if not isinstance(result, tuple) or len(result) != 2:
        raise OperandError(
            f"grad: the function returned {described(result):.60}; with has_aux=True expected a tuple (scalar, anything else); return "
            "such a tuple, or leave has_aux out"
        )
    return result


def _scalar_loss(loss: Any) -> LazyTensor:
    if not isinstance(loss, TensorHandle):
        raise OperandError(
            f"grad: the function returned {described(loss):.60} of type {type(loss).__name__}; expected one number as a tensor; return "
            "the loss alone, or (loss, anything else) with has_aux=True"
        )
    if loss.shape != ():
        raise ShapeError(
            f"grad: the function returned {described(loss)} with shape {spell_shape(loss.shape)}; expected one number; sum it, or use "
            "jacobian or vjp"
        )
    if loss.dtype.kind != "f":
        raise DtypeError(
            f"grad: the function returned {described(loss)} of dtype {loss.dtype}; expected a real floating number; use vjp for complex "
            "results"
        )
    return loss  # type: ignore[return-value]  # tensors are LazyTensors


def _matching(asked: str, word: str, given: Container, form: Container, wanted: Sequence[TensorHandle]) -> list[Any]:
    """Return one tensor for each of the wanted ones, of its shape and dtype; `form` is their container."""
    leaves, _ = flatten(map_leaves(_in_order_of(asked, word, form, given), _as_output))
    if len(leaves) != len(wanted):
        raise OperandError(
            f"{asked}: {len(leaves)} {word}s were given for {len(wanted)} tensors; expected one {word} for each; pass them in the same "
            "containers, zeros where nothing flows"
        )
    for leaf, like in zip(leaves, wanted, strict=True):
        if leaf.shape != like.shape:
            raise ShapeError(
                f"{asked}: a {word} of shape {spell_shape(leaf.shape)} was given for {described(like)}; expected its shape "
                f"{spell_shape(like.shape)}; reshape or broadcast it"
            )
        if leaf.dtype.kind == "c" and like.dtype.kind != "c":
            raise DtypeError(
                f"{asked}: a {word} of dtype {leaf.dtype} was given for {described(like)}; expected a real one; pass its real part"
            )
    return [
        leaf if leaf.dtype == like.dtype else leaf.astype(like.dtype) for leaf, like in zip(leaves, wanted, strict=True)
    ]
