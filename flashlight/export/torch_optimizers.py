"""torch's optimizers as optimizers of composit: their options, and their state in both directions.

Formulas and names of the state: torch.optim's documentation, and `optimizer.state_dict()`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch

from composit.errors import ParameterError
from composit.nn import optimizers
from composit.nn.optimizers.rule import RuleOptimizer

Options: TypeAlias = Mapping[str, Any]  # Any: torch's options of a group of parameters


@dataclass(frozen=True, slots=True)
class _Row:
    """How one class of torch's is spelled here.

    make:    the optimizer for a group's options and a rate
    slots:   torch's names of what it keeps for each parameter, in the order in which the rule keeps it
    numbers: options that are numbers, or tuples of numbers: they may change from step to step
    """

    make: Callable[[Options, Any], RuleOptimizer]
    slots: Callable[[Options], Sequence[str]]
    numbers: Sequence[str]
    counts_steps: bool = True


def _sgd(options: Options, rate: Any) -> RuleOptimizer:
    others = {name: options[name] for name in ("dampening", "nesterov", "weight_decay")}
    return optimizers.sgd(rate, options["momentum"], **others)


def _adam(options: Options, rate: Any) -> RuleOptimizer:
    numbers = {"epsilon": options["eps"], "weight_decay": options["weight_decay"]}
    if options.get("decoupled_weight_decay"):
        return optimizers.adamw(rate, options["betas"], keeps_maximum=options["amsgrad"], **numbers)
    make = optimizers.amsgrad if options["amsgrad"] else optimizers.adam
    return make(rate, options["betas"], **numbers)


def _adamw(options: Options, rate: Any) -> RuleOptimizer:
    return _adam({**options, "decoupled_weight_decay": True}, rate)


def _nadam(options: Options, rate: Any) -> RuleOptimizer:
    numbers = {name: options[name] for name in ("weight_decay", "momentum_decay")}
    numbers["is_decoupled"] = options["decoupled_weight_decay"]
    return optimizers.nadam(rate, options["betas"], epsilon=options["eps"], **numbers)


def _radam(options: Options, rate: Any) -> RuleOptimizer:
    numbers = {"epsilon": options["eps"], "weight_decay": options["weight_decay"]}
    return optimizers.radam(rate, options["betas"], is_decoupled=options["decoupled_weight_decay"], **numbers)


def _adamax(options: Options, rate: Any) -> RuleOptimizer:
    return optimizers.adamax(rate, options["betas"], epsilon=options["eps"], weight_decay=options["weight_decay"])


def _adagrad(options: Options, rate: Any) -> RuleOptimizer:
    numbers = {"epsilon": options["eps"], "weight_decay": options["weight_decay"]}
    return optimizers.adagrad(rate, learning_rate_decay=options["lr_decay"], **numbers)


def _rmsprop(options: Options, rate: Any) -> RuleOptimizer:
    others = {name: options[name] for name in ("alpha", "weight_decay", "momentum", "centered")}
    return optimizers.rmsprop(rate, epsilon=options["eps"], **others)


def _adadelta(options: Options, rate: Any) -> RuleOptimizer:
    return optimizers.adadelta(rate, rho=options["rho"], epsilon=options["eps"], weight_decay=options["weight_decay"])


def _adam_slots(options: Options) -> Sequence[str]:
    return ("exp_avg", "exp_avg_sq", "max_exp_avg_sq") if options["amsgrad"] else ("exp_avg", "exp_avg_sq")


def _sgd_slots(options: Options) -> Sequence[str]:
    return ("momentum_buffer",) if options["momentum"] else ()


def _rmsprop_slots(options: Options) -> Sequence[str]:
    centered = ("grad_avg",) if options["centered"] else ()
    return ("square_avg", *centered, *(("momentum_buffer",) if options["momentum"] else ()))


_ADAM = ("betas", "eps", "weight_decay")
_ROWS: dict[type[torch.optim.Optimizer], _Row] = {
    torch.optim.SGD: _Row(_sgd, _sgd_slots, ("momentum", "dampening", "weight_decay"), counts_steps=False),
    torch.optim.Adam: _Row(_adam, _adam_slots, _ADAM),
    torch.optim.AdamW: _Row(_adamw, _adam_slots, _ADAM),
    torch.optim.NAdam: _Row(
        _nadam, lambda options: ("exp_avg", "exp_avg_sq", "mu_product"), (*_ADAM, "momentum_decay")
    ),
    torch.optim.RAdam: _Row(_radam, lambda options: ("exp_avg", "exp_avg_sq"), _ADAM),
    torch.optim.Adamax: _Row(_adamax, lambda options: ("exp_avg", "exp_inf"), _ADAM),
    torch.optim.Adagrad: _Row(_adagrad, lambda options: ("sum",), ("lr_decay", "eps", "weight_decay")),
    torch.optim.RMSprop: _Row(_rmsprop, _rmsprop_slots, ("alpha", "eps", "weight_decay", "momentum")),
    torch.optim.Adadelta: _Row(_adadelta, lambda options: ("square_avg", "acc_delta"), ("rho", "eps", "weight_decay")),
}
# Options that do not decide what is computed, or that a step reads at each call.
_IRRELEVANT = frozenset(("params", "lr", "initial_lr", "foreach", "fused", "capturable", "param_names"))


@dataclass(frozen=True, slots=True)
class Part:
    """Parameters of one group that have made the same number of steps; they are updated together.

    group: the number of the group; count: how many steps were made; slots: torch's tensors of the state, for each parameter
    """

    group: int
    names: Sequence[str]
    parameters: Sequence[torch.Tensor]
    count: float
    slots: Sequence[Sequence[torch.Tensor]]


class TorchOptimizer:
    """An optimizer of torch's, which keeps the state: a compiled step reads it, and writes it back.

    Raises:  ParameterError: a class, or an option, that has no counterpart here
    """

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        row = _ROWS.get(type(optimizer))
        if row is None:
            known = ", ".join(each.__name__ for each in _ROWS)
            raise ParameterError(
                f"training_step: the optimizer {type(optimizer).__name__} was given; expected an instance of one of torch.optim's "
                f"classes {known}; use one of these, or torch.compile(model, backend='composit') with torch's own step"
            )
        self.optimizer = optimizer
        self._row = row

    @property
    def groups(self) -> list[dict[str, Any]]:
        """torch's groups of parameters, with their options."""
        return list(self.optimizer.param_groups)

    def rates(self) -> list[float]:
        """Return the present rate of each group: a schedule may have changed it."""
        return [float(group["lr"]) for group in self.groups]

    def numbers(self) -> list[dict[str, Any]]:
        """Return the numbers among the options of each group, which may change from step to step. 0 leaves out a part of a rule."""
        return [{name: _plain(group[name]) for name in self._row.numbers if group[name] != 0} for group in self.groups]

    def others(self) -> list[dict[str, Any]]:
        """Return the options that decide the program."""
        numbers = self.numbers()
        return [
            {name: value for name, value in group.items() if name not in own and name not in _IRRELEVANT}
            for group, own in zip(self.groups, numbers, strict=True)
        ]

    def parts(self, names: Mapping[int, str]) -> list[Part]:
        """Return the parameters to update. names: by the ids of parameters; the others stay as they are."""
        found: list[Part] = []
        for number, group in enumerate(self.groups):
            by_count: dict[float, list[torch.Tensor]] = {}
            for parameter in group["params"]:
                if id(parameter) in names:
                    by_count.setdefault(self._count(parameter), []).append(parameter)
            for count, some in sorted(by_count.items()):
                slots = [self._slots(parameter, group) for parameter in some]
                found.append(Part(number, [names[id(each)] for each in some], some, count, slots))
        return found

    def _count(self, parameter: torch.Tensor) -> float:
        own = self.optimizer.state.get(parameter)
        if not own:
            return 0.0
        # SGD counts no steps; its rule only needs to know the first one.
        return float(own["step"]) if self._row.counts_steps else float(own.get("momentum_buffer") is not None)

    def _slots(self, parameter: torch.Tensor, options: Options) -> list[torch.Tensor]:
        own = self.optimizer.state.get(parameter) or {}
        known = [own.get(name) for name in self._row.slots(options)]
        names = self._row.slots(options)
        return [_fresh(name, parameter) if value is None else value for name, value in zip(names, known, strict=True)]

    def keep(self, part: Part) -> None:
        """Put the state of a part, after a step was written to its tensors, into torch's optimizer."""
        names = self._row.slots(self.groups[part.group])
        if not names:
            return
        for parameter, slots in zip(part.parameters, part.slots, strict=True):
            own = self.optimizer.state[parameter]
            if self._row.counts_steps:
                step = own.get("step")
                if not isinstance(step, torch.Tensor):
                    own["step"] = step = torch.tensor(part.count, dtype=_dtype_of_numbers())
                step.fill_(part.count + 1.0)
            own.update(zip(names, slots, strict=True))

    def stepped(
        self,
        group: int,
        options: Options,
        parameters: Sequence[Any],
        gradients: Sequence[Any],
        state: Options,
        rate: Any,
    ) -> tuple[list[Any], list[list[Any]]]:
        """Return the new parameters of a part and its new slots, as graph.

        options: numbers and others; state: the count and the slots
        """
        optimizer = self._row.make(options, rate)
        if options.get("maximize"):
            gradients = [-each for each in gradients]
        own: Any = optimizer.init(list(parameters))
        if isinstance(own, dict):
            own = {**own, "slots": [tuple(each) for each in state["slots"]]}
            if "count" in own:
                own["count"] = state["count"]
        stepped, later = optimizer.update(list(parameters), list(gradients), own)
        slots = later["slots"] if isinstance(later, dict) else [()] * len(parameters)
        return stepped, [list(each) for each in slots]

    def check_hooks(self) -> None:
        """Raise where the optimizer would run hooks before a step, or write to gradients: a compiled step has none.

        Raises:  ParameterError
        """
        if self.optimizer._optimizer_step_pre_hooks:
            raise ParameterError(
                f"training_step: {type(self.optimizer).__name__} has hooks that run before its steps, which may change gradients; expected "
                "an optimizer without, since a compiled step keeps no gradients; use parameter.register_hook"
            )
        if any(group.get("differentiable") for group in self.groups):
            raise ParameterError(
                "training_step: differentiable=True was given to the optimizer; expected False, since a compiled step keeps no history; "
                "trace optimizer.step() with flashlight.tracer.trace() instead"
            )

    def was_stepped(self) -> None:
        """Do what torch does after a step, besides writing: tell the schedulers, which warn otherwise, and the hooks."""
        self.optimizer._opt_called = True  # type: ignore[attr-defined]
        for hook in list(self.optimizer._optimizer_step_post_hooks.values()):
            hook(self.optimizer, (), {})


def _plain(value: Any) -> Any:
    return tuple(float(each) for each in value) if isinstance(value, list | tuple) else float(value)


def _fresh(name: str, parameter: torch.Tensor) -> torch.Tensor:
    """Return the value of a slot before the first step."""
    if name == "mu_product":
        return torch.ones((), dtype=_dtype_of_numbers())
    return torch.zeros_like(parameter.detach(), memory_format=torch.preserve_format)


def _dtype_of_numbers() -> torch.dtype:
    """Return the dtype in which torch's optimizers count."""
    return torch.float64 if torch.get_default_dtype() is torch.float64 else torch.float32
