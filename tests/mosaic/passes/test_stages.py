"""What each pass does, as text: the program before it and after it, on the smallest program that it changes."""

from textwrap import dedent
from typing import Any

import numpy as np

import composit.numpy as cnp
import mosaic
from composit.nn.operations import convolution
from tests.mosaic.test_fusion import softmax

PASSES = [
    "fold_constants",
    "lower_program",
    "remove_unused",
    "read_before_updates",
    "inline_elementwise",
    "choose_output_layouts",
    "write_as_read",
    "order_axes",
    "exchange_products",
    "split_reductions",
    "fuse_epilogues",
    "fuse_rows",
    "fuse_attention",
    "join_column_reductions",
    "remove_fences",
    "store_panels",
    "store_filters",
    "store_constants",
    "write_in_place",
    "schedule",
    "pass_by_caches",
    "split_regions",
    "assign_memory",
    "emit_module",
]


def doubles(*shape: int) -> Any:
    return cnp.asarray(np.zeros(shape))


def around(name: str, outputs: Any, inputs: list[Any], **options: Any) -> tuple[str, str]:
    """The program before a pass and after it."""
    stages = mosaic.stages(outputs, inputs=inputs, target="x86-64-v3", **options)
    (place,) = [place for place, stage in enumerate(stages) if stage.name == name]
    return stages[place - 1].text, stages[place].text


def text(lines: str) -> str:
    return dedent(lines).strip()


def test_every_pass_is_shown_once_in_the_order_of_the_pipeline() -> None:
    x = doubles(2, 3)
    stages = mosaic.stages(x + 1, inputs=[x])
    assert [stage.name for stage in stages] == PASSES
    assert [name for name, _ in stages] == PASSES


def test_without_fusion_the_passes_that_fuse_are_left_out() -> None:
    x = doubles(2, 3)
    names = [stage.name for stage in mosaic.stages(x + 1, inputs=[x], fuse=False)]
    joining = {"inline_elementwise", "split_reductions", "fuse_epilogues", "fuse_attention", "join_column_reductions"}
    ordering = {"choose_output_layouts", "write_as_read", "exchange_products", "order_axes"}
    assert names == [name for name in PASSES if name not in joining | ordering]


def test_a_stage_prints_its_name_and_its_program() -> None:
    x = doubles(2)
    stage = mosaic.stages(x + 1, inputs=[x])[0]
    assert (
        str(stage)
        == "# fold_constants\n%0 = input() : float64[2]\n%1 = 1() : int64[]\n%2 = add(%0, %1) : float64[2]\nreturn %2.0"
    )


def test_the_last_stage_is_the_c_that_is_compiled() -> None:
    x = doubles(2, 3)
    assert mosaic.stages(x + 1, inputs=[x])[-1].text == mosaic.compile(x + 1, inputs=[x]).source


def test_fold_constants_computes_what_no_input_decides() -> None:
    x = doubles(2)
    stage = mosaic.stages(x + (1 - doubles(2)) * 3, inputs=[x])[0]
    assert stage.text == text(
        """
        %0 = input() : float64[2]
        %1 = 1() : int64[]
        %2 = constant : float64[2]
        %3 = constant : float64[2]
        %4 = 3() : int64[]
        %5 = constant : float64[2]
        %6 = add(%0, %5) : float64[2]
        return %6.0
        """
    )


def test_lower_program_writes_statements_over_views() -> None:
    x, w = doubles(2, 3), doubles(3, 4)
    before, after = around("lower_program", (x[::-1].max(axis=0) + 1) @ w, [x, w])
    assert before.splitlines()[1] == "%1 = getitem(%0) : float64[2, 3]"
    assert after == text(
        """
        temporary_0[3] = maximum over [2] of input_0[3, 2 by 1, -3 from 3]
        temporary_1[3] = add(temporary_0[3], 1.0)
        temporary_2[1, 4] = temporary_1[1, 3] @ input_1[3, 4]
        return temporary_2[4]
        """
    )


def test_remove_unused_drops_what_no_output_reads() -> None:
    x = doubles(2, 3)
    before, after = around("remove_unused", cnp.where(cnp.full((2, 3), True), x + 1, cnp.exp(x)), [x])
    assert before == text(
        """
        temporary_0[2, 3] = add(input_0[2, 3], 1.0)
        temporary_1[2, 3] = exp(input_0[2, 3])
        return temporary_0[2, 3]
        """
    )
    assert after == text(
        """
        temporary_0[2, 3] = add(input_0[2, 3], 1.0)
        return temporary_0[2, 3]
        """
    )


