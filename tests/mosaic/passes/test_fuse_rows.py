"""How much one group takes in: the compiler's time for a function grows with its loops, so a group holds few of them."""

from collections.abc import Callable

import pytest

import composit as cnp
import mosaic

Step = Callable[[cnp.LazyTensor], cnp.LazyTensor]


def _chain(step: Step, length: int) -> mosaic.CompiledModel:
    x = cnp.ones((32, 32), dtype="float32")
    result = x
    for _ in range(length):
        result = step(result)
    return mosaic.compile(result, inputs=[x])


@pytest.mark.parametrize(
    "step",
    [
        lambda x: x + cnp.sum(x),
        lambda x: x + cnp.max(x, axis=1, keepdims=True),
        lambda x: x + cnp.argmax(x).astype("float32"),
        lambda x: x - cnp.argmin(x, axis=1, keepdims=True).astype("float32"),
    ],
)
def test_the_c_of_a_chain_of_reductions_does_not_grow_with_the_chain(step: Step) -> None:
    # Equal kernels are emitted once; what is left for each step is its launch.
    short, long = (_chain(step, length) for length in (16, 64))
    assert len(long.kernels) > len(short.kernels)
    assert len(long.source) < 2 * len(short.source)


def test_a_softmax_stays_in_one_kernel() -> None:
    def softmax(x: cnp.LazyTensor) -> cnp.LazyTensor:
        exponentials = cnp.exp(x - cnp.max(x, axis=-1, keepdims=True))
        return exponentials / cnp.sum(exponentials, axis=-1, keepdims=True)

    assert len(_chain(softmax, 1).kernels) == 1
