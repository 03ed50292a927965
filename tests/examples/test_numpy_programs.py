"""Ordinary numpy programs, with only the import changed: numpy's results, numpy's output, small graphs, few evaluations.

Each program runs twice from the same source: with numpy in the place of composit.numpy, and as it is.
"""

import contextlib
import importlib.util
import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from composit.evaluation import evaluate
from composit.handle import TensorHandle
from composit.node import Node
from composit.program import count_evaluations

PROGRAMS = Path(__file__).resolve().parents[2] / "examples" / "numpy_programs"
THE_IMPORT = "import composit.numpy as np\n"


@dataclass(frozen=True, slots=True)
class Bounds:
    """The most that a program may cost.

    nodes:       of the graph of all its results together
    evaluations: runs of programs that it causes, by printing, by conditions and by functions that run at the call
    reason:      what the numbers come from
    """

    nodes: int
    evaluations: int
    reason: str


BOUNDS = {
    "fft_filter": Bounds(110, 10, "six results of one signal; the places of peaks, and what is printed"),
    "game_of_life": Bounds(2000, 8, "40 nodes for each of 40 generations; the last picture, and what is printed"),
    "gauss_elimination": Bounds(1000, 75, "40 nodes per column or row; each pivot decides where Python goes on"),
    "gradient_descent": Bounds(8000, 12, "300 steps and 160 batches of 15 nodes; what is printed"),
    "heat_equation": Bounds(10500, 1850, "353 sweeps of 26 nodes; in each two masks, two maxima and a condition"),
    "image_convolution": Bounds(90, 12, "six results of one picture; what is drawn and printed"),
    "kmeans": Bounds(140, 22, "two rounds; in each a condition, and the members of four clusters"),
    "mandelbrot": Bounds(750, 65, "50 iterations of 13 nodes; in each a mask that decides a shape"),
    "monte_carlo": Bounds(140, 15, "six results; what is printed"),
    "n_body": Bounds(2900, 12, "60 steps of 40 nodes; what is printed"),
    "pagerank": Bounds(1450, 75, "57 rounds, each a condition; a walk of 200 steps, whose places are known at the end"),
    "percolation": Bounds(1200, 530, "21 blocks, each until the water stands still: a condition per round"),
    "primes": Bounds(1800, 500, "500 slices; conditions on numbers one by one"),
    "principal_components": Bounds(120, 8, "six results of one decomposition; what is printed"),
    "sudoku": Bounds(
        1500, 7800, "1070 sets of candidates: three set functions, and what they look at of a grid that changes"
    ),
    "word_histogram": Bounds(180, 30, "six results; what is printed, and the letters of a text, one array each time"),
    "working_days": Bounds(120, 35, "six results; masks, and each day that is printed"),
}


@dataclass(frozen=True, slots=True)
class Run:
    """What a program returned and printed."""

    results: dict[str, Any]
    printed: str


def _run(name: str, source: str) -> Run:
    spec = importlib.util.spec_from_loader(name, loader=None)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    exec(compile(source, f"{name}.py", "exec"), vars(module))
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        results = vars(module)["main"]()
    return Run(results, printed.getvalue())


def _source_of(name: str) -> str:
    return (PROGRAMS / f"{name}.py").read_text()


def _leaves(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [leaf for part in value.values() for leaf in _leaves(part)]
    return [value]


def _nodes_of(results: dict[str, Any]) -> set[Node]:
    tensors = [leaf for leaf in _leaves(results) if isinstance(leaf, TensorHandle)]
    return {node for tensor in tensors for node in tensor.graph}


def _assert_same(name: str, given: Any, expected: Any) -> None:
    if isinstance(expected, dict):
        assert list(given) == list(expected), name
        for key, value in expected.items():
            _assert_same(f"{name}[{key!r}]", given[key], value)
    elif isinstance(expected, np.ndarray | np.generic):
        assert isinstance(given, TensorHandle), f"{name} is a {type(given)}"
        assert given.type.is_scalar == isinstance(expected, np.generic), name
        value = evaluate(given)
        assert (value.dtype, value.shape) == (expected.dtype, expected.shape), name
        np.testing.assert_array_equal(value, expected, err_msg=name, strict=True)
    else:
        assert type(given) is type(expected), name
        assert given == expected, name


def test_every_program_has_its_bounds() -> None:
    assert sorted(path.stem for path in PROGRAMS.glob("*.py")) == sorted(BOUNDS)


@pytest.mark.parametrize("name", BOUNDS)
def test_only_the_import_is_ours(name: str) -> None:
    source = _source_of(name)
    assert THE_IMPORT in source
    assert not re.search(r"\bcomposit\b", source.replace(THE_IMPORT, ""))
    assert 50 <= source.count("\n") <= 300


@pytest.mark.parametrize("name", BOUNDS)
def test_a_program_gives_numpys_results_and_prints_them(name: str) -> None:
    source = _source_of(name)
    expected = _run(name, source.replace(THE_IMPORT, "import numpy as np\n"))
    bounds = BOUNDS[name]
    with count_evaluations() as count:
        given = _run(name, source)
    assert given.printed == expected.printed
    assert count.runs <= bounds.evaluations
    assert len(_nodes_of(given.results)) <= bounds.nodes
    _assert_same(name, given.results, expected.results)
