"""`build_graph`: torch's own graphs (torch.fx, of ATen operations) built again as graphs of composit, by the rows of the table.

Shapes and dtypes come from torch's fake tensors: no kernel of torch runs. Random draws are not part of the graph; they are
noted (flashlight/export/draws.py), and what they give is an input.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch._decomp import core_aten_decompositions, decomposition_table
from torch._ops import HigherOrderOperator, OpOverload
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils import _pytree as pytree

from composit.apply import input_of, placeholder
from composit.errors import CompositError, UnsupportedOperationError
from composit.nn.transforms import Container
from composit.node import name_scope
from composit.operation import tensor_type
from composit.types import LazyTensor
from flashlight.capture.row_errors import advice, described_arguments
from flashlight.conversion import array_of, numpy_dtype
from flashlight.export.draws import Draw
from flashlight.export.own_decompositions import OWN_DECOMPOSITIONS
from flashlight.half_precision import rounded, widened
from flashlight.table import Call, decomposable_forms, traits_of


@dataclass(frozen=True, slots=True)
class GraphTensor:
    """A tensor of an FX graph: torch's fake one, which has shape, dtype and strides, and the lazy one."""

    fake: torch.Tensor
    lazy: LazyTensor


class GraphBuilder(torch.fx.Interpreter):
    """Runs an FX graph on graph tensors.

    mode:   of the fake tensors
    inputs: all tensors that the graph depends on: what was given, then what draws give; draws: in the order in which they run
    """

    def __init__(
        self,
        module: torch.fx.GraphModule,
        mode: FakeTensorMode,
        inputs: list[GraphTensor],
        draws: list[Draw],
        asked: str,
        drawn: list[LazyTensor],
    ) -> None:
        super().__init__(module)
        self._mode = mode
        self._inputs = inputs
        self._draws = draws
        self._asked = asked
        self._drawn = drawn
        self._node: torch.fx.Node | None = None

    def run_node(self, n: torch.fx.Node) -> Container:
        """Return the value of a node: graph tensors, numbers, and containers of them."""
        self._node = n
        with _scope_of(n):
            return super().run_node(n)

    def get_attr(self, target: Any, args: Container, kwargs: Container) -> Container:
        """Return a constant of the graph."""
        value = self.fetch_attr(target)
        if not isinstance(value, torch.Tensor):
            return value
        lazy = input_of(np.array(array_of(value, self._asked)))
        return GraphTensor(self._mode.from_tensor(value), lazy)

    def call_function(self, target: Any, args: Container, kwargs: Container) -> Container:
        """Return what a function gives: the row's graph for an operation, Python's result for functions of numbers and lists."""
        if isinstance(target, OpOverload):
            return self._operation(target, args, kwargs)
        if isinstance(target, HigherOrderOperator):
            raise UnsupportedOperationError(
                f"{self._asked}: the graph calls {target}, which takes parts of programs{self._place()}; expected operations on tensors "
                "alone; leave the part out of the graph with torch.compiler.disable, or write it without"
            )
        return target(*args, **kwargs)

    def call_module(self, target: Any, args: Container, kwargs: Container) -> Container:
        """Raise: graphs of ATen operations call no modules."""
        raise UnsupportedOperationError(
            f"{self._asked}: the graph calls the module {target}{self._place()}; expected a graph of ATen operations; give it to "
            "torch.export.export first"
        )

    def _operation(self, operation: OpOverload[..., Any], args: Container, kwargs: Container) -> Container:
        traits = traits_of(operation)
        fake_args, fake_kwargs = _mapped((args, kwargs), lambda each: each.fake)
        call = Call(operation, fake_args, fake_kwargs)
        with self._mode:
            if operation in _CHECKS:
                return None
            if operation in OWN_DECOMPOSITIONS:
                return self._decomposed(call, args, kwargs)
            if traits.is_random and traits.row is not None and _drops_nothing(call):
                return self._by_row(call, traits.row, args, kwargs)
            if traits.is_random:
                # Of attention, whose parts draw where it drops.
                is_whole = operation._can_decompose() and not traits.writes
                return self._decomposed(call, args, kwargs) if is_whole else self._draw(call, args, kwargs)
            if traits.reads_values and traits.row is None:
                raise UnsupportedOperationError(
                    self._message(
                        call,
                        "reads values, which a graph does not know; expected sizes and conditions that depend on shapes; "
                        "compute it before the program is made, or use torch.where and masks",
                    )
                )
            if traits.writes:
                raise UnsupportedOperationError(
                    self._message(call, "writes to a tensor, which a graph of values cannot")
                )
            result: Container = NotImplemented
            if traits.row is not None:
                result = self._by_row(call, traits.row, args, kwargs)
            return self._decomposed(call, args, kwargs) if result is NotImplemented else result

    def _by_row(self, call: Call, row: Callable[..., Any], args: Container, kwargs: Container) -> Container:
        as_stored = traits_of(call.operation).moves_elements
        lazy_args, lazy_kwargs = _mapped(
            (args, kwargs), lambda each: each.lazy if as_stored else widened(each.lazy, each.fake.dtype)
        )
        _ = call.result
        try:
            lazies = row(call, *lazy_args, **lazy_kwargs)
        except UnsupportedOperationError as error:
            raise UnsupportedOperationError(self._message(call, str(error))) from error
        except CompositError as error:
            raise UnsupportedOperationError(
                self._message(call, f"has a row that cannot build its graph: {error}")
            ) from error
        return NotImplemented if lazies is NotImplemented else self._joined(call, call.result, lazies)

    def _joined(self, call: Call, result: Any, lazies: Any) -> Container:
        if lazies is None:
            # A result that the call does not ask for (`output_mask`); some of torch's fake kernels give it nevertheless.
            return None
        if isinstance(result, torch.Tensor):
            lazies = rounded(lazies, result.dtype)
            if (lazies.shape, lazies.dtype) != (tuple(result.shape), numpy_dtype(result.dtype)):
                raise UnsupportedOperationError(
                    self._message(
                        call, f"has a row that built {lazies.type} where torch gives {result.dtype}{list(result.shape)}"
                    )
                )
            return GraphTensor(result, lazies)
        if isinstance(result, list | tuple):
            # A row may give further results, as new statistics: a functional graph asks for torch's alone.
            return [self._joined(call, part, lazy) for part, lazy in zip(result, lazies, strict=False)]
        return result

    def _decomposed(self, call: Call, args: Container, kwargs: Container) -> Container:
        """Return the results of an operation through those into which torch decomposes it."""
        operation = call.operation
        function = _decomposition_of(operation)
        if function is None:
            missing = "has no row in flashlight" if call.row_is_missing else "has a row that does not cover this call"
            raise UnsupportedOperationError(
                self._message(call, f"{missing}, and torch does not decompose it; {advice(operation)}")
            )
        leaves, spec = pytree.tree_flatten((args, kwargs), is_leaf=_is_tensor)
        tensors = [leaf for leaf in leaves if _is_tensor(leaf)]

        def parts(*fakes: torch.Tensor) -> Container:
            rest = iter(fakes)
            own_args, own_kwargs = pytree.tree_unflatten(
                [next(rest) if _is_tensor(leaf) else leaf for leaf in leaves], spec
            )
            return function(*own_args, **own_kwargs)

        graph = make_fx(torch.func.functionalize(parts))(*[each.fake for each in tensors])
        return GraphBuilder(graph, self._mode, self._inputs, self._draws, self._asked, self._drawn).run(*tensors)

    def _draw(self, call: Call, args: Container, kwargs: Container) -> Container:
        """Return what a draw gives as inputs of the graph; torch draws before each run."""
        leaves, spec = pytree.tree_flatten((args, kwargs), is_leaf=_is_tensor)
        operands = [leaf for leaf in leaves if _is_tensor(leaf)]
        reads_values = traits_of(call.operation).reads_values
        self._draws.append(
            Draw(
                call.operation,
                spec,
                tuple(None if _is_tensor(leaf) else leaf for leaf in leaves),
                tuple(position for position, leaf in enumerate(leaves) if _is_tensor(leaf)),
                tuple((tuple(each.fake.shape), each.fake.stride(), each.fake.dtype) for each in operands),
                tuple(each.lazy for each in operands) if reads_values else None,
                tuple(each.lazy for each in self._inputs),
            )
        )
        return _mapped_fakes(call.result, self._new_input)

    def _new_input(self, fake: torch.Tensor) -> GraphTensor:
        made = GraphTensor(fake, self._drawn.pop(0)) if self._drawn else graph_input(fake, f"draw {len(self._inputs)}")
        self._inputs.append(made)
        return made

    def _message(self, call: Call, why: str) -> str:
        return f"{self._asked}: torch called {call.operation} with {described_arguments(call)}{self._place()}\nIt {why}"

    def _place(self) -> str:
        node = self._node
        if node is None:
            return ""
        scope = _scope_name(node)
        lines = [line for line in (node.meta.get("stack_trace") or "").strip().splitlines() if line.strip()]
        where = "\n  " + " ".join(line.strip() for line in lines[-2:]) if lines else ""
        return f"{f' in {scope}' if scope else ''}{f' at{where}' if where else ''}"


