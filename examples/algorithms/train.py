"""A model whose convolutions were swapped is trained as any model of torch is.

python -m examples.algorithms.train [STEPS]
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import torch
from torch.nn import functional

import flashlight
from examples.algorithms.networks import classifier


def pictures(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return pictures of noise in which one quarter is brighter, and which quarter that is; (count, 3, 16, 16), (count,)."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(count, 3, 16, 16, generator=generator)
    quarters = torch.randint(4, (count,), generator=generator)
    for picture, quarter in zip(x, quarters.tolist(), strict=True):
        row, column = 8 * (quarter // 2), 8 * (quarter % 2)
        picture[:, row : row + 8, column : column + 8] += 1
    return x, quarters


def main(arguments: Sequence[str] | None = None) -> tuple[float, float]:
    """Train, print the loss, and return the share of new pictures that are recognised before and after."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    num_steps = int(given[0]) if given else 60
    model = classifier()
    flashlight.swap_conv2d(model)
    flashlight.swap_operation("linear", model)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    before = _accuracy(model)
    for step in range(num_steps):
        x, quarters = pictures(32, seed=step)
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(x), quarters)
        loss.backward()
        optimizer.step()
        if step % 20 == 0:
            print(f"step {step}: loss {loss:.3f}")
    after = _accuracy(model)
    print(f"recognised: {before:.0%} before, {after:.0%} after {num_steps} steps")
    return before, after


def _accuracy(model: torch.nn.Module) -> float:
    x, quarters = pictures(32, seed=-1)
    with torch.no_grad():
        return float((model(x).argmax(1) == quarters).float().mean())


if __name__ == "__main__":
    main()
