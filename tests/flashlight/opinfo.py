"""torch's own samples of its operators (the OpInfo database of the torch package), captured by flashlight.

For each sample three things are compared with torch: the value by numpy alone, with torch forbidden to compute; the value on
other inputs, so that nothing which torch computed at the trace is a constant of the graph; the gradients by chain_rule.

    python -m tests.flashlight.opinfo [name ...] [most] [dtype=bfloat16]

prints what fails, and why; of at most so many samples of each entry, in a dtype of torch's where the entry has it.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import composit as cnp
import flashlight
from composit.nn import chain_rule
from composit.program import ancestors_in_order
from tests.composit.nn.opinfo import entries

Tensor = torch.Tensor


# Uninitialised memory has no value to compare.
WITHOUT_VALUES = {"empty", "empty_like", "new_empty", "new_empty_strided", "empty_strided", "empty_permuted"}
# torch's own errors are larger: J0(-5.01) is wrong in the seventh digit.
HALF_PRECISIONS = {torch.bfloat16: 2.0**-7, torch.float16: 2.0**-9}
PRECISIONS = {"special.bessel_j0": 1e-5, "special.bessel_y1": 1e-5}


class TorchIsForbidden(TorchDispatchMode):
    """Raises when torch computes anything."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten.detach.default:
            # The memory of an input is read.
            return func(*args, **(kwargs or {}))
        raise AssertionError(f"torch computed {func} while the graph was evaluated")


@dataclass
class Outcome:
    """What became of an entry's samples: how many there are, and what went wrong by the number of the sample."""

    count: int = 0
    values: dict[int, str] = field(default_factory=dict)
    gradients: dict[int, str] = field(default_factory=dict)


def run_entry(name: str, *, most: int | None = None, dtype: torch.dtype | None = None) -> Outcome:
    """Return the outcome of the first samples of an entry (all, unless `most` is given), in float64 where torch has it.

    dtype: another one; there are no samples where the entry does not have it
    """
    record, outcome = entries("")[name], Outcome()
    for number, sample in enumerate(samples_of(record, dtype)):
        if number == most:
            break
        outcome.count += 1
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            said, gradient = _compare(record, sample)
        if said:
            outcome.values[number] = said
        if gradient:
            outcome.gradients[number] = gradient
    return outcome


def samples_of(record: Any, dtype: torch.dtype | None = None) -> Iterator[Any]:
    """Return torch's samples of a record."""
    torch.manual_seed(0)
    kinds = record.supported_dtypes("cpu")
    preferred = (torch.float64, torch.float32, torch.int64, torch.complex64, *kinds)
    if dtype is None:
        dtype = next((kind for kind in preferred if kind in kinds), torch.float32)
    elif dtype not in kinds:
        return
    wants_gradient = record.supports_autograd and (dtype.is_floating_point or dtype.is_complex)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield from record.sample_inputs("cpu", dtype, requires_grad=wants_gradient)


def _compare(record: Any, sample: Any) -> tuple[str, str]:
    """Return what is wrong with values and with gradients, "" if nothing is."""
    arguments = (sample.input, *sample.args)
    torch.manual_seed(0)
    try:
        with flashlight.tracer.trace():
            # What an entry does with results before it compares them: signs of singular vectors, for example, are arbitrary.
            result = sample.output_process_fn_grad(record.op(*arguments, **sample.kwargs))
        # An output that no trace has seen is an input, returned as it is.
        outputs = [tensor for tensor in tensors_in(result) if hasattr(tensor, "__lazy_tensor__")]
        found = evaluated(outputs)
        if record.name in WITHOUT_VALUES:
            return "", ""
        said = differences("value", found, outputs, PRECISIONS.get(record.name))
        said = said or _fresh(record, sample, outputs)
        gradient = said or _gradients(tensors_in([arguments, sample.kwargs]), outputs)
    except Exception as error:  # noqa: BLE001 - whatever goes wrong is the outcome
        return f"{type(error).__name__}: {words_of(error)}"[:400], "no value"
    return said, gradient