def build_graph(
    module: torch.fx.GraphModule,
    args: Sequence[Any],
    mode: FakeTensorMode,
    asked: str,
    drawn: Sequence[LazyTensor] = (),
) -> tuple[Container, list[GraphTensor], list[Draw]]:
    """Return what an FX graph gives for arguments (graph tensors and numbers), all tensors it depends on, and its draws.

    asked: begins the messages of errors
    drawn: what draws give, in order, where that is known as graph; else fresh inputs

    Raises:  UnsupportedOperationError: names the operation that has no row
    """
    inputs = [each for each in args if isinstance(each, GraphTensor)]
    draws: list[Draw] = []
    return GraphBuilder(module, mode, inputs, draws, asked, list(drawn)).run(*args), inputs, draws


def graph_input(fake: torch.Tensor, label: str | None) -> GraphTensor:
    """Return a tensor that a run gives."""
    return GraphTensor(fake, placeholder(tensor_type(tuple(fake.shape), numpy_dtype(fake.dtype)), label))


def _drops_nothing(call: Call) -> bool:
    """Return whether an operation that may drop elements is called without: attention in evaluation."""
    names = [argument.name for argument in call.operation._schema.arguments]
    if "dropout_p" not in names:
        return False
    position = names.index("dropout_p")
    given = call.arguments[position] if position < len(call.arguments) else call.keywords.get("dropout_p", 0.0)
    return bool(given == 0)


