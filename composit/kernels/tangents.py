"""Names in derivatives: of tangents and cotangents of variables and stacks, and of the functions themselves."""

from __future__ import annotations

from composit.kernels.language import FLOAT, Function, Unit, Variable
from composit.kernels.walking import Names, all_variables, stacks


class Tangents:
    """The variable beside each float variable of a function: `dx` of `x`, with a number if that is taken."""

    __slots__ = ("_of", "_of_stack", "names")

    def __init__(self, function: Function) -> None:
        self.names = Names({*all_variables(function), *stacks(function)})
        self._of: dict[str, Variable] = {}
        self._of_stack: dict[str, str] = {}

    def of(self, variable: Variable) -> Variable:
        """Return the tangent or cotangent of a variable."""
        assert variable.kind is FLOAT, "only floats have tangents"
        if variable.name not in self._of:
            self._of[variable.name] = Variable(self.names.fresh(f"d{variable.name}"), FLOAT)
        return self._of[variable.name]

    def bind(self, variable: Variable, beside: Variable) -> None:
        """Let a variable be the cotangent of another one."""
        self._of[variable.name] = beside

    def of_stack(self, stack: str) -> str:
        """Return the stack of the tangents or cotangents of a stack's values."""
        if stack not in self._of_stack:
            self._of_stack[stack] = self.names.fresh(f"d{stack}")
        return self._of_stack[stack]


def derivative_names(unit: Unit, suffix: str) -> dict[str, str]:
    """Return a name for the derivative of each function of a unit."""
    names = Names({each.name for each in unit.functions})
    return {each.name: names.fresh(f"{each.name}_{suffix}") for each in unit.functions}
