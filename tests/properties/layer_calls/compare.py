"""Compares random calls: numpy's results with torch's, and mosaic's with numpy's. Results are values, first and second derivatives."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

import composit as cnp
import mosaic
from composit.nn import chain_rule
from tests.properties.layer_calls.case import Array, Case, layouts_of

# Relative to the largest element. Second derivatives of float32 lose about half of the digits where terms cancel.
_MOSAIC_TOLERANCE = {"float64": (1e-11, 1e-10, 1e-9), "float32": (3e-5, 2e-4, 2e-3)}
_TORCH_TOLERANCE = (1e-10, 1e-7, 1e-6)
_ORDERS = ("value", "first derivative", "second derivative")


@dataclass(frozen=True, slots=True)
class Built:
    """One call as a graph: its inputs, and what is computed of them, by order of the derivative."""

    inputs: list[Any]
    results: list[Any]
    orders: list[int]


def _parts(result: Any) -> list[Any]:
    return list(result) if isinstance(result, tuple | list) else [result]


def _weights(number: int, shape: Sequence[int], dtype: Any) -> Array:
    """Cotangents, which must be the same for ours and torch's."""
    return np.asarray(np.random.default_rng([number, *shape]).uniform(0.5, 1.5, size=tuple(shape))).astype(dtype)


def built(case: Case, arrays: Sequence[Array], *, second: bool = True) -> Built:
    """Return the graph of a call with its derivatives; the sums of the first ones are differentiated again."""
    inputs = [cnp.asarray(array) for array in arrays]
    seen = [operand.seen.ours(x) for operand, x in zip(case.operands, inputs, strict=True)]
    values = _parts(case.ours(*seen))
    results, orders = list(values), [0] * len(values)
    free = [x for x, operand in zip(inputs, case.operands, strict=True) if operand.is_free and x.dtype.kind == "f"]
    outputs = {
        y: cnp.asarray(_weights(number, y.shape, y.dtype)) for number, y in enumerate(values) if y.dtype.kind == "f"
    }
    gradients = chain_rule(outputs, free, unreached="zeros") if free else []
    results += gradients
    orders += [1] * len(gradients)
    if case.smooth and second and free:
        # One sum: two gradients may be one tensor, which could be a key of a dictionary only once.
        total = sum(cnp.sum(g * _weights(9 + number, g.shape, g.dtype)) for number, g in enumerate(gradients))
        further = chain_rule({total: total}, free, unreached="zeros")
        results += further
        orders += [2] * len(further)
    return Built(inputs, results, orders)


def by_torch(case: Case, arrays: Sequence[Array]) -> list[Array]:
    """Return the same results by torch; second derivatives that it lacks are missing."""
    assert case.theirs is not None
    inputs = [torch.tensor(np.array(array)) for array in arrays]
    free = [
        x.requires_grad_()
        for x, operand in zip(inputs, case.operands, strict=True)
        if operand.is_free and x.is_floating_point()
    ]
    seen = [operand.seen.theirs(x) for operand, x in zip(case.operands, inputs, strict=True)]
    values = _parts(case.theirs(*seen))
    results = [y.detach().numpy() for y in values]
    if not free:
        return results
    outputs = [(number, y) for number, y in enumerate(values) if y.requires_grad]
    gradients = _gradients(outputs, free, second=case.smooth)
    results += [g.detach().numpy() for g in gradients]
    if case.smooth:
        again = [(9 + number, g) for number, g in enumerate(gradients) if g.requires_grad]
        try:
            results += [g.detach().numpy() for g in _gradients(again, free, second=False)]
        except (RuntimeError, NotImplementedError) as error:
            if "derivative" not in str(error) and "not implemented" not in str(error):
                raise
    return results


def _gradients(outputs: list[tuple[int, Any]], free: list[Any], *, second: bool) -> list[Any]:
    if not outputs:
        return [torch.zeros_like(x) for x in free]
    cotangents = [torch.tensor(_weights(number, y.shape, y.detach().numpy().dtype)) for number, y in outputs]
    given = torch.autograd.grad([y for _, y in outputs], free, cotangents, create_graph=second, allow_unused=True)
    return [torch.zeros_like(x) if g is None else g for g, x in zip(given, free, strict=True)]


