"""The curve of a training run as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def draw_curve(losses: Sequence[float], path: Path) -> None:
    """Write the loss of each step as a picture; needs matplotlib."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.add_subplot(xlabel="step", ylabel="loss", yscale="log")
    axes.plot(range(1, len(losses) + 1), losses, linewidth=1)
    figure.savefig(path)
