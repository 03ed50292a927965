"""Reductions of which threads share the parts, as text, and which ones stay whole."""

import pytest

import composit.numpy as cnp
from tests.mosaic.passes.test_stages import around, doubles, text


def test_split_reductions_makes_parts_that_threads_can_share() -> None:
    x = doubles(1 << 18)
    before, after = around("split_reductions", x.sum(), [x])
    assert before == text(
        """
        temporary_0[] = add over [262144] of input_0[262144]
        return temporary_0[]
        """
    )
    assert after == text(
        """
        temporary_1[128] = add over [2048] of input_0[128, 2048]
        temporary_0[] = add over [128] of temporary_1[128]
        return temporary_0[]
        """
    )


def test_split_reductions_divides_sums_of_few_long_columns_and_finishes_them_late() -> None:
    x = doubles(4096, 64)
    _, after = around("split_reductions", [x.sum(axis=0), cnp.max(x, axis=0), x.sum(axis=0) * 2], [x])
    assert after == text(
        """
        temporary_3[64, 16 by 1, 64] = add over [256] of input_0[64, 16, 256 by 1, 16384, 64]
        temporary_4[64, 16 by 1, 64] = maximum over [256] of input_0[64, 16, 256 by 1, 16384, 64]
        temporary_0[64] = add over [16] of temporary_3[64, 16 by 1, 64]
        temporary_1[64] = maximum over [16] of temporary_4[64, 16 by 1, 64]
        temporary_2[64] = multiply(temporary_0[64], 2.0)
        return temporary_0[64], temporary_1[64], temporary_2[64]
        """
    )


@pytest.mark.parametrize(("shape", "axis"), [((100, 64), 0), ((4096, 300), 0), ((64, 4096), 1)])
def test_sums_that_are_short_or_have_tasks_enough_stay_whole(shape: tuple[int, ...], axis: int) -> None:
    x = doubles(*shape)
    before, after = around("split_reductions", x.sum(axis=axis), [x])
    assert before == after
