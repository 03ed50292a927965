"""Reductions of which threads share the parts, as text."""

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