def test_read_before_updates_moves_a_read_before_the_write_that_ends_what_it_reads() -> None:
    x, places = doubles(2, 3), cnp.asarray(np.array([False, True]))
    a = x * 2
    first = a[0].sum()
    a[places] = 5
    before, after = around("read_before_updates", [a[1].sum() + a, first], [x])
    assert before == text(
        """
        temporary_0[2, 3] = multiply(input_0[2, 3], 2.0)
        temporary_1[2, 3] = numpy(temporary_0[2, 3], 5[], constant_0[2])  # places that a mask chooses have no lowering to C
        temporary_2[] = add over [3] of temporary_1[3 by 1 from 3]
        temporary_3[2, 3] = add(temporary_2[2, 3 by 0, 0], temporary_1[2, 3])
        temporary_4[] = add over [3] of temporary_0[3 by 1]
        return temporary_3[2, 3], temporary_4[]
        """
    )
    assert after == text(
        """
        temporary_0[2, 3] = multiply(input_0[2, 3], 2.0)
        temporary_4[] = add over [3] of temporary_0[3 by 1]
        temporary_1[2, 3] = numpy(temporary_0[2, 3], 5[], constant_0[2])  # places that a mask chooses have no lowering to C
        temporary_2[] = add over [3] of temporary_1[3 by 1 from 3]
        temporary_3[2, 3] = add(temporary_2[2, 3 by 0, 0], temporary_1[2, 3])
        return temporary_3[2, 3], temporary_4[]
        """
    )


def test_inline_elementwise_puts_expressions_into_the_expressions_that_read_them() -> None:
    x = doubles(3, 2)
    before, after = around("inline_elementwise", cnp.exp(x.T + 1).sum(), [x])
    assert before == text(
        """
        temporary_0[2, 3] = add(input_0[2, 3 by 1, 2], 1.0)
        temporary_1[2, 3] = exp(temporary_0[2, 3])
        temporary_2[] = add over [2, 3] of temporary_1[2, 3]
        return temporary_2[]
        """
    )
    assert after == text(
        """
        temporary_2[] = add over [2, 3] of exp(add(input_0[2, 3 by 1, 2], 1.0))
        return temporary_2[]
        """
    )


def test_choose_output_layouts_writes_in_the_order_in_which_it_reads() -> None:
    x = doubles(3, 2)
    before, after = around("choose_output_layouts", x.T + 1, [x])
    assert before == text(
        """
        temporary_0[2, 3] = add(input_0[2, 3 by 1, 2], 1.0)
        return temporary_0[2, 3]
        """
    )
    assert after == text(
        """
        temporary_0[3, 2] = add(input_0[3, 2], 1.0)
        return temporary_0[2, 3 by 1, 2]
        """
    )


def test_exchange_products_stores_gradients_in_the_order_of_their_weights() -> None:
    x, g, w = doubles(32, 16), doubles(32, 24), doubles(24, 16)
    slope = (x.T @ g).T
    before, after = around("exchange_products", [w - slope, w + slope * slope], [x, g, w])
    assert before == text(
        """
        temporary_0[16, 24] = input_0[16, 32 by 1, 16] @ input_1[32, 24]
        temporary_1[24, 16] = subtract(input_2[24, 16], temporary_0[24, 16 by 1, 24])
        temporary_3[24, 16] = add(input_2[24, 16], multiply(temporary_0[24, 16 by 1, 24], temporary_0[24, 16 by 1, 24]))
        return temporary_1[24, 16], temporary_3[24, 16]
        """
    )
    assert after == text(
        """
        temporary_0[24, 16] = input_1[24, 32 by 1, 24] @ input_0[32, 16]
        temporary_1[24, 16] = subtract(input_2[24, 16], temporary_0[24, 16])
        temporary_3[24, 16] = add(input_2[24, 16], multiply(temporary_0[24, 16], temporary_0[24, 16]))
        return temporary_1[24, 16], temporary_3[24, 16]
        """
    )
    # The product stays as it is where something reads a part of it, by rows, or at computed places.
    for other in (slope[:, :4], slope.T, cnp.sum(slope, axis=0), slope[[3, 1]]):
        before, after = around("exchange_products", [w - slope, cnp.exp(other)], [x, g, w])
        assert before == after


