"""Ordinary numpy programs, with only the import changed: numpy's results, numpy's output, small graphs, few evaluations.

Each program runs twice from the same source: with numpy in the place of composit.numpy, and as it is.
"""

import contextlib
import importlib.util
import io
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
    "fft_filter": Bounds(110, 60, "four results of one signal"),
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
    assert "composit" not in source.replace(THE_IMPORT, "")
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
