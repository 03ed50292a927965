"""Programs that run once: the textbook programs of `examples/`, and the small loops that they are made of.

A case is a function `run(np, size)` that takes composit.numpy or numpy and returns arrays by name.
"""

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

TEXTBOOK = Path(__file__).resolve().parents[1] / "examples" / "numpy_programs" / "textbook"

# Any, everywhere here: `np` is one of two modules, and the results are tensors or arrays.
Program = Callable[[Any, int], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class FirstCase:
    """A program, the size that is measured, and a small one that loads what is loaded when first used."""

    name: str
    run: Program
    size: int
    small_size: int


@cache
def textbook_cases() -> tuple[FirstCase, ...]:
    """The programs of `examples/numpy_programs/textbook`, by name."""
    return tuple(_textbook_case(path) for path in sorted(TEXTBOOK.glob("*.py")))


def _textbook_case(path: Path) -> FirstCase:
    spec = importlib.util.spec_from_file_location(f"textbook_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return FirstCase(path.stem, module.run, module.SIZE, module.SMALL_SIZE)


def _add_numbers(np: Any, size: int) -> Mapping[str, Any]:
    x = np.array([1.0, 2.0, 3.0, 4.0])
    for _ in range(size):
        x = x + 1.0
    return {"x": x}


def _add_arrays(np: Any, size: int) -> Mapping[str, Any]:
    x, y = np.array([1.0, 2.0, 3.0, 4.0]), np.array([0.5, 0.25, 0.125, 1.0])
    for _ in range(size):
        x = x + y
    return {"x": x}


def _add_in_place(np: Any, size: int) -> Mapping[str, Any]:
    x, y = np.zeros(4), np.array([0.5, 0.25, 0.125, 1.0])
    for _ in range(size):
        x += y
    return {"x": x}


def _add_to_elements(np: Any, size: int) -> Mapping[str, Any]:
    side = 32
    a, v = np.zeros((side, side)), np.linspace(0.0, 1.0, side)
    for k in range(size):
        a[k % side, k // side % side] += v[k % side]
    return {"a": a}


def _write_rows(np: Any, size: int) -> Mapping[str, Any]:
    a, v = np.zeros((size, 4)), np.array([1.0, 2.0, 3.0, 4.0])
    for k in range(size):
        a[k] = v * 2.0
    return {"a": a}


def _read_elements(np: Any, size: int) -> Mapping[str, Any]:
    a = np.linspace(0.0, 1.0, size)
    total = 0.0
    for k in range(size):
        total += float(a[k])
    return {"total": np.array(total)}


def _write_then_read(np: Any, size: int) -> Mapping[str, Any]:
    a = np.zeros(64)
    for k in range(size):
        a[k % 64] = k
        if a[k % 64] < 0:
            break
    return {"a": a}


def _recurrence(np: Any, size: int) -> Mapping[str, Any]:
    a = np.zeros(size)
    for k in range(1, size):
        a[k] = 0.5 * a[k - 1] + 1.0
    return {"a": a}


# The sizes of the chains are those that the issue names.
LOOPS = tuple(
    FirstCase(name, run, size, 50)
    for name, run, size in (
        ("x = x + 1.0, 1,000 times", _add_numbers, 1000),
        ("x = x + 1.0, 10,000 times", _add_numbers, 10_000),
        ("x = x + 1.0, 100,000 times", _add_numbers, 100_000),
        ("x = x + y, 10,000 times", _add_arrays, 10_000),
        ("x += y, 10,000 times", _add_in_place, 10_000),
        ("a[i, j] += v[k], 10,000 times", _add_to_elements, 10_000),
        ("a[k] = v * 2.0, 10,000 times", _write_rows, 10_000),
        ("a[k] = f(a[k-1]), 40,000 times", _recurrence, 40_000),
        ("float(a[k]), 10,000 times", _read_elements, 10_000),
        ("a[i] = k; if a[i] < 0, 10,000 times", _write_then_read, 10_000),
    )
)


def named_case(name: str) -> FirstCase:
    """The case of that name, from either table."""
    return {case.name: case for case in (*textbook_cases(), *LOOPS)}[name]
