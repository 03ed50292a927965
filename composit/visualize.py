"""Pictures of graphs and of the expressions behind tensors. Imports graphviz and the pictures when one is asked for."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from composit.errors import ParameterError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composit.multidigraph import MultiDiGraph
    from composit.pictures.drawing import Picture

Format: TypeAlias = Literal["svg", "png", "pdf", "dot"]
Direction: TypeAlias = Literal["TB", "LR", "BT", "RL"]

MAX_NODES = 400  # about what a screen shows and dot lays out in a few seconds


def visualize(
    *tensors: Any,  # Any: tensors of any kind that has __lazy_tensor__, and containers of them
    render: bool = True,
    filename: str | Path | None = None,
    format: Format | None = None,
    fold: bool = False,
    depth: int | None = None,
    max_nodes: int | None = MAX_NODES,
    direction: Direction = "TB",
) -> "Picture":
    """Return a picture of the tensors' expressions, as a graphviz object that notebooks show.

    Each box shows the operation, the name given by `with_name`, and dtype and shape of the result. Inputs have square
    corners, outputs are dark, scalars dashed. A number at an arrow's start says which result is used, one at its end says
    which operand it is, where that matters. Name scopes are drawn as frames around their boxes.

    render:      lay the picture out now; False only writes its source. Never opens a viewer
    filename:    the file to write; `format` (svg, png, pdf, dot) defaults to the suffix, else svg
    fold:        draw blocks that differ only in a number of their scope (`encoder.layer.0`, `.1`, ...) once, as "×12"
    depth:       draw scopes of this many names as one box each
    max_nodes:   with more boxes than this, scopes are drawn as one box, then the rest is cut off; None for all boxes

    Without the program `dot`, a warning says how to get it, and the source is written (`filename` + `.dot`).

    Raises:      OperandError: a torch tensor that no trace saw; ParameterError: nothing to draw, or an unknown format, direction,
                 depth or number
    """
    from composit.containers import flatten
    from composit.handle import described
    from composit.input_keys import check_traced

    check_traced("visualize", tensors)
    handles, _ = flatten(tensors)
    if not handles:
        raise ParameterError(
            f"visualize: no tensor among {described(tensors):.80}; expected tensors or containers of them, "
            "for a graph there is visualize_graph(graph)"
        )
    from composit.multidigraph import merge_graphs

    return _pictured(
        merge_graphs(*(handle.graph for handle in handles)),
        [(handle.node, handle.output_index) for handle in handles],
        _Wanted(render, filename, format, fold, depth, max_nodes, direction),
    )


def visualize_graph(
    graph: "MultiDiGraph",
    *,
    outputs: "Sequence[tuple[Any, int]] | None" = None,
    render: bool = False,
    filename: str | Path | None = None,
    format: Format | None = None,
    fold: bool = False,
    depth: int | None = None,
    max_nodes: int | None = MAX_NODES,
    direction: Direction = "TB",
) -> "Picture":
    """Return a picture of a graph, drawn as by `visualize`.

    `outputs` are the pairs (node, output index) to mark; by default the results that no other node uses. Any MultiDiGraph
    is drawn, with the node attributes `operation`, `shapes` and `dtypes` where it has them.

    Raises:      ParameterError: an unknown format, direction, depth or number of nodes
                 CycleError: the graph has a cycle
    """
    return _pictured(graph, outputs, _Wanted(render, filename, format, fold, depth, max_nodes, direction))


@dataclass(frozen=True, slots=True)
class _Wanted:
    """The arguments of `visualize` about the picture."""

    render: bool
    filename: str | Path | None
    format: str | None
    fold: bool
    depth: int | None
    max_nodes: int | None
    direction: str


def _pictured(graph: "MultiDiGraph", outputs: "Sequence[tuple[Any, int]] | None", wanted: _Wanted) -> "Picture":
    from composit.pictures.closing import closed, fitted
    from composit.pictures.dot import dot_source
    from composit.pictures.drawing import Picture, draw, output_path
    from composit.pictures.folding import folded
    from composit.pictures.reading import read_graph

    path, picture_format = output_path(wanted.filename, wanted.format)
    _check(wanted)
    sketch = read_graph(graph, outputs)
    if wanted.fold:
        sketch = folded(sketch)
    if wanted.depth is not None:
        sketch = closed(sketch, wanted.depth)
    if wanted.max_nodes is not None:
        sketch = fitted(sketch, wanted.max_nodes)
    picture: Picture = dot_source(sketch, str(graph.name or "composit"), wanted.direction, Picture)
    if wanted.render or path is not None:
        draw(picture, path, picture_format)
    return picture


def _check(wanted: _Wanted) -> None:
    for name, value in (("depth", wanted.depth), ("max_nodes", wanted.max_nodes)):
        if value is not None and value < 1:
            raise ParameterError(f"visualize: {name} is {value}; expected 1 or more, or None for no limit")
    if wanted.direction not in ("TB", "LR", "BT", "RL"):
        raise ParameterError(
            f"visualize: direction is {wanted.direction!r}; expected TB (down), LR (to the right), BT (up) or RL (to "
            "the left)"
        )
