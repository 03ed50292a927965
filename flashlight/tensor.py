"""`lazy_tensor`: from what torch code returned to what composit knows of it. May import composit."""

from __future__ import annotations

from typing import Any

from composit.containers import flatten
from composit.errors import OperandError
from composit.handle import described


def lazy_tensor(output: Any) -> Any:  # Any: torch tensors in containers of any kind, and lazy tensors in the same
    """Return the lazy tensor that a torch tensor carries; of a container (a ModelOutput, a dict), the same of lazy tensors.

    Raises:  OperandError: nothing in it was seen by a trace; StaleTensorError: torch wrote to it after its trace
    """
    handles, rebuild = flatten(output)
    if not handles:
        raise OperandError(
            f"lazy_tensor: {described(output):.80} of type {type(output).__name__} carries no lazy tensor; expected a tensor that was "
            "computed or used inside flashlight.tracer.trace(), or a container of such; run the model inside a trace"
        )
    return rebuild(handles)
