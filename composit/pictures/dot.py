"""Writes a sketch in graphviz's dot language.

All fills are equally light, and shapes tell inputs, outputs and scalars apart in black and white, too. The text is the
same in every process.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

from composit.operation import OperationKind
from composit.pictures.closing import scope_title
from composit.pictures.sketch import Arrow, Box, BoxKind, Kind, Repeat, Scope, Sketch

INK = "#1f2933"
FAINT_INK = "#66727f"
LINE = "#8794a1"
FONT = "Helvetica,Arial,sans-serif"


@dataclass(frozen=True, slots=True)
class Style:
    """Form and colours of a kind of box."""

    fill: str
    line: str
    shape: str = "box"
    style: str = "rounded,filled"
    title_colour: str = INK


KIND_TO_STYLE: dict[BoxKind, Style] = {
    OperationKind.INPUT: Style("#dcefe3", "#4f9a6c", style="filled"),
    OperationKind.SCALAR: Style("#ffffff", "#b4bec8", shape="ellipse", style="filled,dashed"),
    OperationKind.CREATION: Style("#e6f3ea", "#7fb394", style="filled"),
    OperationKind.ELEMENTWISE: Style("#eef1f4", "#93a1ae"),
    OperationKind.MOVEMENT: Style("#f7f7f2", "#b9b8a6"),
    OperationKind.WRITE: Style("#f7f7f2", "#a58d5e", style="filled"),
    OperationKind.REDUCTION: Style("#fbe7d3", "#cd8a44"),
    OperationKind.CONTRACTION: Style("#dbe7f8", "#5482bf"),
    OperationKind.FUNCTION: Style("#dff0f0", "#559499"),
    OperationKind.USER: Style("#efe3f6", "#9566b4"),
    Kind.NODE: Style("#eef1f4", "#93a1ae"),
    Kind.OUTPUT: Style("#2f3e4e", "#2f3e4e", shape="ellipse", style="filled", title_colour="#ffffff"),
    Kind.BLOCK: Style("#e9e6f5", "#7a6cb0", style="rounded,filled,bold"),
    Kind.REST: Style("#ffffff", "#8794a1", style="rounded,dashed"),
}
CLUSTER_FILLS = ("#fafbfc", "#f3f5f8")  # by depth, in turn


def dot_source(sketch: Sketch, name: str, direction: str, kind: Any) -> Any:
    """The sketch as a graphviz graph of the class `kind`. Any: mypy does not follow graphviz's types."""
    picture = kind(
        name,
        graph_attr={
            "rankdir": direction,
            "bgcolor": "white",
            "fontname": FONT,
            "fontsize": "10",
            "nodesep": "0.22",
            "ranksep": "0.32",
            "pad": "0.15",
        },
        node_attr={
            "fontname": FONT,
            "fontsize": "11",
            "fontcolor": INK,
            "height": "0.3",
            "margin": "0.12,0.05",
            "penwidth": "1.1",
        },
        edge_attr={
            "fontname": FONT,
            "fontsize": "8",
            "fontcolor": FAINT_INK,
            "color": LINE,
            "arrowsize": "0.55",
            "penwidth": "0.9",
            "labeldistance": "1.4",
        },
    )
    _write_scope(picture, _tree(sketch), sketch, (), 0)
    for arrow in sketch.arrows:
        picture.edge(f"n{arrow.source}", f"n{arrow.sink}", **_arrow_attributes(arrow, sketch))
    return picture


class _Tree:
    """The boxes of one scope and the scopes inside it."""

    __slots__ = ("children", "places")

    def __init__(self) -> None:
        self.places: list[int] = []
        self.children: dict[str, _Tree] = {}


def _tree(sketch: Sketch) -> _Tree:
    root = _Tree()
    for place, box in enumerate(sketch.boxes):
        tree = root
        for name in box.scope:
            tree = tree.children.setdefault(name, _Tree())
        tree.places.append(place)
    return root


