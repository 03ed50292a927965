"""Second derivatives by `chain_rule` of captured operators, for torch's own samples (OpInfo), compared with torch's double backward.

    python -m tests.flashlight.opinfo_second_order [name ...] [most]

prints what fails: "wrong" for a value, "error" for an error that names what is lacking.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

import composit as cnp
import composit.numpy as numpy
import flashlight
from composit.nn import chain_rule
from tests.composit.nn.opinfo import entries
from tests.flashlight.opinfo import differences, evaluated, samples_of, tensors_in, words_of
from tests.flashlight.opinfo_autograd import Outcome, seed
from tests.flashlight.opinfo_exceptions import WITHOUT_SECOND_IN_TORCH

Tensor = torch.Tensor


def run_entry(name: str, *, most: int | None = None) -> Outcome:
    """Return the outcome of the first samples of an entry (all, unless `most` is given)."""
    record, outcome = entries("")[name], Outcome()
    for number, sample in enumerate(samples_of(record)):
        if number == most:
            break
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            _run_sample(name, record, sample, number, outcome)
    return outcome


def _run_sample(name: str, record: Any, sample: Any, number: int, outcome: Outcome) -> None:
    arguments = (sample.input, *sample.args)
    wanted = [tensor for tensor in tensors_in([arguments, sample.kwargs]) if tensor.requires_grad and tensor.is_leaf]
    torch.manual_seed(0)
    try:
        with flashlight.tracer.trace():
            results = tensors_in(sample.output_process_fn_grad(record.op(*arguments, **sample.kwargs)))
        outputs = [each for each in results if each.requires_grad and not each.is_complex()]
        if not wanted or not outputs or any(each.is_complex() for each in wanted):
            return
        seeds = [seed(each, place) for place, each in enumerate(outputs)]
        try:
            given = torch.autograd.grad(outputs, wanted, seeds, allow_unused=True, create_graph=True)
            followed = [place for place, each in enumerate(given) if each is not None and each.requires_grad]
            if not followed:
                return
            again = [seed(wanted[place], 10 + place) for place in followed]
            expected = torch.autograd.grad([given[place] for place in followed], wanted, again, allow_unused=True)
        except RuntimeError as error:
            if name in WITHOUT_SECOND_IN_TORCH and WITHOUT_SECOND_IN_TORCH[name] in str(error):
                return
            raise
        outcome.count += 1
        filled = [torch.zeros_like(x) if each is None else each for each, x in zip(expected, wanted, strict=True)]
        cotangents = {each: cnp.asarray(weight.numpy()) for each, weight in zip(outputs, seeds, strict=True)}
        first = chain_rule(cotangents, wanted, unreached="zeros")
        total = sum(numpy.sum(first[place] * weight.numpy()) for place, weight in zip(followed, again, strict=True))
        found = evaluated(chain_rule({total: total}, wanted, unreached="zeros"))
        said = differences("second", found, filled)
    except Exception as error:  # noqa: BLE001 - whatever goes wrong is the outcome
        outcome.errors[number] = f"{type(error).__name__}: {words_of(error)}"[:400]
        return
    if said:
        outcome.wrong[number] = said


def main(names: Sequence[str], most: int | None = None) -> None:
    """Print the outcome of the entries with these names, all that torch can derive twice if there are none."""
    counts = {"wrong": 0, "errors": 0, "good": 0, "none": 0}
    for name, record in entries("").items():
        if (names and name not in names) or not record.supports_gradgrad or name.startswith("jiterator"):
            continue
        outcome = run_entry(name, most=most)
        for what, failures in (("wrong", outcome.wrong), ("errors", outcome.errors)):
            if failures:
                counts[what] += 1
                number, said = next(iter(failures.items()))
                print(f"{what:6} {name} {len(failures)}/{outcome.count}: #{number} {said}", flush=True)
        if not outcome.wrong and not outcome.errors:
            counts["good" if outcome.count else "none"] += 1
    print(counts)


if __name__ == "__main__":
    limits = [int(word) for word in sys.argv[1:] if word.isdigit()]
    main([word for word in sys.argv[1:] if not word.isdigit()], *limits)
