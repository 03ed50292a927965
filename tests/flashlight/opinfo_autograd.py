"""torch's own samples of its operators, with autograd inside the trace: gradients are results of torch's backward operations.

For each sample, what `torch.autograd.grad` returned in the trace is evaluated by numpy, with torch forbidden to compute, on the
inputs of the trace and on other ones, and compared with torch's gradient there.

    python -m tests.flashlight.opinfo_autograd [name ...] [most] [dtype=complex128] [order=2]

prints what fails: "wrong" for a value, "error" for an error that names what is lacking.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

import composit as cnp
import flashlight
from composit.program import ancestors_in_order
from tests.composit.nn.opinfo import entries
from tests.flashlight.opinfo import (
    PRECISIONS,
    differences,
    evaluated,
    numpy_of,
    other_inputs,
    samples_of,
    tensors_in,
    words_of,
)

Tensor = torch.Tensor


@dataclass
class Outcome:
    """What became of an entry's samples: how many there are, which are wrong and which are errors, by the number of the sample."""

    count: int = 0
    fresh: int = 0
    wrong: dict[int, str] = field(default_factory=dict)
    errors: dict[int, str] = field(default_factory=dict)


def run_entry(name: str, *, most: int | None = None, dtype: torch.dtype | None = None, order: int = 1) -> Outcome:
    """Return the outcome of the first samples of an entry (all, unless `most` is given). order: 2 for second derivatives"""
    record, outcome = entries("")[name], Outcome()
    for number, sample in enumerate(samples_of(record, dtype)):
        if number == most:
            break
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            _run_sample(record, sample, number, outcome, order)
    return outcome


def _run_sample(record: Any, sample: Any, number: int, outcome: Outcome, order: int) -> None:
    arguments = (sample.input, *sample.args)
    try:
        eager = _run(record, sample, arguments, sample.kwargs, order)
    except RuntimeError:
        if order == 1:
            raise
        # torch has no second derivative of some operations.
        return
    if eager is None:
        return
    outcome.count += 1
    try:
        with flashlight.tracer.trace():
            traced = _run(record, sample, arguments, sample.kwargs, order)
        assert traced is not None
        own = _with_graph(traced.gradients)
        theirs = [new for old, new in zip(traced.gradients, eager.gradients, strict=True) if _has_graph(old)]
        said = differences("value", evaluated(own), theirs, PRECISIONS.get(record.name))
        said = said or _fresh(record, sample, traced, outcome, order)
    except Exception as error:  # noqa: BLE001 - whatever goes wrong is the outcome
        outcome.errors[number] = f"{type(error).__name__}: {words_of(error)}"[:400]
        return
    if said:
        outcome.wrong[number] = said


@dataclass(frozen=True, slots=True)
class _Results:
    """What an operator returned, and torch's gradients of all tensors that require one."""

    values: list[Tensor]
    gradients: list[Tensor]


def _run(record: Any, sample: Any, arguments: Any, keywords: Any, order: int) -> _Results | None:
    """Return the results, None where nothing has a gradient."""
    torch.manual_seed(0)
    wanted = [tensor for tensor in tensors_in([arguments, keywords]) if tensor.requires_grad and tensor.is_leaf]
    results = tensors_in(sample.output_process_fn_grad(record.op(*arguments, **keywords)))
    given: Sequence[Tensor | None] = results
    for number in range(order):
        reached = [tensor for tensor in given if tensor is not None and tensor.requires_grad]
        if not wanted or not reached:
            return None
        seeds = [seed(tensor, 10 * number + place) for place, tensor in enumerate(reached)]
        given = torch.autograd.grad(reached, wanted, seeds, allow_unused=True, create_graph=number + 1 < order)
    return _Results(results, [torch.zeros(()) if each is None else each for each in given])


def seed(tensor: Tensor, number: int) -> Tensor:
    """Return a cotangent of a tensor. number: another one for each"""
    values = np.random.default_rng(number).normal(size=(2, *tensor.shape))
    return torch.tensor(values[0] + 1j * values[1] if tensor.is_complex() else values[0]).to(tensor.dtype)


def _has_graph(tensor: Tensor) -> bool:
    """Return whether a trace has made the tensor, or taken it in."""
    return hasattr(tensor, "__lazy_tensor__")


def _with_graph(tensors: Sequence[Tensor]) -> list[Tensor]:
    return [tensor for tensor in tensors if _has_graph(tensor)]


def _fresh(record: Any, sample: Any, traced: _Results, outcome: Outcome, order: int) -> str:
    """Compare on other inputs. Where torch refuses these, or a guard does, nothing is compared."""
    own, values = _with_graph(traced.gradients), _with_graph(traced.values)
    nodes = {id(node) for node in ancestors_in_order([flashlight.lazy_tensor(each).node for each in own + values])}
    _, _, changed = other_inputs(sample)
    known = [old for old in changed if _has_graph(old)]
    # Of an input that nothing depends on evaluate(..., inputs=) says so, which is no wrong answer: it stays as it is.
    reached = {old: changed[old] for old in known if id(flashlight.lazy_tensor(old).node) in nodes}
    arguments, keywords, reached = other_inputs(sample, reached)
    try:
        expected = _run(record, sample, arguments, keywords, order)
    except (RuntimeError, ValueError, IndexError):
        return ""
    if expected is None or [each.shape for each in expected.gradients] != [each.shape for each in traced.gradients]:
        return ""
    theirs = [new for old, new in zip(traced.gradients, expected.gradients, strict=True) if _has_graph(old)]
    try:
        found = evaluated(own + values, {old: numpy_of(new) for old, new in reached.items()})
    except cnp.errors.GuardError:
        return ""
    outcome.fresh += 1
    return differences("fresh", found[: len(own)], theirs, PRECISIONS.get(record.name))


def main(names: Sequence[str], most: int | None = None, dtype: torch.dtype | None = None, order: int = 1) -> None:
    """Print the outcome of the entries with these names, all if there are none."""
    counts = {"wrong": 0, "errors": 0, "good": 0, "none": 0}
    # Entries of the jiterator need a GPU.
    chosen = [name for name in entries("") if name in (names or entries("")) and not name.startswith("jiterator")]
    for name in [name for name in chosen if order == 1 or entries("")[name].supports_gradgrad]:
        outcome = run_entry(name, most=most, dtype=dtype, order=order)
        for what, failures in (("wrong", outcome.wrong), ("errors", outcome.errors)):
            if failures:
                counts[what] += 1
                number, said = next(iter(failures.items()))
                print(f"{what:6} {name} {len(failures)}/{outcome.count}: #{number} {said}", flush=True)
        if not outcome.count:
            counts["none"] += 1
        elif not outcome.wrong and not outcome.errors:
            counts["good"] += 1
            if not outcome.fresh:
                print(f"stale  {name}: no sample on other inputs", flush=True)
    print(counts)


if __name__ == "__main__":
    limits = [int(word) for word in sys.argv[1:] if word.isdigit()]
    kinds = [getattr(torch, word.removeprefix("dtype=")) for word in sys.argv[1:] if word.startswith("dtype=")]
    orders = [int(word.removeprefix("order=")) for word in sys.argv[1:] if word.startswith("order=")]
    chosen = [word for word in sys.argv[1:] if not word.isdigit() and "=" not in word]
    main(chosen, *limits or [None], *kinds or [None], *orders)
