"""torch's own samples of its operators (the OpInfo database of the torch package), run through functions of composit.nn.

A row of `ADAPTERS` calls our function with the arguments of torch's, whose tensors are ours already. Samples are drawn by torch.
"""

from __future__ import annotations

import sys
import types
import unittest
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch

import composit as cnp
from composit.nn import chain_rule

Adapter = Callable[..., Any]  # of torch's positional and keyword arguments, the tensors among them ours
FIRST = 4  # samples of an entry that each run takes: many entries have no more


@cache
def entries(prefix: str = "nn.functional.") -> dict[str, Any]:
    """Return torch's records of operators by name, without the prefix; a variant's name follows behind a bar.

    Records that have no dtype on the CPU are left out.
    """
    # torch's test suite needs this package for golden texts, of which samples have none.
    stand_in = types.ModuleType("expecttest")
    stand_in.TestCase = unittest.TestCase  # type: ignore[attr-defined]
    is_absent = sys.modules.setdefault("expecttest", stand_in) is stand_in
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from torch.testing._internal.common_methods_invocations import op_db
    finally:
        if is_absent:
            del sys.modules["expecttest"]
    found = [record for record in op_db if record.name.startswith(prefix) and record.supported_dtypes("cpu")]
    return {f"{each.name.removeprefix(prefix)}|{each.variant_test_name}".rstrip("|"): each for each in found}


@dataclass(frozen=True, slots=True)
class Result:
    """How many samples of an entry ran, and for each that failed its number and what went wrong."""

    count: int
    failures: dict[int, str]


def run_entry(name: str, adapter: Adapter, *, gradients: bool, one_in: int = 1) -> Result:
    """Return the result of an entry's samples in float64: the first few, and of the others one in so many."""
    failures: dict[int, str] = {}
    count = 0
    for number, sample in enumerate(_samples(name, gradients)):
        if number >= FIRST and number % one_in:
            continue
        count += 1
        said = _compare(entries()[name], sample, adapter, gradients)
        if said:
            failures[number] = said
    return Result(count, failures)


def _samples(name: str, requires_grad: bool) -> Iterator[Any]:
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        record = entries()[name]
        known = record.supported_dtypes("cpu")
        dtype = next(each for each in (torch.float64, torch.complex128, torch.int64) if each in known)
        yield from record.sample_inputs("cpu", dtype, requires_grad=requires_grad and dtype != torch.int64)


def _compare(record: Any, sample: Any, adapter: Adapter, gradients: bool) -> str:
    """Return what is wrong, "" if nothing is."""
    pairs: list[tuple[torch.Tensor, Any]] = []

    def ours(value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            tensor = cnp.asarray(value.detach().resolve_conj().numpy().copy())
            pairs.append((value, tensor))
            return tensor
        if isinstance(value, list | tuple):
            return type(value)(map(ours, value)) if type(value) in (list, tuple) else tuple(map(ours, value))
        return value

    arguments = ours((sample.input, *sample.args)), {key: ours(value) for key, value in sample.kwargs.items()}
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        torch.manual_seed(0)
        expected = _parts(record.op(sample.input, *sample.args, **sample.kwargs))
        try:
            torch.manual_seed(42)  # torch's records seed before each draw, and adapters let torch draw the same mask
            found = _parts(adapter(*arguments[0], **arguments[1]))
            said = _differences("value", found, expected)
            return said or (_compare_gradients(pairs, found, expected) if gradients else "")
        except (ValueError, TypeError, IndexError, NotImplementedError, ArithmeticError, AttributeError) as error:
            return f"{type(error).__name__}: {error}"


def _compare_gradients(pairs: list[tuple[torch.Tensor, Any]], found: list[Any], expected: list[torch.Tensor]) -> str:
    wanted = [(theirs, ours) for theirs, ours in pairs if theirs.requires_grad]
    outputs = [(ours, theirs) for ours, theirs in zip(found, expected, strict=True) if theirs.requires_grad]
    if not wanted or not outputs:
        return ""
    generator = np.random.default_rng(0)
    weights = [np.asarray(generator.normal(size=theirs.shape)) for _, theirs in outputs]
    cotangents = {ours: cnp.asarray(weight) for (ours, _), weight in zip(outputs, weights, strict=True)}
    given = torch.autograd.grad(
        [theirs for _, theirs in outputs],
        [theirs for theirs, _ in wanted],
        list(map(torch.tensor, weights)),
        allow_unused=True,
    )
    gradients = chain_rule(cotangents, [ours for _, ours in wanted], unreached="zeros")
    filled = [torch.zeros_like(x) if each is None else each for each, (x, _) in zip(given, wanted, strict=True)]
    return _differences("gradient", gradients, filled)


def _differences(what: str, found: list[Any], expected: list[torch.Tensor]) -> str:
    if len(found) != len(expected):
        return f"{what}: {len(found)} results for {len(expected)}"
    for ours, theirs in zip(found, expected, strict=True):
        value, part = np.asarray(cnp.evaluate(ours)), theirs.detach().numpy()
        if value.shape != part.shape:
            return f"{what}: shape {value.shape} for {part.shape}"
        scale = max(1.0, float(np.abs(part[np.isfinite(part)]).max(initial=0)))
        tolerance = 1e-10 if what == "value" else 1e-7
        if not np.allclose(value, part, rtol=tolerance, atol=tolerance * scale, equal_nan=True):
            return f"{what}: differs by {np.nanmax(np.abs(value - part)):.3g}"
    return ""


def _parts(result: Any) -> list[Any]:
    return list(result) if isinstance(result, tuple | list) else [result]