def test_order_axes_follows_results_that_are_stored_with_channels_last() -> None:
    x, filters = doubles(2, 3, 4, 4), doubles(8, 3, 1, 1)
    y = cnp.maximum(convolution(x, filters), 0.0)
    before, after = around("order_axes", [cnp.max(y, axis=(0, 2, 3)), cnp.min(y, axis=(0, 2, 3))], [x, filters])
    assert before == text(
        """
        temporary_0[2, 3, 4, 4 by 48, 1, 12, 3] = input_0[2, 3, 4, 4]
        temporary_1[32, 8] = temporary_0[32, 3] @ input_1[3, 8 by 1, 3]
        temporary_2[2, 8, 4, 4 by 128, 1, 32, 8] = maximum(temporary_1[2, 8, 4, 4 by 128, 1, 32, 8], 0.0)
        temporary_3[8] = maximum over [2, 4, 4] of temporary_2[8, 2, 4, 4 by 1, 128, 32, 8]
        temporary_4[8] = minimum over [2, 4, 4] of temporary_2[8, 2, 4, 4 by 1, 128, 32, 8]
        return temporary_3[8], temporary_4[8]
        """
    )
    # The copy of the three channels keeps its order: lanes run along columns.
    line = "temporary_2[2, 8, 4, 4 by 128, 1, 32, 8] = maximum(temporary_1[2, 8, 4, 4 by 128, 1, 32, 8], 0.0)"
    assert after == before.replace(line, "temporary_2[2, 4, 4, 8] = maximum(temporary_1[2, 4, 4, 8], 0.0)")


def test_fuse_epilogues_computes_the_only_user_where_the_sums_are() -> None:
    x, w = doubles(2, 3), doubles(3, 4)
    before, after = around("fuse_epilogues", cnp.tanh(x @ w + 1), [x, w])
    assert before == text(
        """
        temporary_0[2, 4] = input_0[2, 3] @ input_1[3, 4]
        temporary_2[2, 4] = tanh(add(temporary_0[2, 4], 1.0))
        return temporary_2[2, 4]
        """
    )
    assert after == text(
        """
        temporary_2[2, 4] = input_0[2, 3] @ input_1[3, 4] then tanh(add(accumulated, 1.0))
        return temporary_2[2, 4]
        """
    )


def test_fuse_rows_puts_statements_over_the_same_rows_into_one_kernel() -> None:
    x = doubles(2, 3)
    before, after = around("fuse_rows", softmax(x), [x])
    assert before == text(
        """
        temporary_0[2] = maximum over [3] of input_0[2, 3]
        temporary_2[2, 3] = exp(subtract(input_0[2, 3], temporary_0[2, 3 by 1, 0]))
        temporary_3[2] = add over [3] of temporary_2[2, 3]
        temporary_4[2, 3] = divide(temporary_2[2, 3], temporary_3[2, 3 by 1, 0])
        return temporary_4[2, 3]
        """
    )
    assert after == text(
        """
        for rows [2] of 3:
            local temporary_0[2, 1] = maximum over row of input_0[2, 3]
            local temporary_2[2, 3] = exp(subtract(input_0[2, 3], temporary_0[2, 3 by 1, 0]))
            local temporary_3[2, 1] = add over row of temporary_2[2, 3]
            temporary_4[2, 3] = divide(temporary_2[2, 3], temporary_3[2, 3 by 1, 0])
        return temporary_4[2, 3]
        """
    )


def test_a_loop_becomes_a_group_in_which_each_row_runs_through_its_turns() -> None:
    x = doubles(3, 40)
    names = ("lower_program", "inline_elementwise", "fuse_rows")
    texts = [stage.text for stage in mosaic.stages(cnp.cumsum(x * 2, axis=1), inputs=[x]) if stage.name in names]
    assert texts == [
        text(
            """
            temporary_0[3, 40] = multiply(input_0[3, 40], 2.0)
            for i3 below 40, with temporary_2[3] from -0.0 to temporary_3[3]:
                temporary_3[3] = add(temporary_2[3], temporary_0[3 by 40 from i3])
                temporary_1[3 by 40 from i3] = temporary_3[3]
            return temporary_1[3, 40]
            """
        ),
        text(
            """
            for i3 below 40, with temporary_2[3] from -0.0 to temporary_3[3]:
                temporary_3[3] = add(temporary_2[3], multiply(input_0[3 by 40 from i3], 2.0))
                temporary_1[3 by 40 from i3] = temporary_3[3]
            return temporary_1[3, 40]
            """
        ),
        text(
            """
            for rows [3] of 1:
                for i3 below 40, with temporary_2[3, 1] from -0.0 to temporary_3[3, 1]:
                    temporary_3[3, 1] = add(temporary_2[3, 1], multiply(input_0[3, 1 by 40, 0 from i3], 2.0))
                    temporary_1[3, 1 by 40, 0 from i3] = temporary_3[3, 1]
            return temporary_1[3, 40]
            """
        ),
    ]


