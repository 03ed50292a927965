"""Second derivatives of products at indices, where factors are 0, against finite differences."""

from collections.abc import Sequence

import numpy as np
import pytest

import composit.numpy as cnp
from composit.nn.operations.scattering import scatter_reduce

PLACES = np.array([0, 0, 1, 1, 1, 2, 3, 5, 5])
WEIGHTS = np.arange(1.0, 7.0)


def gradients(x: np.ndarray, source: np.ndarray) -> list[cnp.ndarray]:
    """The gradients of the weighted sum of the products, as graphs that lead to `x` and `source` first."""
    operands = [cnp.asarray(x), cnp.asarray(source)]
    product = scatter_reduce(operands[0], PLACES, operands[1], 0, reduction="prod")
    return [*operands, *cnp.chain_rule({product: WEIGHTS}, operands)]


@pytest.mark.parametrize("zeros", [([], []), ([1], []), ([], [3]), ([1], [3]), ([1], [3, 4]), ([0, 5], [7])], ids=str)
def test_the_second_derivative_of_a_product_sees_factors_of_zero(zeros: tuple[Sequence[int], Sequence[int]]) -> None:
    rng = np.random.default_rng(0)
    x, source, *directions = (rng.normal(size=size) for size in (6, 9, 6, 9))
    x[list(zeros[0])], source[list(zeros[1])] = 0, 0
    *operands, of_x, of_source = gradients(x, source)
    second = cnp.evaluate(*cnp.chain_rule({of_x: directions[0], of_source: directions[1]}, operands))

    def along(flat: np.ndarray) -> float:
        found = cnp.evaluate(*gradients(flat[:6], flat[6:])[2:])
        return float(sum(np.sum(each * direction) for each, direction in zip(found, directions, strict=True)))

    at, step = np.concatenate([x, source]), 1e-6 * np.eye(15)
    expected = [(along(at + each) - along(at - each)) / 2e-6 for each in step]
    np.testing.assert_allclose(np.concatenate(second), expected, rtol=1e-7, atol=1e-7)
