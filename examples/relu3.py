"""A smooth ReLU as people write it, with `if`: its C, its derivative, its time beside torch's vectorised form, and a network with it.

    python -m examples.relu3 [--elements 1000000] [--steps 60] [--plot relu3.png]

relu3(x) is 0 below 0, x ** 3 / 3 below 1, and x - 2 / 3 from there on.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from statistics import median
from time import perf_counter

import numpy as np
import torch

import composit.numpy as cnp
import mosaic
from composit.kernels import register


@register
def relu3(x: float) -> float:
    """Return the smooth ReLU of a number."""
    if x < 0.0:
        return 0.0
    if x < 1.0:
        return x**3 / 3.0
    return x - 2.0 / 3.0


def relu3_pytorch(x: torch.Tensor) -> torch.Tensor:
    """Return the same in torch's vectorised form, which computes all branches."""
    return torch.where(x < 0, 0 * x, torch.where(x < 1, x**3 / 3, x - 2 / 3))


def median_seconds(functions: Sequence[Callable[[], object]], num_rounds: int = 11) -> list[float]:
    """Return the median time of each function; they take turns, so that a busy machine slows all of them."""
    times: list[list[float]] = [[] for _ in functions]
    for _ in range(num_rounds):
        for function, own in zip(functions, times, strict=True):
            started = perf_counter()
            function()
            own.append(perf_counter() - started)
    return [median(own[1:]) for own in times]


def compare(num_elements: int) -> tuple[float, float]:
    """Return the times of torch's form and of the compiled kernel, in seconds, of the same array."""
    x = np.random.default_rng(0).normal(size=num_elements).astype(np.float32)
    operand, given = cnp.asarray(x), torch.from_numpy(x)
    model, out = mosaic.compile(relu3(operand), inputs=[operand]), np.empty_like(x)
    model(x, out=[out])
    np.testing.assert_allclose(out, relu3_pytorch(given).numpy(), rtol=1e-5, atol=1e-6)
    by_torch, by_mosaic = median_seconds([lambda: relu3_pytorch(given), lambda: model(x, out=[out])])
    return by_torch, by_mosaic


def train(num_steps: int) -> tuple[float, float]:
    """Return the loss of a network with the kernel in it, before and after training: it learns the product of two numbers."""
    torch.manual_seed(0)
    layers = (
        torch.nn.Linear(4, 32),
        torch.nn.BatchNorm1d(32),
        relu3.nnModule,
        torch.nn.Dropout(0.1),
        torch.nn.Linear(32, 1),
    )
    network = torch.nn.Sequential(*layers)
    x = torch.randn(256, 4)
    target = x[:, :1] * x[:, 1:2]
    optimizer = torch.optim.Adam(network.parameters(), lr=0.02)
    losses = []
    for _ in range(num_steps):
        optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(network(x), target)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses[0], losses[-1]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print all of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--elements", type=int, default=1_000_000, help="of the arrays that are timed")
    parser.add_argument("--steps", type=int, default=60, help="of training")
    parser.add_argument("--plot", help="file for a picture of value and derivative")
    options = parser.parse_args(arguments)
    print(relu3.c_text("float32"))
    print(relu3.derivative_source)
    by_torch, by_mosaic = compare(options.elements)
    print(f"{options.elements} elements: torch {by_torch * 1e3:.2f} ms, the kernel {by_mosaic * 1e3:.2f} ms")
    before, after = train(options.steps)
    print(f"a network with it: loss {before:.3f} -> {after:.3f}")
    if options.plot:
        relu3.plot(-1, 2).savefig(options.plot)
        print(f"picture in {options.plot}")


if __name__ == "__main__":
    main()