def _write_scope(graph: Any, tree: _Tree, sketch: Sketch, scope: Scope, depth: int) -> None:
    for place in tree.places:
        box = sketch.boxes[place]
        graph.node(f"n{place}", _label(box), **_box_attributes(box))
    for name, inner in tree.children.items():
        inner_scope, title = _without_single_steps((*scope, name), inner, sketch.repeats)
        subtree = _subtree(tree, inner_scope[len(scope) :])
        # graphviz draws a box around a subgraph whose name begins with "cluster"
        with graph.subgraph(name="cluster " + ".".join(inner_scope)) as cluster:
            cluster.attr(
                label=f"<<b>{_html(title)}</b>>" if inner_scope in sketch.repeats else _html_text(title),
                labeljust="l",
                style="rounded,filled",
                color="#7a6cb0" if inner_scope in sketch.repeats else "#d3dae1",
                penwidth="1.6" if inner_scope in sketch.repeats else "0.8",
                fillcolor=CLUSTER_FILLS[depth % 2],
                fontcolor=FAINT_INK,
                fontsize="10",
                margin="8",
            )
            _write_scope(cluster, subtree, sketch, inner_scope, depth + 1)


def _without_single_steps(scope: Scope, tree: _Tree, repeats: Mapping[Scope, Repeat]) -> tuple[Scope, str]:
    """The innermost scope reached while a scope holds one scope and nothing else, titled `encoder.layer.0`."""
    titles = [scope_title(scope, repeats.get(scope))]
    while not tree.places and len(tree.children) == 1:
        ((name, inner),) = tree.children.items()
        if scope in repeats or (*scope, name) in repeats:
            break
        tree = inner
        scope = (*scope, name)
        titles.append(name)
    return scope, ".".join(titles)


def _subtree(tree: _Tree, names: Scope) -> _Tree:
    for name in names:
        tree = tree.children[name]
    return tree


def _box_attributes(box: Box) -> dict[str, str]:
    style = KIND_TO_STYLE[box.kind]
    small = {"margin": "0.08,0.02", "height": "0.22"} if box.kind in (OperationKind.SCALAR, Kind.OUTPUT) else {}
    return {
        "shape": style.shape,
        "style": style.style,
        "fillcolor": style.fill,
        "color": style.line,
        "tooltip": (box.tooltip or box.title).replace("\\", "\\\\"),  # a backslash begins graphviz's escapes
        **small,
    }


def _label(box: Box) -> str:
    """The label in graphviz's HTML: the name of the input or operation in bold, label, parameters and types below."""
    style = KIND_TO_STYLE[box.kind]
    if box.kind is OperationKind.SCALAR:
        return f'<<font point-size="10">{_html(box.label or box.title)}</font>>'
    if box.kind is Kind.OUTPUT:
        return f'<<font point-size="10" color="{style.title_colour}">{_html(box.title)}</font>>'
    is_named_input = bool(box.label) and box.kind is OperationKind.INPUT
    title = f"<b>{_html(box.label if is_named_input else box.title)}</b>"
    small = [box.parameters, *_type_lines(box.types)]
    if box.label and not is_named_input:
        small.insert(0, f"“{box.label}”")
    lines = [f'<font point-size="9" color="{FAINT_INK}">{_html(line)}</font>' for line in small if line]
    return f"<{'<br/>'.join([title, *lines])}>"


def _type_lines(types: tuple[str, ...]) -> list[str]:
    return list(types) if len(types) < 2 else [f"{index}: {words}" for index, words in enumerate(types)]


def _arrow_attributes(arrow: Arrow, sketch: Sketch) -> dict[str, str]:
    attributes = {}
    if arrow.source_output:
        attributes["taillabel"] = arrow.source_output
    if arrow.sink_input:
        attributes["headlabel"] = arrow.sink_input
    if arrow.again:
        # The arrow from one repetition to the next runs backwards; as a constraint it would reverse the ranks.
        attributes |= {"style": "dashed", "color": "#7a6cb0", "constraint": "false"}
    if sketch.boxes[arrow.source].kind is OperationKind.SCALAR:
        attributes |= {"color": "#b4bec8"}
    return attributes


def _html(text: str) -> str:
    # control characters are not allowed in graphviz's HTML labels
    return escape("".join(c if c.isprintable() else " " for c in text))


def _html_text(text: str) -> str:
    return f"<{_html(text)}>"
