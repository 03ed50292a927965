"""`joint_graph`: loss, gradients and writes of a torch objective as one graph of ATen operations, on fake tensors.

torch's own autograd runs while the graph is recorded. So detached tensors, `torch.no_grad`, hooks and functions of
`torch.autograd.Function` have the gradients that they have in torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch._subclasses.functional_tensor import dispatch_functionalize
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils import _pytree as pytree

from composit.errors import OperandError, ShapeError, UnsupportedOperationError
from flashlight.export.recording import recording


@dataclass(frozen=True, slots=True)
class Example:
    """The arguments of an objective.

    leaves, spec: what the call was given; names: of parameters and buffers, in the order of `state`
    wanted:       the parameters whose gradients the graph has
    """

    state: Mapping[str, torch.Tensor]
    wanted: Sequence[str]
    leaves: Sequence[Any]
    spec: pytree.TreeSpec

    @property
    def data(self) -> list[torch.Tensor]:
        """The tensors among the leaves."""
        return [leaf for leaf in self.leaves if isinstance(leaf, torch.Tensor)]


@dataclass(frozen=True, slots=True)
class JointGraph:
    """A graph whose arguments are state, data and constants, and which returns loss, gradients and new values.

    constants: tensors that the objective uses, besides those that it was given; a run reads their present values
    loss_dtype: torch's
    gradients: the names of the parameters that have one, in the order of the results
    written:   for each further result, the number of the argument whose new value it is
    """

    module: torch.fx.GraphModule
    fakes: Sequence[torch.Tensor]
    mode: FakeTensorMode
    constants: Sequence[torch.Tensor]
    loss_dtype: torch.dtype
    gradients: Sequence[str]
    written: Sequence[int]


class Objective(torch.nn.Module):
    """A model and its loss as one module, which returns the loss and the buffers after the call, by name."""

    def __init__(self, model: torch.nn.Module, loss: Callable[..., torch.Tensor]) -> None:
        super().__init__()
        self.model = model
        self.loss = loss

    def forward(
        self, args: Sequence[Any], kwargs: Mapping[str, Any], targets: Sequence[Any]
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Return the loss of the model's output for these arguments."""
        value = self.loss(self.model(*args, **kwargs), *targets)
        return value, dict(self.named_buffers(remove_duplicate=False))


def joint_graph(objective: Objective, example: Example, asked: str) -> JointGraph:
    """Return the graph of an objective; none of torch's kernels runs.

    asked: begins the messages of errors

    Raises:  ShapeError, OperandError: the loss is not one number, or does not depend on the parameters;
             UnsupportedOperationError: Python asks for values
    """
    mode = FakeTensorMode(allow_non_fake_inputs=True)
    fakes = [mode.from_tensor(each, static_shapes=True) for each in (*example.state.values(), *example.data)]
    found: list[str] = []
    joint = dispatch_functionalize(_joint_function(objective, example, asked, found))
    with recording(objective, asked), mode:
        module = make_fx(joint, record_stack_traces=True)(*fakes)
    constants = _lifted_constants(module)
    loss: Any = pytree.tree_leaves(module.graph.output_node().args)[0]  # Any: a node
    fakes += [mode.from_tensor(each.detach(), static_shapes=True) for each in constants]
    return JointGraph(
        module, fakes, mode, constants, loss.meta["val"].dtype, found, _kept_results(module, 1 + len(found))
    )


def _joint_function(
    objective: Objective, example: Example, asked: str, found: list[str]
) -> Callable[..., list[torch.Tensor]]:
    names = list(example.state)

    def joint(*tensors: torch.Tensor) -> list[torch.Tensor]:
        state = dict(zip(names, tensors, strict=False))
        wanted = [(name, state[name]) for name in example.wanted]
        data = iter(tensors[len(names) :])
        given = [next(data) if isinstance(leaf, torch.Tensor) else leaf for leaf in example.leaves]
        loss, buffers = torch.func.functional_call(objective, state, pytree.tree_unflatten(given, example.spec))
        _check_loss(loss, asked)
        gradients = torch.autograd.grad(loss, [each for _, each in wanted], allow_unused=True)
        results = [loss]
        for (name, _), gradient in zip(wanted, gradients, strict=True):
            if gradient is not None:
                found.append(name)
                results.append(_hooked(example.state[name], gradient, name, asked))
        # A module may put another tensor in the place of a buffer.
        results += [_of_same_type(buffers.get(name, state[name]), state[name], name, asked) for name in names]
        return [each.detach() for each in (*results, *tensors[len(names) :])]

    return joint


