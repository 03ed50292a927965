"""Functions that lower modules call in higher ones, which they cannot import: one record, set once.

`composit/numpy/__init__.py` sets it at the end of the import, in one call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import CodeType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from composit.handle import TensorHandle
    from composit.numpy.tensor.lazy_tensor import LazyTensor
    from composit.operation import Array
    from composit.source import Source


class Hooks:
    """The functions and tables, each with the module that uses it.

    compute:          computes a tensor's value where its operation is written   (composit/eager_results.py)
    warn:             shows a floating-point warning of numpy's, given its text   (composit/errstates.py)
    code_to_source:   of functions that run operations, by their code, a function that returns the user's line from their
                      local names   (composit/warning_lines.py)
    tensor_classes:   the classes of tensors, in the order of HANDLE_KINDS: numpy tells arrays and scalars of each dtype
                      apart, and so do we   (composit/handle.py)
    join:             makes one tensor of a nested sequence that holds tensors   (composit/apply.py)
    call_ufunc:       calls a method of a ufunc: (ufunc, method, operands, options)   (composit/numpy/calls/ufuncs.py)
    view_of_part:     makes the view of a tensor that shows a part of its array: (tensor, its array, the part)
                      (composit/numpy/calls/fallback.py)
    function_to_rule: our functions, by those of numpy   (composit/numpy/tensor/protocols.py)
    """

    __slots__ = (
        "call_ufunc",
        "code_to_source",
        "compute",
        "function_to_rule",
        "join",
        "tensor_classes",
        "view_of_part",
        "warn",
    )

    # Any, everywhere here: operands and results are tensors, arrays, numbers and whatever numpy's functions take.
    call_ufunc: Callable[..., Any]
    code_to_source: Mapping[CodeType, Callable[[Mapping[str, Any]], Source | None]]
    compute: Callable[[TensorHandle], object]
    function_to_rule: Mapping[Callable[..., Any], Callable[..., Any]]
    join: Callable[[Sequence[Any]], LazyTensor]
    tensor_classes: list[type[TensorHandle]]
    view_of_part: Callable[[TensorHandle, Array, Array], Any]
    warn: Callable[[str], None]

    def __init__(self) -> None:
        # A list from the start, which `handle.py` binds: reading the field at each tensor made costs 10 ns, 1% of `x + y`.
        self.tensor_classes = []

    def set_once(
        self,
        *,
        call_ufunc: Callable[..., Any],
        code_to_source: Mapping[CodeType, Callable[[Mapping[str, Any]], Source | None]],
        compute: Callable[[TensorHandle], object],
        function_to_rule: Mapping[Callable[..., Any], Callable[..., Any]],
        join: Callable[[Sequence[Any]], LazyTensor],
        tensor_classes: Sequence[type[TensorHandle]],
        view_of_part: Callable[[TensorHandle, Array, Array], Any],
        warn: Callable[[str], None],
    ) -> None:
        """Set all hooks.

        Raises:  AssertionError: they are set already
        """
        self.call_ufunc = call_ufunc
        self.code_to_source = code_to_source
        self.compute = compute
        self.function_to_rule = function_to_rule
        self.join = join
        self.tensor_classes[:] = tensor_classes
        self.view_of_part = view_of_part
        self.warn = warn

    def __setattr__(self, name: str, value: object) -> None:
        assert not hasattr(self, name), f"the hook {name} is set once, at the end of composit/numpy/__init__.py"
        object.__setattr__(self, name, value)


hooks = Hooks()