# What torch checks when an exported program runs: dtypes that it has, and conditions of its author.
_CHECKS = frozenset(
    (
        torch.ops.aten._assert_tensor_metadata.default,
        torch.ops.aten._assert_async.default,
        torch.ops.aten._assert_async.msg,
        torch.ops.aten._assert_scalar.default,
        torch.ops.aten.sym_constrain_range.default,
        torch.ops.aten.sym_constrain_range_for_size.default,
    )
)


def _is_tensor(leaf: Any) -> bool:
    return isinstance(leaf, GraphTensor)


def _mapped(container: Container, function: Callable[[GraphTensor], Any]) -> Container:
    if isinstance(container, GraphTensor):
        return function(container)
    if isinstance(container, list | tuple):
        return [_mapped(each, function) for each in container]
    if isinstance(container, Mapping):
        return {key: _mapped(each, function) for key, each in container.items()}
    return container


def _mapped_fakes(result: Any, function: Callable[[torch.Tensor], GraphTensor]) -> Container:
    if isinstance(result, torch.Tensor):
        return function(result)
    return [_mapped_fakes(each, function) for each in result] if isinstance(result, list | tuple) else result


def _decomposition_of(operation: OpOverload[..., Any]) -> Callable[..., Any] | None:
    own = OWN_DECOMPOSITIONS.get(operation)
    if own is not None:
        return own
    for form in decomposable_forms(operation):
        function = core_aten_decompositions().get(form) or decomposition_table.get(form)
        if function is not None:
            return function
    return operation.decompose if operation._can_decompose() else None


def _scope_name(node: torch.fx.Node) -> str:
    stack = node.meta.get("nn_module_stack") or {}
    path = str(list(stack.values())[-1][0]) if stack else ""
    return path.removeprefix("L['self']").removeprefix(".")


def _scope_of(node: torch.fx.Node) -> AbstractContextManager[None]:
    name = _scope_name(node)
    return name_scope(name) if name else nullcontext()
