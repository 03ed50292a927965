"""Pictures: what is drawn, folded, closed and cut off."""

import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import networkx
import pytest

import composit.numpy as cnp
from composit.apply import apply
from composit.labels import with_name
from composit.multidigraph import MultiDiGraph
from composit.node import name_scope
from composit.operation import OperationKind, Scalar
from composit.pictures.closing import closed, fitted
from composit.pictures.describing import kind_of, parameters_of, shortened, title_of
from composit.pictures.dot import KIND_TO_STYLE
from composit.pictures.folding import folded
from composit.pictures.reading import read_graph
from composit.pictures.sketch import Box, Kind, Sketch
from composit.visualize import visualize, visualize_graph
from tests.composit.drawn import Cut, Named, array, op, stack_of_layers


def sketch_of(*tensors: Any) -> Sketch:
    (graph,) = {tensor.graph for tensor in tensors}
    return read_graph(graph, [(tensor.node, tensor.output_index) for tensor in tensors])


def box(sketch: Sketch, title: str) -> Box:
    (found,) = [box for box in sketch.boxes if title in (box.title, box.label)]
    return found


def arrows(sketch: Sketch) -> Counter[tuple[str, str, str, str]]:
    def words(place: int) -> str:
        return sketch.boxes[place].label or sketch.boxes[place].title

    return Counter((words(a.source), words(a.sink), a.source_output, a.sink_input) for a in sketch.arrows)


# What is drawn


def test_each_box_has_operation_shape_and_dtype() -> None:
    sketch = sketch_of(op("exp", array("x")))
    assert [(box.kind, box.title, box.label, box.types) for box in sketch.boxes] == [
        (OperationKind.INPUT, "input", "x", ("float32 [4, 3]",)),
        (OperationKind.USER, "exp", "", ("float32 [4, 3]",)),
        (Kind.OUTPUT, "output", "", ()),
    ]
    source = visualize(op("exp", array("x")), render=False).source
    assert "<b>exp</b>" in source
    assert "<b>x</b>" in source
    assert source.count("float32 [4, 3]") >= 2


def test_inputs_outputs_and_scalars_have_forms_of_their_own() -> None:
    lines = visualize(op("add", array("x"), 0.5), render=False).source.splitlines()
    (the_input,) = [line for line in lines if "<b>x</b>" in line]
    (scalar,) = [line for line in lines if ">0.5<" in line]
    (output,) = [line for line in lines if ">output<" in line]
    (operation,) = [line for line in lines if "<b>add</b>" in line]
    assert "shape=box style=filled" in the_input
    assert "rounded" in operation
    assert "shape=ellipse" in scalar
    assert "dashed" in scalar
    assert "shape=ellipse" in output
    assert "dashed" not in output


def test_the_result_that_is_taken_stands_on_the_arrow_where_there_are_several() -> None:
    first, second = apply(Cut(axis=0), array("x"))
    assert arrows(sketch_of(op("subtract", second, first))) == {
        ("x", "cut", "", ""): 1,
        ("cut", "subtract", "1", "0"): 1,
        ("cut", "subtract", "0", "1"): 1,
        ("subtract", "output", "", ""): 1,
    }
    assert '<font point-size="9" color="#66727f">1: float32 [2, 3]</font>' in visualize(first, render=False).source


def test_the_operands_position_stands_on_the_arrow_where_it_matters() -> None:
    x, y = array("x"), array("y")
    assert arrows(sketch_of(op("subtract", x, y)))["y", "subtract", "", "1"] == 1
    assert arrows(sketch_of(op("add", x, y)))["y", "add", "", ""] == 1
    assert arrows(sketch_of(op("negative", x)))["x", "negative", "", ""] == 1


def test_one_value_as_both_operands_has_two_arrows() -> None:
    x = array("x")
    assert arrows(sketch_of(op("subtract", x, x))) == {
        ("x", "subtract", "", "0"): 1,
        ("x", "subtract", "", "1"): 1,
        ("subtract", "output", "", ""): 1,
    }


def test_a_scalar_is_drawn_at_each_consumer() -> None:
    x = array("x")
    sketch = sketch_of(op("add", op("multiply", x, 0.5), 0.5))
    assert [box.title for box in sketch.boxes].count("0.5") == 2
    assert not [box for box in sketch.boxes if box.kind is OperationKind.SCALAR and box.types == ()]


