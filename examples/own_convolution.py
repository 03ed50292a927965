"""A convolution of one's own in C: registered, compared with numpy on random shapes, and used in a torch model by its name.

    python examples/own_convolution.py --cases 20

The C is in own_convolution.c; docs/own_algorithms.md says what a function is given.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import composit.numpy as cnp
import mosaic
from composit.operation import Operation, TensorType

SOURCE = Path(__file__).with_name("own_convolution.c")


def planes(operation: Operation, operand_types: Sequence[TensorType], types: Sequence[TensorType]) -> int:
    """Return how many calls share a convolution: up to 8."""
    batch, outputs = types[0].shape[:2]
    return max(1, min(8, batch * outputs))


OWN = mosaic.c_algorithm(
    "conv2d",
    "line by line",
    SOURCE,
    {"float32": "own_convolution_float", "float64": "own_convolution_double"},
    num_parts=planes,
    summary="a line of results in a buffer, one filter tap after the other",
)


def main(arguments: list[str] | None = None) -> None:
    """Check the algorithm, and run two layers with it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cases", type=int, default=20, help="random shapes to compare with numpy")
    options = parser.parse_args(arguments)
    print(mosaic.check_algorithm(OWN, num_cases=options.cases))

    rng = np.random.default_rng(0)
    image = cnp.asarray(rng.normal(size=(1, 3, 16, 16)).astype("float32"))
    with cnp.name_scope("first"):
        hidden = cnp.nn.relu(cnp.nn.convolution(image, rng.normal(size=(4, 3, 3, 3)).astype("float32")))
    with cnp.name_scope("second"):
        output = cnp.nn.convolution(hidden, rng.normal(size=(2, 4, 3, 3)).astype("float32"))

    model = mosaic.compile(output, inputs=[image], algorithms={"first": OWN.name})
    value = model(cnp.evaluate(image))
    print("largest difference from numpy", float(np.max(np.abs(value - cnp.evaluate(output)))))
    print(*[line for line in model.explain().splitlines() if "line by line" in line][:1])


if __name__ == "__main__":
    main()
