"""The curve of a training run as a picture."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path


def curve_file(text: str) -> Path:
    """Return an option's path of a picture that `draw_curve` can write: checked before anything is trained."""
    path = new_file(text)
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise argparse.ArgumentTypeError(
            "needs matplotlib, which is not installed: pip install composit[examples]"
        ) from error
    written = sorted(Figure().canvas.get_supported_filetypes())
    if path.suffix[1:].lower() not in written:
        raise argparse.ArgumentTypeError(
            f"{text} was given; expected a picture: a name that ends with .{', .'.join(written)}"
        )
    return path


def new_file(text: str) -> Path:
    """Return an option's path of a file to write, whose folder exists."""
    path = Path(text)
    if path.is_dir() or not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"{text} was given; expected a file in a folder that exists")
    return path


def draw_curve(losses: Sequence[float], path: Path) -> None:
    """Write the loss of each step as a picture; needs matplotlib."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.add_subplot(xlabel="step", ylabel="loss", yscale="log")
    axes.plot(range(1, len(losses) + 1), losses, linewidth=1)
    figure.savefig(path)
