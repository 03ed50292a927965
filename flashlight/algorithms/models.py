"""`convert`: a torch module as a `Model` that composit runs, with algorithms of the user's choice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import nn
from torch.utils import _pytree as pytree

from composit.backends import Explains, backend_with
from composit.errors import OperandError, ParameterError, ShapeError, UnsupportedOperationError
from composit.handle import described
from flashlight.algorithms.backends import BACKEND
from flashlight.algorithms.choices import Algorithms, chosen_algorithms
from flashlight.algorithms.input_shapes import checked_shape
from flashlight.captured.captured import MAX_PATHS, Captured

_ASKED = "convert"
OutType: TypeAlias = str | type[torch.Tensor] | type[np.ndarray[Any, Any]] | None


class Model:
    """A torch module that composit runs: what `convert` returns. It computes what the module would, without gradients.

    module:  the module. Its parameters are stored in programs; one that is written to by torch's operations, or replaced, makes the
             next call compile again. Writes that torch does not count (`parameter.data.mul_(2)`) are not seen: convert again
    """

    def __init__(
        self, module: nn.Module, algorithms: Mapping[str, Any], dtype: torch.dtype | None, backend: str
    ) -> None:
        self.module = module
        self._algorithms = dict(algorithms)
        self._dtype = dtype
        self._backend = backend
        self._captured = Captured(
            module, backend_with(backend, self._algorithms or None), MAX_PATHS, {}, has_constants=True
        )

    def __call__(self, *inputs: Any, **named: Any) -> Any:
        """Return the output as the input is: torch tensors, or numpy arrays where all inputs are arrays."""
        leaves = pytree.tree_leaves((inputs, named))
        is_numpy = not any(isinstance(each, torch.Tensor) for each in leaves) and any(map(_is_array, leaves))
        return self._predicted(inputs, named, np.ndarray if is_numpy else torch.Tensor)

    def predict(self, input: Any, out_type: OutType = None) -> Any:
        """Return the output for one input: a tensor, an array, or a nested list of numbers.

        out_type: torch.Tensor or "torch", which None stands for; numpy.ndarray or "numpy"

        Raises:  ParameterError: another type was asked for; and what the module raises for such an input
        """
        return self._predicted((input,), {}, _checked_type(out_type))

    def _predicted(self, inputs: tuple[Any, ...], named: dict[str, Any], out_type: type) -> Any:
        args, kwargs = pytree.tree_map(self._given, (inputs, named))
        traces = self._captured.traces
        with torch.no_grad():
            output = self._captured(*args, **kwargs)
        if self._captured.traces != traces:
            self._check_kept()
        return output if out_type is torch.Tensor else pytree.tree_map(_array, output)

    def _given(self, value: object) -> object:
        """Return an argument as the module takes it."""
        tensor = torch.from_numpy(np.ascontiguousarray(value)) if _is_array(value) else value
        if self._dtype is None or not isinstance(tensor, torch.Tensor) or not tensor.is_floating_point():
            return tensor
        return tensor.to(self._dtype)

    def _check_kept(self) -> None:
        """Raise where each call would run torch again: composit would compute nothing."""
        reason = self._captured.reasons[-1]
        if "is not kept" in reason:
            raise UnsupportedOperationError(
                f"{_ASKED}: {type(self.module).__name__} cannot run as a program: {reason}; expected a module that gives the same for the "
                "same input and changes nothing of its own; call model.eval() before, if it drops elements"
            )

    @property
    def num_programs(self) -> int:
        """How many programs are kept: one for each set of shapes and modes, and for each way that Python took through the module."""
        return self._captured.paths

    def explain(self) -> str:
        """Return which algorithm computes each operation of the program that ran last, and why.

        Raises:  ParameterError: nothing ran yet, or the backend says nothing
        """
        path = self._captured.latest_path
        if path is None:
            raise ParameterError(f"{_ASKED}: an explanation was asked for; expected a model that has run; call it once")
        run: Any = path.run  # Any: a prepared program, which may also explain
        if not isinstance(run, Explains):
            raise ParameterError(
                f"{_ASKED}: an explanation was asked for of backend={self._backend!r}, which gives none; expected 'mosaic'"
            )
        return run.explain(path.surroundings.labels)

    def __getstate__(self) -> dict[str, Any]:
        """Return the module and what was chosen; programs are made again where they are needed."""
        return {name: value for name, value in vars(self).items() if name != "_captured"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take the state of copy and pickle."""
        self.__init__(state["module"], state["_algorithms"], state["_dtype"], state["_backend"])  # type: ignore[misc]  # of this class

    def __repr__(self) -> str:
        chosen = ", ".join(f"{key!r}: {value!r:.40}" for key, value in self._algorithms.items())
        return f"<Model of {type(self.module).__name__}; algorithms {{{chosen}}}; {self.num_programs} programs>"