def test_remove_fences_puts_the_old_names_back() -> None:
    x, w = doubles(4, 4), doubles(4, 4)
    y = cnp.nn.checkpoint(lambda x: cnp.sort(x) + 1, x @ w)
    before, after = around("remove_fences", y * 2, [x, w])
    assert "fenced_0[16] = fence(" in before
    assert "fence" not in after
    assert len(after.splitlines()) == len(before.splitlines()) - 1


def test_fuse_attention_joins_two_products_and_the_rows_between_them() -> None:
    x = doubles(2, 4, 3)
    before, after = around("fuse_attention", cnp.exp(x @ x.transpose(0, 2, 1)) @ x, [x], fuse=True)
    assert before == text(
        """
        for rows [2, 4] of 4:
            temporary_1[2, 4, 4] = input_0[2, 4, 3] @ input_0[2, 3, 4 by 12, 1, 3] then exp(accumulated)
        for rows [2, 4] of 3:
            temporary_2[2, 4, 3] = temporary_1[2, 4, 4] @ input_0[2, 4, 3]
        return temporary_2[2, 4, 3]
        """
    )
    assert after == before  # nothing stands between the products: there are no rows to keep
    before, after = around("fuse_attention", softmax(x @ x.transpose(0, 2, 1)) @ x, [x])
    assert before == text(
        """
        for rows [2, 4] of 4:
            temporary_0[2, 4, 4] = input_0[2, 4, 3] @ input_0[2, 3, 4 by 12, 1, 3]
        for rows [8] of 4:
            local temporary_1[8, 1] = maximum over row of temporary_0[8, 4]
            local temporary_3[8, 4] = exp(subtract(temporary_0[8, 4], temporary_1[8, 4 by 1, 0]))
            local temporary_4[8, 1] = add over row of temporary_3[8, 4]
            temporary_5[8, 4] = divide(temporary_3[8, 4], temporary_4[8, 4 by 1, 0])
        for rows [2, 4] of 3:
            temporary_6[2, 4, 3] = temporary_5[2, 4, 4] @ input_0[2, 4, 3]
        return temporary_6[2, 4, 3]
        """
    )
    assert after == text(
        """
        for rows [2, 4] of 4:
            local temporary_0[2, 4, 4] = input_0[2, 4, 3] @ input_0[2, 3, 4 by 12, 1, 3]
            local temporary_1[2, 4, 1] = maximum over row of temporary_0[2, 4, 4]
            local temporary_3[2, 4, 4] = exp(subtract(temporary_0[2, 4, 4], temporary_1[2, 4, 4 by 4, 1, 0]))
            local temporary_4[2, 4, 1] = add over row of temporary_3[2, 4, 4]
            local temporary_5[2, 4, 4] = divide(temporary_3[2, 4, 4], temporary_4[2, 4, 4 by 4, 1, 0])
            temporary_6[2, 4, 3] = temporary_5[2, 4, 4] @ input_0[2, 4, 3]
        return temporary_6[2, 4, 3]
        """
    )


def test_store_constants_puts_what_lanes_read_side_by_side() -> None:
    x, filters = doubles(1, 8, 8, 16), doubles(16, 1, 1, 2)
    y = cnp.exp(cnp.nn.operations.convolution(cnp.moveaxis(x, -1, 1), filters, groups=16))
    before, after = around("store_constants", cnp.sum(y, axis=(2, 3)), [x])
    assert "constant_0[16, 8, 7 by 2, 0, 0])" in before
    assert "constant_0[16, 8, 7 by 2, 0, 0 from 1])" in before
    assert after == before.replace("constant_0[16, 8, 7 by 2, 0, 0]", "constant_1[16, 8, 7 by 1, 0, 0]").replace(
        "constant_0[16, 8, 7 by 2, 0, 0 from 1]", "constant_1[16, 8, 7 by 1, 0, 0 from 16]"
    )


