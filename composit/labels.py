"""Names that people give to tensors: labels in pictures, errors and tables, not part of an expression's identity."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composit.errors import OperandError
from composit.handle import TensorHandle, described, make_tensor
from composit.node import check_label, relabelled
from composit.storage import View, share, storage_of, view_of

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor


def with_name(tensor: TensorHandle, name: str) -> LazyTensor:
    """Return the same tensor under a name: a label for pictures, errors and tables, no part of its identity.

    The two share memory, as two names of one array do: what is written to one is seen in the other.

    Example:
        >>> import composit.numpy as cnp
        >>> cnp.with_name(cnp.ones((2, 3)), "weight").name
        'weight'

    Raises:  OperandError: the first argument is no tensor; ParameterError: the second is no string
    """
    handle = _handle_to_name(tensor, name)
    result = labelled(handle, name)
    if not handle._type.is_scalar:
        view = view_of(handle)
        share(result, View(handle, ()) if view is None else View(view.root(), view.steps, view.via))
        storage_of(result).add(result)
    return result


def labelled(tensor: TensorHandle, name: str) -> LazyTensor:
    """Return a tensor that nobody else holds under a name, as `zeros(3, name="weight")` does. Raises what `with_name` does."""
    handle = _handle_to_name(tensor, name)
    return make_tensor(relabelled(handle.node, name), handle.output_index)


def _handle_to_name(tensor: TensorHandle, name: str) -> TensorHandle:
    protocol = getattr(tensor, "__lazy_tensor__", None)
    if protocol is None:
        raise OperandError(
            f"with_name: {described(tensor):.80} of type {type(tensor).__name__} was to be called {name!r:.40}; expected a tensor; "
            "make it one with asarray first"
        )
    check_label("with_name", name)
    handle: TensorHandle = protocol()
    return handle