def convert(
    module: nn.Module,
    algorithms: Algorithms | None = None,
    sample_input_shape: Sequence[int] | None = None,
    *,
    dtype: torch.dtype | None = None,
    backend: str = BACKEND,
    algos: Algorithms | None = None,
) -> Model:
    """Return a model that computes what a torch module computes, all of it by composit: modules, functions, branches, any graph.

    The module is not changed; with `dtype` the model has a copy. A program is compiled for each new set of shapes, of which a bounded
    number is kept, with the parameters stored as it reads them: where they are written to by torch's operations, the next call compiles
    again, but writes that torch does not count (`parameter.data`) are not seen. Branches that depend on values are followed.

    algorithms: a mapping from operations (names, classes of modules) or names of modules (patterns such as "layer1.*") to algorithms: a
                name; a list with one per module, in the order of `module.named_modules()`; a function of a module, or of a module and
                the shape of its input. A name also holds for functions that are called inside of a forward. Where the model has no module
                of the operation, a list has one name per call in order, and a function gets the call (`occurrence.input_shape`).
                `algos` is another word for it
    sample_input_shape: of the module's input; given, the model is compiled for it at once, and functions get the shapes
    dtype:      torch.float32 or torch.float64 for parameters and floating inputs
    backend:    of `composit.evaluate`

    Raises:  ParameterError: an unknown operation or algorithm, or a list of another length; OperandError: no module, or a function that
             needs shapes without a sample; UnsupportedOperationError: an operation without a row in flashlight's table, at the call;
             UnsupportedAlgorithmError: an algorithm cannot take a shape, at the call
    Example:
        >>> import torch
        >>> module = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.ReLU()).eval()
        >>> model = convert(module, {"linear": "gemm"})
        >>> x = torch.ones(1, 3)
        >>> torch.allclose(model(x), module(x)), model.predict(x, out_type="numpy").shape
        (True, (1, 2))
    """
    if algorithms is not None and algos is not None:
        raise ParameterError(f"{_ASKED}: both algorithms and algos were given, which are one; expected one of them")
    if not isinstance(module, nn.Module):
        raise OperandError(
            f"{_ASKED}: {described(module)!s:.60} of type {type(module).__name__} was given as the module; expected a torch.nn.Module"
        )
    if dtype is not None:
        module = deepcopy(module).to(_checked_dtype(dtype))
    chosen = chosen_algorithms(module, algorithms if algos is None else algos, sample_input_shape, backend)
    model = Model(module, chosen, dtype, backend)
    if sample_input_shape is not None:
        _try(model, checked_shape(sample_input_shape, _ASKED))
    return model


def _try(model: Model, shape: tuple[int, ...]) -> None:
    """Compile the program for inputs of this shape."""
    floats = [each.dtype for each in model.module.parameters() if each.is_floating_point()]
    example = torch.zeros(shape, dtype=floats[0] if floats else torch.float32)
    try:
        model(example)
    except RuntimeError as error:
        if isinstance(error, UnsupportedOperationError | ParameterError):
            raise
        raise ShapeError(
            f"{_ASKED}: torch refuses an input of shape {shape} for {type(model.module).__name__}: "
            f"{str(error).strip().splitlines()[0]:.200}; expected a sample_input_shape that the module takes, with the "
            "batch where it takes batches"
        ) from error


def _checked_dtype(dtype: Any) -> torch.dtype:
    if dtype in (torch.float32, torch.float64):
        found: torch.dtype = dtype
        return found
    raise ParameterError(f"{_ASKED}: dtype={dtype!r:.40} was given; expected torch.float32 or torch.float64")


def _checked_type(out_type: OutType) -> type:
    if out_type is None or out_type == "torch" or out_type is torch.Tensor:
        return torch.Tensor
    if out_type == "numpy" or out_type is np.ndarray:
        return np.ndarray
    raise ParameterError(
        f"predict: out_type={out_type!r:.60} was given; expected torch.Tensor or 'torch', numpy.ndarray or 'numpy', or None for torch"
    )


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray | np.generic)


def _array(value: object) -> object:
    return value.numpy() if isinstance(value, torch.Tensor) else value
