"""`check` tries one case: captured, right by numpy alone, right on other inputs, right when compiled."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import composit as cnp
import mosaic
from composit.errors import CompositError, GuardError
from flashlight.tracer import trace
from tests.flashlight.zoo.case import Case


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a case.

    stage:   where it stopped, "" where all went well
    reason:  the message, or the difference
    islands: names of the operations that numpy runs inside the compiled program
    """

    name: str
    stage: str = ""
    reason: str = ""
    is_guarded: bool = False
    islands: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return not self.stage


class _Forbidden(TorchDispatchMode):
    """Lets torch compute nothing, so that a graph that asks torch is found out."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        raise AssertionError(f"torch computed {func} while numpy was to compute alone")


@contextmanager
def _quiet() -> Iterator[None]:
    with torch.no_grad(), warnings.catch_warnings(), np.errstate(all="ignore"):
        # What the libraries themselves warn of is not ours to test.
        warnings.simplefilter("ignore")
        yield


def tensors_in(value: Any, path: str = "") -> dict[str, torch.Tensor]:
    """Return the tensors in containers and in attributes of objects, by path."""
    if isinstance(value, torch.Tensor):
        return {path: value}
    if isinstance(value, Mapping):
        children = list(value.items())
    elif isinstance(value, list | tuple):
        children = list(enumerate(value))
    elif hasattr(value, "__dict__") and not callable(value):
        children = list(vars(value).items())
    else:
        return {}
    found: dict[str, torch.Tensor] = {}
    for key, child in children:
        found |= tensors_in(child, f"{path}.{key}")
    return found


def array_of(tensor: torch.Tensor) -> Any:
    """Return the tensor's value as graphs have it: bfloat16 as float32."""
    tensor = tensor.resolve_conj().resolve_neg()
    return (tensor.float() if tensor.dtype is torch.bfloat16 else tensor).numpy()


def inputs_of(case_inputs: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """Return the tensors among the inputs of a call."""
    return tensors_in(dict(case_inputs))


def check(case: Case, compiled: bool = False) -> Outcome:
    """Return what becomes of a case."""
    with _quiet():
        torch.manual_seed(0)
        program = case.build()
        given = program.inputs(torch.Generator().manual_seed(1))
        torch.manual_seed(7)
        expected = tensors_in(_call(program.function, given))
        if not expected:
            return Outcome(case.name, "program", "no tensor is among the outputs, so nothing would be compared")
        given = program.inputs(torch.Generator().manual_seed(1))
        torch.manual_seed(7)
        try:
            with trace():
                outputs = tensors_in(_call(program.function, given))
        except Exception as error:  # noqa: BLE001  # each is what the zoo looks for
            return Outcome(case.name, "capture", _text(error))
        difference = _difference(expected, {path: array_of(t) for path, t in outputs.items()}, case.tolerance)
        if difference:
            return Outcome(case.name, "torch inside the trace", difference)
        return _evaluated(case, program, given, outputs, expected, compiled)


def _call(function: Any, given: Mapping[str, Any]) -> Any:
    return function(**given)


def _evaluated(case: Case, program: Any, given: Any, outputs: Any, expected: Any, compiled: bool) -> Outcome:
    stage = "numpy"
    islands: tuple[str, ...] = ()
    try:
        with _Forbidden():
            values = cnp.evaluate(outputs)
        difference = _difference(expected, values, case.tolerance)
        if difference:
            return Outcome(case.name, stage, difference)
        stage = "fresh"
        other = program.inputs(torch.Generator().manual_seed(2))
        mapping = _replacements(outputs, inputs_of(given), inputs_of(other))
        torch.manual_seed(7)
        wanted = tensors_in(_call(program.function, program.inputs(torch.Generator().manual_seed(2))))
        is_guarded = False
        try:
            with _Forbidden():
                values = cnp.evaluate(outputs, inputs=mapping)
            difference = _difference(wanted, values, case.tolerance)
            if difference:
                return Outcome(case.name, stage, difference)
        except GuardError as error:
            is_guarded = True
            if 'File "' not in str(error):
                return Outcome(case.name, stage, f"a guard without a line: {_text(error)}")
        if compiled:
            stage = "mosaic"
            keys = list(mapping)
            model = mosaic.compile(outputs, inputs=keys)
            islands = _islands(model)
            # A program may write to its inputs: the model is given what they were before.
            paths = {tensor: path for path, tensor in inputs_of(given).items()}
            unwritten = inputs_of(program.inputs(torch.Generator().manual_seed(1)))
            difference = _difference(
                expected, model(*(array_of(unwritten[paths[key]]) for key in keys)), case.tolerance
            )
            if not difference and not is_guarded:
                difference = _difference(wanted, model(*mapping.values()), case.tolerance)
            if difference:
                return Outcome(case.name, stage, difference)
    except Exception as error:  # noqa: BLE001  # as above
        return Outcome(case.name, stage, _text(error))
    return Outcome(case.name, is_guarded=is_guarded, islands=islands)


def _islands(model: Any) -> tuple[str, ...]:
    lines = [line for line in model.explain().splitlines() if ": numpy island" in line]
    return tuple(line.split()[1].rsplit("/", 1)[-1] for line in lines)


def _replacements(outputs: Any, given: Mapping[str, torch.Tensor], other: Mapping[str, torch.Tensor]) -> Any:
    """Return the new arrays of the inputs that some output depends on."""
    found = {}
    for path, tensor in given.items():
        array = array_of(other[path])
        if not np.array_equal(array_of(tensor), array, equal_nan=True) and _reaches(tensor, outputs):
            found[tensor] = array
    return found


def _reaches(tensor: torch.Tensor, outputs: Any) -> bool:
    try:
        cnp.evaluate(outputs, inputs={tensor: array_of(tensor)})
    except cnp.errors.UnreachedInputError:
        return False
    except CompositError:
        return True
    return True


def _difference(expected: Mapping[str, Any], values: Mapping[str, Any], tolerance: float) -> str:
    if expected.keys() != values.keys():
        return f"outputs {sorted(values)} in place of {sorted(expected)}"
    for path, tensor in expected.items():
        want, got = array_of(tensor), np.asarray(values[path])
        if want.shape != got.shape or want.dtype != got.dtype:
            return f"{path}: {got.dtype}{list(got.shape)} in place of {want.dtype}{list(want.shape)}"
        if want.dtype.kind in "biu":
            if not np.array_equal(want, got):
                return f"{path}: {np.mean(want != got):.3g} of the integers differ"
            continue
        scale = np.max(np.abs(want), where=np.isfinite(want), initial=0.0)
        if not np.allclose(got, want, rtol=0, atol=tolerance * max(float(scale), 1e-3), equal_nan=True):
            return f"{path}: differs by {np.nanmax(np.abs(got - want)):.3g} at a scale of {scale:.3g}"
    return ""


def _text(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}"


def operation_in(reason: str) -> str:
    """Return the torch operation that a message names, else its beginning."""
    found = re.search(r"(?:torch called|the row of) (\S+)", reason) or re.search(r"\b((?:aten|prims)\.\w+)", reason)
    return found[1] if found else reason[:100]