def difference(found: Any, expected: Any, tolerance: float, *, types: bool = True) -> str:
    """Return what differs, "" if nothing does."""
    value, other = np.asarray(found), np.asarray(expected)
    if value.shape != other.shape:
        return f"shape {value.shape} for {other.shape}"
    if types and value.dtype != other.dtype:
        return f"dtype {value.dtype} for {other.dtype}"
    if value.dtype.kind != "f":
        return "" if np.array_equal(value, other) else f"{(value != other).sum()} integers differ"
    finite = np.abs(other[np.isfinite(other)])
    scale = max(1.0, float(finite.max(initial=0)))
    with np.errstate(all="ignore"):
        if np.allclose(value, other, rtol=tolerance, atol=tolerance * scale, equal_nan=True):
            return ""
        wrong = ~np.isclose(value, other, rtol=tolerance, atol=tolerance * scale, equal_nan=True)
    first = tuple(int(place) for place in np.argwhere(wrong)[0])
    return f"{wrong.sum()} of {wrong.size} differ, at {first} {value[first]!r} for {other[first]!r}"


def against_torch(case: Case, seed: int) -> list[str]:
    """Return where the numpy backend parts from torch in float64."""
    arrays = case.arrays(seed, "float64")
    with quiet():
        graph = built(case, arrays)
        found = cnp.evaluate(graph.results)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns of grids of one element, and of sizes that differ
        expected = by_torch(case, arrays)
    return [
        f"numpy {_ORDERS[order]}: {said}"
        for value, other, order in zip(found, expected, graph.orders, strict=False)
        if (said := difference(value, other, _TORCH_TOLERANCE[order], types=False))
    ]


def quiet() -> Any:
    return np.errstate(all="ignore")


@dataclass(frozen=True, slots=True)
class Batch:
    """Several calls in one compiled program, with arrays of two draws for each."""

    cases: Sequence[Case]
    dtype: str
    seed: int
    target: str | None = None

    def differences(self) -> Iterator[tuple[int, str]]:
        """Yield the number of a call and what is wrong with it, -1 for all of them."""
        drawn = [[case.arrays(seed, self.dtype) for case in self.cases] for seed in (self.seed, self.seed + 1)]
        with quiet():
            graphs = [[built(case, arrays) for case, arrays in zip(self.cases, each, strict=True)] for each in drawn]
            expected = [cnp.evaluate([graph.results for graph in each]) for each in graphs]
        inputs = [x for graph in graphs[0] for x in graph.inputs]
        # Inputs that nothing depends on are returned as they are.
        outputs = {"results": [graph.results for graph in graphs[0]], "given": inputs}
        model = mosaic.compile(outputs, inputs=inputs, target=self.target, num_threads=1)
        if "numpy island" in model.explain():
            lines = [line for line in model.explain().splitlines() if "island" in line]
            yield -1, f"islands: {lines[:3]}"
        flat = [[array for arrays in each for array in arrays] for each in drawn]
        with quiet():
            yield from self._compare(model, flat, expected, graphs[0])
            yield from self._threads(outputs, inputs, flat[0], model)

    def _compare(
        self, model: Any, flat: list[list[Array]], expected: list[Any], graphs: list[Built]
    ) -> Iterator[tuple[int, str]]:
        first = model(*flat[0])["results"]
        second = model(*map(_laid_out, range(len(flat[1])), flat[1]))["results"]
        third = model(*flat[0])["results"]
        for number, (graph, one, other, again) in enumerate(zip(graphs, first, second, third, strict=True)):
            for place, order in enumerate(graph.orders):
                tolerance = _MOSAIC_TOLERANCE[self.dtype][order]
                for name, value, wanted in (
                    ("mosaic", one[place], expected[0][number][place]),
                    ("mosaic, other arrays", other[place], expected[1][number][place]),
                ):
                    said = difference(value, wanted, tolerance)
                    if said:
                        yield number, f"{name} {self.dtype} {_ORDERS[order]} {place}: {said}"
                if np.asarray(one[place]).tobytes() != np.asarray(again[place]).tobytes():
                    yield number, f"mosaic {self.dtype} {_ORDERS[order]} {place}: a later run has other bits"

    def _threads(self, outputs: Any, inputs: Any, flat: list[Array], model: Any) -> Iterator[tuple[int, str]]:
        other = mosaic.compile(outputs, inputs=inputs, target=self.target, num_threads=2)
        one, two = model(*flat)["results"], other(*flat)["results"]
        for number, (first, second) in enumerate(zip(one, two, strict=True)):
            for place, (value, again) in enumerate(zip(first, second, strict=True)):
                if np.asarray(value).tobytes() != np.asarray(again).tobytes():
                    yield number, f"mosaic {self.dtype} result {place}: two threads have other bits than one"


def _laid_out(number: int, array: Array) -> Array:
    layouts = list(layouts_of(array).values())
    return layouts[number % len(layouts)]