def test_several_outputs_are_numbered_and_marked_in_their_order() -> None:
    x = op("exp", array("x"))
    y = op("log", x)
    picture = visualize(y, [x], {"again": y}, render=False).source
    assert all(f">output {number}<" in picture for number in range(3))
    sketch = sketch_of(*(two := apply(Cut(axis=0), array("x"))))
    assert arrows(sketch)["cut", "output 1", "1", ""] == 1
    assert len(two) == 2


def test_a_label_and_parameters_are_shown() -> None:
    labelled = with_name(op("tanh", array()), "hidden")
    source = visualize(apply(Cut(axis=1), labelled)[0], render=False).source
    assert "“hidden”" in source
    assert "axis=1, keepdims" in source


def test_texts_of_any_kind_are_drawn(dot_program: str) -> None:
    strange = with_name(op('<&"\\N\\', array("a\nb\x00<b>")), "naïve → {x|y}")
    assert visualize(strange).pipe(format="svg")


def test_the_tooltip_has_the_line_that_built_the_node() -> None:
    sketch = sketch_of(op("exp", array("x")))
    assert "return apply(Named(name), *operands)" in box(sketch, "exp").tooltip


def test_the_source_is_the_same_in_every_process() -> None:
    code = (
        "from tests.composit.drawn import stack_of_layers; from composit.visualize import visualize\n"
        "print(visualize(stack_of_layers(3), render=False, fold=True).source)"
    )
    run = [
        subprocess.run(
            [sys.executable, "-c", code],
            check=True,
            capture_output=True,
            text=True,
            cwd=Path(__file__).parents[2],
            env={"PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    ]
    assert run[0] == run[1]
    assert "matmul" in run[0]


def test_graphviz_is_imported_when_a_picture_is_asked_for() -> None:
    code = "import composit.visualize, sys; assert 'graphviz' not in sys.modules and 'networkx' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])


# Any graph


def test_a_graph_of_anything_is_drawn() -> None:
    graph = MultiDiGraph([("load", "clean"), ("clean", "fit")], name="pipeline")
    source = visualize_graph(graph).source
    assert "digraph pipeline" in source
    assert all(f"<b>{node}</b>" in source for node in graph)


def test_a_rewritten_graph_is_drawn_by_its_attributes() -> None:
    graph = networkx.relabel_nodes(op("exp", array("x")).graph, lambda node: node.name)
    sketch = read_graph(MultiDiGraph(graph))
    assert [(box.kind, box.title) for box in sketch.boxes] == [
        (OperationKind.INPUT, "input"),
        (OperationKind.USER, "exp"),
        (Kind.OUTPUT, "output"),
    ]


def test_an_empty_graph_is_an_empty_picture() -> None:
    assert visualize_graph(MultiDiGraph()).source.count("->") == 0


def test_a_graph_with_a_cycle_is_networkxs_error() -> None:
    with pytest.raises(networkx.NetworkXUnfeasible, match="needs a graph without cycles"):
        visualize_graph(MultiDiGraph([(0, 1), (1, 0)]))


# Scopes


def test_scopes_are_drawn_around_what_was_built_in_them() -> None:
    source = visualize(stack_of_layers(2), render=False).source
    assert 'subgraph "cluster encoder.layer"' in source
    assert 'subgraph "cluster encoder.layer.1.dense"' in source


def test_an_input_is_drawn_in_the_innermost_scope_of_its_consumers() -> None:
    shared = array("shared")
    with name_scope("block"):
        with name_scope("a"):
            first = op("exp", op("log", shared), array("block.a.weight"))
        with name_scope("b"):
            last = op("exp", first, shared)
    sketch = sketch_of(last)
    assert box(sketch, "shared").scope == ("block",)
    assert box(sketch, "weight").scope == ("block", "a")


def test_equal_blocks_are_folded_to_one() -> None:
    sketch = sketch_of(stack_of_layers(12))
    small = folded(sketch)
    ((scope, repeat),) = small.repeats.items()
    assert (scope, repeat.count, repeat.last) == (("encoder", "layer", "0"), 12, "11")
    operations = [box.title for box in small.boxes if box.kind is not OperationKind.INPUT]
    assert operations == ["matmul", "add", "0.5", "tanh", "output"]
    assert [(box.label, ".".join(box.scope)) for box in small.boxes if box.kind is OperationKind.INPUT] == [
        ("x", "encoder.layer"),
        ("weight", "encoder.layer.0.dense"),
        ("", "encoder.layer.0.dense"),
    ]
    assert "layer.0 … 11  ×12" in visualize(stack_of_layers(12), render=False, fold=True).source


def test_a_folded_block_has_the_arrows_of_all_and_one_way_back() -> None:
    small = folded(sketch_of(stack_of_layers(3)))
    (back,) = [arrow for arrow in small.arrows if arrow.again]
    assert (small.boxes[back.source].title, small.boxes[back.sink].title) == ("tanh", "matmul")
    forward = {(small.boxes[a.source].title, small.boxes[a.sink].title) for a in small.arrows if not a.again}
    assert forward == {
        ("input", "matmul"),
        ("matmul", "add"),
        ("input", "add"),
        ("add", "tanh"),
        ("0.5", "tanh"),
        ("tanh", "output"),
    }


def test_a_block_of_another_kind_is_not_folded_into_the_others() -> None:
    small = folded(sketch_of(stack_of_layers(5, odd_one=2)))
    assert {scope[-1]: repeat.count for scope, repeat in small.repeats.items()} == {"0": 4}
    assert [box.title for box in small.boxes].count("sinh") == 1


def test_blocks_inside_blocks_are_folded_too() -> None:
    x = array("x")
    for stage in range(3):
        for unit in range(2):
            with name_scope(f"stage{stage}.unit{unit}"):
                x = op("tanh", op("exp", x))
    small = folded(sketch_of(x))
    assert {".".join(scope): repeat.count for scope, repeat in small.repeats.items()} == {
        "stage0": 3,
        "stage0.unit0": 2,
    }
    assert len(small.boxes) == 4


def test_scopes_that_differ_in_a_word_are_no_repetition() -> None:
    x = array("x")
    for name in ("query", "key"):
        with name_scope(name):
            x = op("tanh", op("exp", x))
    sketch = sketch_of(x)
    assert folded(sketch) == sketch


def test_closed_scopes_say_what_they_hold_and_give() -> None:
    small = closed(folded(sketch_of(stack_of_layers(6))), 3)
    block = next(box for box in small.boxes if box.kind is Kind.BLOCK)
    assert (block.title, block.parameters, block.types, block.scope) == (
        "layer.0 … 5  ×6",
        "3 operations, 2 inputs",
        ("float32 [4, 3]",),
        ("encoder", "layer"),
    )
    assert arrows(small) == {("x", block.title, "", ""): 1, (block.title, "output", "", ""): 1}


def test_an_input_with_a_name_of_its_own_is_not_hidden_in_a_closed_scope() -> None:
    small = closed(sketch_of(stack_of_layers(2)), 1)
    assert [(box.title, box.label, box.scope) for box in small.boxes] == [
        ("input", "x", ()),
        ("encoder", "", ()),
        ("output", "", ()),
    ]


def test_blocks_that_share_a_weight_are_folded_around_it() -> None:
    x, shared = array("x"), array("shared")
    for i in range(3):
        with name_scope(f"step{i}"):
            x = op("tanh", op("matmul", x, shared))
    small = folded(sketch_of(x))
    assert [(box.label or box.title, ".".join(box.scope)) for box in small.boxes] == [
        ("x", ""),
        ("shared", ""),
        ("matmul", "step0"),
        ("tanh", "step0"),
        ("output", ""),
    ]


def test_an_input_that_one_of_two_equal_blocks_uses_twice_stays_outside() -> None:
    results = []
    x = array("x")
    for i in range(2):
        a, b = array(), array()
        with name_scope(f"layer.{i}"):
            results.append(op("add", op("exp", op("matmul", x, a)), op("log", op("divide", x, b if i else a))))
    sketch = sketch_of(op("add", *results))
    small = folded(sketch)
    assert sum(repeat.count for repeat in small.repeats.values()) == 2
    assert all(box.scope == ("layer",) for box in small.boxes if box.kind is OperationKind.INPUT and not box.label)


def test_depth_closes_scopes_in_the_picture() -> None:
    picture = visualize(stack_of_layers(4), render=False, depth=1)
    assert "12 operations" in picture.source
    assert "matmul" not in picture.source


@pytest.mark.parametrize("max_nodes", [1, 2, 3, 7, 20, 100])
def test_a_picture_never_has_more_boxes_than_asked(max_nodes: int) -> None:
    sketch = sketch_of(stack_of_layers(10))
    x = array("x")
    for _ in range(50):
        x = op("exp", x)
    for one in (sketch, sketch_of(x)):
        small = fitted(one, max_nodes)
        assert len(small.boxes) <= max_nodes + (max_nodes == 1)
        assert all(0 <= arrow.source < len(small.boxes) > arrow.sink for arrow in small.arrows)


def test_what_is_cut_off_is_counted() -> None:
    x = array("x")
    for _ in range(50):
        x = op("exp", x)
    small = fitted(sketch_of(x), 10)
    rest, *others = small.boxes
    assert (rest.kind, rest.title) == (Kind.REST, "… 43 more")
    assert [box.title for box in others] == ["exp"] * 8 + ["output"]
    assert len(small.arrows) == 9


def test_a_large_graph_is_bounded_by_default() -> None:
    x = array("x")
    for _ in range(5000):
        x = op("exp", x)
    assert len(visualize(x, render=False).source) < 200_000


# Words


@pytest.mark.parametrize(
    ("value", "title"),
    [
        (0.5, "0.5"),
        (1e-12, "1e-12"),
        (0.7071067811865476, "≈0.7071"),
        (2, "2"),
        (True, "True"),
        (123456789, "≈1.235e+08"),
    ],
)
def test_a_scalar_is_titled_by_its_value(value: Any, title: str) -> None:
    assert title_of(Scalar(value)) == title


def test_a_long_text_is_cut() -> None:
    assert shortened("a\n  b") == "a b"
    assert len(shortened("x" * 100)) == 36
    assert parameters_of(Named("y" * 100)) == shortened(f"called={'y' * 100}")


def written(x: Any) -> Any:
    """The array with one element assigned."""
    y = x.copy()
    y[0] = 1
    return y


@pytest.mark.parametrize(
    ("function", "kind", "title", "parameters"),
    [
        (lambda x: cnp.exp(x), OperationKind.ELEMENTWISE, "exp", ""),
        (lambda x: x @ x.T, OperationKind.CONTRACTION, "matmul", ""),
        (lambda x: x.sum(axis=(0, 1), keepdims=True), OperationKind.REDUCTION, "sum", "axes=(0, 1), keepdims"),
        (lambda x: x.T, OperationKind.MOVEMENT, "transpose", "axes=(1, 0)"),
        (lambda x: x[1:, ::-1], OperationKind.MOVEMENT, "getitem", None),
        (lambda x: x.astype("float64"), OperationKind.ELEMENTWISE, "astype", ""),
        (lambda x: cnp.sort(x), OperationKind.FUNCTION, "sort", "axis=1"),
        (lambda x: cnp.nanmax(x, axis=0), OperationKind.REDUCTION, "nanmax", "axis=(0,)"),
        (lambda x: cnp.linalg.svd(x)[0], OperationKind.FUNCTION, "svd", None),
        (lambda x: cnp.fft.fft(x), OperationKind.FUNCTION, "fft", None),
        (lambda x: cnp.diagonal(x), OperationKind.MOVEMENT, "getitem", None),
        (lambda x: cnp.sinc(x), OperationKind.ELEMENTWISE, "sinc", "order=0"),
        (lambda x: written(x), OperationKind.WRITE, "setitem", None),
        (lambda x: op("mine", x), OperationKind.USER, "mine", "called=mine"),
        (lambda x: x, OperationKind.INPUT, "input", ""),
    ],
)
def test_each_family_has_its_kind_and_shows_its_parameters(
    function: Any, kind: Kind, title: str, parameters: str | None
) -> None:
    operation = function(array()).node.operation
    assert (kind_of(operation), title_of(operation)) == (kind, title)
    assert parameters is None or parameters_of(operation) == parameters


def test_each_kind_has_its_form_and_colour() -> None:
    assert set(KIND_TO_STYLE) == {*Kind, *OperationKind}


def test_a_node_without_an_operation_is_drawn_plainly() -> None:
    assert kind_of("anything") is Kind.NODE
    assert parameters_of(None) == ""
