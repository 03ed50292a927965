"""`ArrayFunction`: the base class of operations that call one numpy function; their fields are its parameters.

Elementwise functions are rows of a table instead (`elementwise/table.py`). Each class derived from `ArrayFunction` is
in the file of its public function.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

from composit.operation import Array, Operation, OperationKind, Results


class ArrayFunction(Operation):
    """One call of a numpy function: `function(*operands, **fields)`.

    A subclass is a frozen slotted dataclass. It names the function, has the parameters as fields under numpy's
    names, and gives the type of the result (`result_types`) and the derivative (`vjp`, or `no_derivative`). It
    overrides `evaluator` if the function takes its operands in another form.

    Example:
        @dataclass(frozen=True, slots=True)
        class SortComplex(ArrayFunction):
            function = staticmethod(np.sort_complex)
    """

    __slots__ = ()
    __match_args__: ClassVar[tuple[str, ...]] = ()  # the names of the fields: set by `dataclass`
    function: ClassVar[Callable[..., Any]]  # Any: whatever numpy's function takes and returns
    kind = OperationKind.FUNCTION
    keeps_c_order = True

    @property
    def name(self) -> str:
        return self.function.__name__

    def evaluate(self, *operands: Array) -> Results:  # Any: an array or a scalar
        return self.evaluator()(*operands)

    def evaluator(self) -> Callable[..., Results]:
        return partial(self.function, **{name: getattr(self, name) for name in self.__match_args__})
