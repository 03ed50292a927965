"""The kernels that the suite measures: each a small torch module with its operands, at the sizes of the table, or at random ones.

Every peer that takes torch modules gets the module; jax, numba and C have their own words for each kind of kernel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from benchmarks.contest import Bound
from benchmarks.module_workload import Built


@dataclass(frozen=True, slots=True)
class Kernel:
    """A kernel of a kind at a size: the sizes mean what `_BUILDERS` says of the kind."""

    kind: str
    sizes: tuple[int, ...]
    bound: Bound
    prefix: str = ""

    @property
    def name(self) -> str:
        """Kind and sizes, after a prefix for those drawn at random."""
        return f"{self.prefix}{self.kind} {'x'.join(map(str, self.sizes))}"

    @property
    def tolerance(self) -> float:
        """Rounding of sums in float32, as a part of the largest output."""
        return 2e-5

    def built(self) -> Built:
        """Return the module and its operands, the same in every process."""
        torch.manual_seed(0)
        return _BUILDERS[self.kind](*self.sizes)


@dataclass(frozen=True, slots=True)
class Workload:
    """A kernel and a number of threads."""

    kernel: Kernel
    num_threads: int
    onnx_path: Path | None = None

    def exported(self, path: Path | None) -> Workload:
        """Return the same workload with the path of its exported module."""
        return replace(self, onnx_path=path)

    def built(self) -> Built:
        """Return the module in evaluation mode, and its inputs; torch has as many threads as we are given."""
        torch.set_num_threads(self.num_threads)
        module, inputs = self.kernel.built()
        return module.eval(), inputs


class _Function(nn.Module):
    """A function of tensors as a module."""

    def __init__(self, function: Callable[..., torch.Tensor]) -> None:
        super().__init__()
        self._function = function

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        return self._function(*inputs)


class _FirstOutput(nn.Module):
    """A module of whose outputs the first is kept."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, given: torch.Tensor) -> torch.Tensor:
        output: torch.Tensor = self.module(given)[0]
        return output


def _product(rows: int, depth: int, columns: int) -> Built:
    """Both operands are inputs: nothing can be packed beforehand."""
    return _Function(torch.matmul), (torch.randn(rows, depth), torch.randn(depth, columns))


def _linear(rows: int, depth: int, columns: int) -> Built:
    """The weights are constant."""
    return nn.Linear(depth, columns), (torch.randn(rows, depth),)


def _softmax(rows: int, columns: int) -> Built:
    return nn.Softmax(-1), (torch.randn(rows, columns),)


def _layer_norm(rows: int, columns: int) -> Built:
    module = nn.LayerNorm(columns)
    nn.init.normal_(module.weight)
    nn.init.normal_(module.bias)
    return module, (torch.randn(rows, columns),)


def _gelu_erf(count: int) -> Built:
    return nn.GELU(), (3 * torch.randn(count),)


def _gelu_tanh(count: int) -> Built:
    return nn.GELU("tanh"), (3 * torch.randn(count),)


def chain_of_8(x: torch.Tensor) -> torch.Tensor:
    """Eight elementwise operations: multiply, add, relu, multiply, subtract, absolute value, square root, multiply."""
    y = functional.relu(x * 1.5 + 0.25)
    return torch.sqrt(torch.abs(y * 0.75 - x)) * 2.0


def _chain(count: int) -> Built:
    return _Function(chain_of_8), (torch.randn(count),)


def _column_sum(rows: int, columns: int) -> Built:
    return _Function(lambda x: x.sum(0)), (torch.randn(rows, columns),)


def _lstm(batch: int, length: int, width: int) -> Built:
    """One layer, as many features as hidden values; all hidden states come back."""
    return _FirstOutput(nn.LSTM(width, width)), (torch.randn(length, batch, width),)


_BUILDERS: Mapping[str, Callable[..., Built]] = {
    "product": _product,
    "linear": _linear,
    "softmax": _softmax,
    "layer norm": _layer_norm,
    "gelu erf": _gelu_erf,
    "gelu tanh": _gelu_tanh,
    "chain of 8": _chain,
    "column sum": _column_sum,
    "lstm": _lstm,
}

_NUM_ELEMENTS = 10_000_000
_PRODUCTS, _ROWWISE, _ELEMENTWISE = Bound(1.05, 1.00), Bound(1.05, 0.80), Bound(1.00, 0.75)


def cases() -> Iterator[Kernel]:
    """The kernels of the table, then a few drawn at random."""
    for length in (512, 1024, 2048):
        yield Kernel("product", (length, length, length), _PRODUCTS)
    for rows in (1, 32):
        yield Kernel("linear", (rows, 768, 3072), _PRODUCTS)
        yield Kernel("product", (rows, 768, 3072), _PRODUCTS)
    yield Kernel("softmax", (4096, 1024), _ROWWISE)
    yield Kernel("layer norm", (4096, 768), _ROWWISE)
    for kind in ("gelu erf", "gelu tanh", "chain of 8"):
        yield Kernel(kind, (_NUM_ELEMENTS,), _ELEMENTWISE)
    yield Kernel("column sum", (4096, 1024), Bound(1.05, 1.00))
    yield Kernel("lstm", (1, 100, 256), Bound(0.90, 0.60))
    yield Kernel("lstm", (16, 100, 256), Bound(1.05, 0.92))
    yield from random_cases()


def random_cases(seed: int = 0, number: int = 3) -> Iterator[Kernel]:
    """Kernels of sizes that nothing was tuned for, so many of each kind; none may take 1.3 times the fastest peer's time."""
    generator = np.random.default_rng(seed)
    bound = Bound(1.3)

    def length(low: int, high: int) -> int:
        return round(float(np.exp(generator.uniform(np.log(low), np.log(high)))))

    for _ in range(number):
        for kind in ("product", "linear"):
            yield Kernel(kind, (length(1, 1000), length(20, 2000), length(20, 2000)), bound, "random ")
        for kind in ("softmax", "layer norm", "column sum"):
            yield Kernel(kind, (length(50, 5000), length(20, 3000)), bound, "random ")
        for kind in ("gelu erf", "gelu tanh", "chain of 8"):
            yield Kernel(kind, (length(10_000, 5_000_000),), bound, "random ")
        yield Kernel("lstm", (length(1, 32), length(5, 100), length(32, 400)), bound, "random ")