def _check_loss(loss: Any, asked: str) -> None:
    if not isinstance(loss, torch.Tensor):
        raise OperandError(
            f"{asked}: the loss is of type {type(loss).__name__}; expected a tensor of one number; return it alone"
        )
    if loss.shape != ():
        raise ShapeError(f"{asked}: the loss has shape {tuple(loss.shape)}; expected one number; take its mean or sum")
    if not loss.requires_grad:
        raise OperandError(
            f"{asked}: the loss depends on no parameter that requires a gradient; expected one that the optimizer can lower; look for "
            "detach, no_grad and requires_grad_(False) in the model"
        )


def _of_same_type(value: torch.Tensor, before: torch.Tensor, name: str, asked: str) -> torch.Tensor:
    if (value.shape, value.dtype) != (before.shape, before.dtype):
        raise ShapeError(
            f"{asked}: the model puts a tensor of shape {tuple(value.shape)} and dtype {value.dtype} in the place of the buffer {name}; "
            f"expected {tuple(before.shape)} and {before.dtype} as before; keep what grows outside of the model"
        )
    return value


def _hooked(parameter: torch.Tensor, gradient: torch.Tensor, name: str, asked: str) -> torch.Tensor:
    """Return the gradient after the hooks of the parameter, which its fake does not have."""
    if gradient.layout is not torch.strided:
        raise UnsupportedOperationError(
            f"{asked}: the gradient of {name} has layout {gradient.layout}; expected a strided one; make the embedding with sparse=False"
        )
    if parameter._post_accumulate_grad_hooks:
        raise UnsupportedOperationError(
            f"{asked}: {name} has a hook that runs after its gradient was accumulated, but a compiled step accumulates none; expected a "
            "parameter without; use register_hook, which gets the gradient"
        )
    for hook in (parameter._backward_hooks or {}).values():
        changed = hook(gradient)
        gradient = gradient if changed is None else changed
    return gradient


def _lifted_constants(module: torch.fx.GraphModule) -> list[torch.Tensor]:
    """Make the graph's constants its last arguments, and return them: their values may change."""
    graph = module.graph
    last = [node for node in graph.nodes if node.op == "placeholder"][-1]
    made: dict[str, torch.fx.Node] = {}
    for node in list(graph.nodes):
        if node.op != "get_attr":
            continue
        target = str(node.target)
        if target not in made:
            with graph.inserting_after(last):
                last = made[target] = graph.placeholder(f"constant_{len(made)}")
        node.replace_all_uses_with(made[target])
        graph.erase_node(node)
    graph.lint()
    module.recompile()
    return [getattr(module, target) for target in made]


def _kept_results(module: torch.fx.GraphModule, count: int) -> list[int]:
    """Drop the results that are arguments as they were, and return which arguments the others are new values of."""
    graph = module.graph
    arguments = [node for node in graph.nodes if node.op == "placeholder"]
    output = graph.output_node()
    results: list[Any] = pytree.tree_leaves(output.args)  # Any: nodes
    new = results[count:]
    written = [number for number, node in enumerate(new) if _source(node) is not arguments[number]]
    output.args = ([*results[:count], *(new[number] for number in written)],)
    module.recompile()
    return written


def _source(node: torch.fx.Node) -> torch.fx.Node:
    while node.target is torch.ops.aten.detach.default:
        node = node.args[0]  # type: ignore[assignment]  # its one argument is a tensor
    return node