def test_store_panels_packs_weights_beforehand_and_a_value_in_the_task_that_reads_it() -> None:
    x, w = doubles(40, 3), doubles(3, 9)
    before, after = around("store_panels", (x @ w) @ x[:9], [x])
    assert before == text(
        """
        for rows [40] of 9:
            temporary_0[40, 9] = input_0[40, 3] @ constant_0[3, 9]
        for rows [40] of 3:
            temporary_1[40, 3] = temporary_0[40, 9] @ input_0[9, 3 by 3, 1]
        return temporary_1[40, 3]
        """
    )
    assert after == text(
        """
        for rows [40] of 9:
            temporary_0[40, 9] = input_0[40, 3] @ constant_1[1, 3, 12]
        for rows [40] of 3:
            temporary_1[40, 3] = temporary_0[40, 9] @ input_0[9, 3 by 3, 1] in panels of 4
        return temporary_1[40, 3]
        """
    )


def test_store_panels_stores_what_two_products_read_before_them() -> None:
    x, y, w = doubles(40, 9), doubles(30, 9), doubles(9, 3)
    _, after = around("store_panels", (x @ w, y @ w), [x, y, w])
    assert after == text(
        """
        for rows [9] of 3:
            temporary_2[9, 3 by 4, 1] = input_2[9, 3]
        for rows [40] of 3:
            temporary_0[40, 3] = input_0[40, 9] @ temporary_2[1, 9, 4]
        for rows [30] of 3:
            temporary_1[30, 3] = input_1[30, 9] @ temporary_2[1, 9, 4]
        return temporary_0[40, 3], temporary_1[30, 3]
        """
    )


def test_write_in_place_changes_what_nothing_reads_any_more_and_copies_the_rest() -> None:
    x = doubles(3, 4)
    a = x.copy()
    a[0] = 1
    a[2, 1:] = cnp.exp(a[1, 1:])
    before, after = around("write_in_place", a, [x])
    assert before == text(
        """
        for one row of 4:
            temporary_0[4 by 1] = 1.0, the rest from input_0[3, 4]
        for one row of 3:
            temporary_2[3 by 1 from 9] = exp(temporary_0[3 by 1 from 5]), the rest from temporary_0[3, 4]
        return temporary_2[3, 4]
        """
    )
    assert after == text(
        """
        for one row of 12:
            temporary_2[12] = input_0[12]
        for one row of 4:
            temporary_2[4 by 1] = 1.0
        for one row of 3:
            temporary_2[3 by 1 from 9] = exp(temporary_2[3 by 1 from 5])
        return temporary_2[3, 4]
        """
    )


def test_split_regions_parts_c_from_what_numpy_runs() -> None:
    x = doubles(2, 3)
    before, after = around("split_regions", cnp.exp(cnp.partition(x + 1, 1) + 2), [x])
    assert before == text(
        """
        for one row of 6 by 4 lanes:
            temporary_0[6] = add(input_0[6], 1.0)
        temporary_1[2, 3] = numpy(temporary_0[2, 3])  # partition has no lowering to C
        for one row of 6 by 4 lanes:
            temporary_3[6] = exp(add(temporary_1[6], 2.0))
        return temporary_3[2, 3]
        """
    )
    assert after == text(
        """
        region(input_0) -> temporary_0:
            for one row of 6 by 4 lanes:
                temporary_0[6] = add(input_0[6], 1.0)
        temporary_1[2, 3] = numpy(temporary_0[2, 3])  # partition has no lowering to C
        region(temporary_1) -> temporary_3:
            for one row of 6 by 4 lanes:
                temporary_3[6] = exp(add(temporary_1[6], 2.0))
        """
    )


def test_assign_memory_lays_results_over_those_that_nothing_reads_any_more() -> None:
    x = doubles(16, 16)
    _, after = around("assign_memory", x @ x @ x @ x @ x, [x])
    assert after == text(
        """
        region 0: arena of 4096 bytes, 6144 without sharing
            temporary_0: 2048 bytes at 0
            temporary_1: 2048 bytes at 2048
            temporary_2: 2048 bytes at 0
        """
    )