def tensors_in(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return [tensor for part in value for tensor in tensors_in(part)]
    return []


def evaluated(outputs: Sequence[Tensor], inputs: Mapping[Tensor, Any] | None = None) -> list[Any]:
    if not outputs:
        return []
    with TorchIsForbidden():
        return [np.asarray(value) for value in cnp.evaluate(list(outputs), inputs=dict(inputs or {}))]


def differences(
    what: str, found: Sequence[Any], expected: Sequence[Tensor], given_precision: float | None = None
) -> str:
    for value, tensor in zip(found, expected, strict=True):
        part = numpy_of(tensor)
        if value.shape != part.shape or value.dtype != part.dtype:
            return f"{what}: {value.dtype}{value.shape} for {part.dtype}{part.shape}"
        precision = HALF_PRECISIONS.get(tensor.dtype) or given_precision or (1e-4 if part.dtype.char in "fF" else 1e-7)
        finite = np.abs(part[np.isfinite(part)]) if part.dtype.kind in "fc" else np.abs(part)
        scale = max(1.0, float(finite.max(initial=0)))
        if not np.allclose(value, part, rtol=precision, atol=precision * scale, equal_nan=True):
            return f"{what}: {_short(value)} for {_short(part)}"
    return ""


def numpy_of(tensor: Tensor) -> Any:
    own = tensor.detach().resolve_conj().resolve_neg()
    return (own.float() if own.dtype is torch.bfloat16 else own).numpy(force=True)


def words_of(error: Exception) -> str:
    """Return an error's message on one line."""
    return " ".join(str(error).split())


def _short(value: Any) -> str:
    return np.array2string(value.reshape(-1)[:6], precision=4).replace("\n", "")


def other_inputs(
    sample: Any, among: Mapping[Tensor, Any] | None = None
) -> tuple[tuple[Any, ...], dict[str, Any], dict[Tensor, Tensor]]:
    """Return other arguments and keywords of a sample, floats in reverse order, and the tensors that were replaced, by the old ones.

    among: the tensors to replace; None replaces all
    """
    changed: dict[Tensor, Tensor] = {}

    def other(value: Any) -> Any:
        if isinstance(value, Tensor):
            if not (value.is_floating_point() or value.is_complex()) or value.numel() < 2:
                return value
            if among is not None and value not in among:
                return value
            new = changed.get(value)
            if new is None:
                new = changed[value] = (
                    value.detach().flatten().flip(0).reshape(value.shape).requires_grad_(value.requires_grad)
                )
            return new
        if isinstance(value, list | tuple) and type(value) in (list, tuple):
            return type(value)(map(other, value))
        return value

    arguments = other((sample.input, *sample.args))
    return arguments, {key: other(value) for key, value in sample.kwargs.items()}, changed


def _fresh(record: Any, sample: Any, outputs: Sequence[Tensor]) -> str:
    """Compare on other inputs. Where torch refuses these, or shapes follow from values, nothing is compared."""
    arguments, keywords, changed = other_inputs(sample)
    torch.manual_seed(0)
    try:
        expected = tensors_in(sample.output_process_fn_grad(record.op(*arguments, **keywords)))
        expected = [tensor for tensor in expected if not any(tensor is given for given in changed.values())]
    except (RuntimeError, ValueError, IndexError):
        return ""
    if [tensor.shape for tensor in expected] != [tensor.shape for tensor in outputs]:
        return ""
    nodes = {id(node) for node in ancestors_in_order([flashlight.lazy_tensor(output).node for output in outputs])}
    traced = {old: new for old, new in changed.items() if hasattr(old, "__lazy_tensor__")}
    reached = {old: numpy_of(new) for old, new in traced.items() if id(flashlight.lazy_tensor(old).node) in nodes}
    if len(reached) < len(traced):
        # evaluate(..., inputs=) says of an input that nothing depends on it: an error, no wrong answer.
        return ""
    try:
        found = evaluated(outputs, reached)
    except cnp.errors.GuardError:
        return ""
    return differences("fresh", found, expected, PRECISIONS.get(record.name))


def _gradients(inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> str:
    # An input that is returned as it is has no graph.
    leaves = [tensor for tensor in inputs if tensor.requires_grad and tensor.is_leaf]
    wanted = [tensor for tensor in leaves if hasattr(tensor, "__lazy_tensor__")]
    reached = [tensor for tensor in outputs if tensor.requires_grad and not tensor.is_complex()]
    if not wanted or not reached:
        return ""
    generator = np.random.default_rng(0)
    weights = [np.asarray(generator.normal(size=tuple(each.shape))).astype(numpy_of(each).dtype) for each in reached]
    seeds = [torch.from_numpy(weight).to(each.dtype) for weight, each in zip(weights, reached, strict=True)]
    weights = [numpy_of(seed) for seed in seeds]
    given = torch.autograd.grad(reached, wanted, seeds, allow_unused=True, retain_graph=True)
    filled = [torch.zeros_like(x) if each is None else each for each, x in zip(given, wanted, strict=True)]
    cotangents = {tensor: cnp.asarray(weight) for tensor, weight in zip(reached, weights, strict=True)}
    try:
        gradients = chain_rule(cotangents, wanted, unreached="zeros")
        # By complex numbers torch's gradient is the conjugate of the derivative.
        found = [np.conj(value) if np.iscomplexobj(value) else np.asarray(value) for value in cnp.evaluate(gradients)]
    except Exception as error:  # noqa: BLE001 - whatever goes wrong is the outcome
        return f"{type(error).__name__}: {words_of(error)}"[:300]
    return differences("gradient", found, filled)


def main(names: Sequence[str], most: int | None = None, dtype: torch.dtype | None = None) -> None:
    """Print the outcome of the entries with these names, all if there are none."""
    good = with_gradients = 0
    chosen = [name for name in entries("") if not names or name in names]
    for name in chosen:
        outcome = run_entry(name, most=most, dtype=dtype)
        good += not outcome.values
        with_gradients += not outcome.gradients
        for what, failures in (("value", outcome.values), ("gradient", outcome.gradients)):
            if failures:
                number, said = next(iter(failures.items()))
                print(f"{what:8} {name} {len(failures)}/{outcome.count}: #{number} {said}", flush=True)
    print(f"{good} of {len(chosen)} entries by value, {with_gradients} by gradient")


if __name__ == "__main__":
    limits = [int(word) for word in sys.argv[1:] if word.isdigit()]
    kinds = [getattr(torch, word.removeprefix("dtype=")) for word in sys.argv[1:] if word.startswith("dtype=")]
    chosen = [word for word in sys.argv[1:] if not word.isdigit() and not word.startswith("dtype=")]
    main(chosen, *limits or [None], *kinds)
