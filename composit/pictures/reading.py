"""Reads a graph into a sketch: a box in its scope for each node, an arrow with its labels for each edge.

Any MultiDiGraph can be read. The node attributes `operation`, `shapes`, `dtypes` and the edge attributes
`source_output_index`, `sink_input_index` add details if they are there.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from composit.multidigraph import MultiDiGraph, topological_traversal
from composit.node import Node
from composit.operation import Operation, OperationKind
from composit.pictures.describing import has_ordered_operands, kind_of, parameters_of, shortened, title_of
from composit.pictures.sketch import Arrow, Box, Kind, Scope, Sketch
from composit.source import describe_source

Output: TypeAlias = tuple[Any, int]  # Any: a node of the graph, which may be anything hashable


def read_graph(graph: MultiDiGraph, outputs: Sequence[Output] | None = None) -> Sketch:
    """The sketch of all nodes of a graph; `outputs` are (node, output index), by default each result of each sink.

    A scalar is drawn separately for each consumer, so that a frequent 0.5 does not connect distant parts. The graph that an
    operation runs, as a scan its step, is drawn in a frame of its own beside it.
    """
    order = topological_traversal(graph)
    scopes = _scopes(graph, order)
    boxes: list[Box] = []
    arrows: list[Arrow] = []
    place_of: dict[Any, int] = {}
    for node in order:
        attributes = graph.nodes[node]
        box = _box(node, attributes, scopes[node])
        arrows_in = [
            (source, _arrow_words(graph, source, node, data))
            for source, _, data in sorted(graph.in_edges(node, data=True), key=_position)
        ]
        if box.kind is OperationKind.SCALAR and graph.out_degree(node):
            continue
        sources = []
        for source, words in arrows_in:
            if source not in place_of:
                boxes.append(_box(source, graph.nodes[source], scopes[node]))
            sources.append((place_of.get(source, len(boxes) - 1), words))
        place_of[node] = len(boxes)
        boxes.append(box)
        arrows.extend(Arrow(source, place_of[node], *words) for source, words in sources)
    _add_outputs(graph, _sinks(graph, order) if outputs is None else outputs, place_of, boxes, arrows)
    _add_subgraphs([(graph.nodes[node].get("operation"), scopes[node]) for node in order], boxes, arrows)
    return Sketch(tuple(boxes), tuple(arrows))


def _add_subgraphs(operations: Sequence[tuple[Any, Scope]], boxes: list[Box], arrows: list[Arrow]) -> None:
    running = [(each, scope) for each, scope in operations if isinstance(each, Operation) and each.subgraph is not None]
    for number, (operation, scope) in enumerate(running, 1):
        frame = (*scope, f"step of {operation.name}" + (f" {number}" if len(running) > 1 else ""))
        inner, first = read_graph(operation.subgraph), len(boxes)
        boxes += [replace(box, scope=(*frame, *box.scope)) for box in inner.boxes]
        arrows += [replace(each, source=each.source + first, sink=each.sink + first) for each in inner.arrows]


def _box(node: Any, attributes: Mapping[str, Any], scope: Scope) -> Box:
    operation = attributes.get("operation")
    types = tuple(
        f"{dtype} {list(shape)}"
        for shape, dtype in zip(_shown(attributes, "shapes"), _shown(attributes, "dtypes"), strict=False)
    )
    label = _label(node)
    own_label = _without_scope(label, scope)
    kind = kind_of(operation)
    return Box(
        kind=kind,
        title=shortened(str(node)) if operation is None else title_of(operation),
        label=own_label,
        parameters=parameters_of(operation),
        types=types,
        scope=scope,
        tooltip=_tooltip(node, operation, label, types, scope),
        stays_visible=kind is OperationKind.INPUT and bool(label) and own_label == label,
    )


def _shown(attributes: Mapping[str, Any], name: str) -> Sequence[Any]:
    """Return the shapes or dtypes of the results that a caller gets."""
    operation = attributes.get("operation")
    values: Sequence[Any] = attributes.get(name, ())
    return values[: operation.num_shown] if isinstance(operation, Operation) else values


def _tooltip(node: Any, operation: Any, label: str, types: tuple[str, ...], scope: Scope) -> str:
    where = describe_source(node.source) if isinstance(node, Node) and node.source is not None else ""
    lines = (label, "" if operation is None else shortened(repr(operation), 300), *types, ".".join(scope), where)
    return "\n".join(line for line in lines if line)


def _label(node: Any) -> str:
    return node.label or "" if isinstance(node, Node) else ""


def _without_scope(label: str, scope: Scope) -> str:
    # "encoder.layer.0.weight" inside the cluster encoder.layer.0 reads "weight"
    parts = label.split(".")
    own = tuple(parts[: len(scope)])
    return ".".join(parts[len(scope) :]) if scope and own == scope and len(parts) > len(scope) else label


def _scopes(graph: MultiDiGraph, order: Sequence[Any]) -> dict[Any, Scope]:
    """The scope of each node; a leaf has the innermost scope that holds all its consumers."""
    scopes: dict[Any, Scope] = {}
    for node in reversed(order):
        consumers = list(graph.successors(node))
        if graph.in_degree(node) == 0 and consumers:
            scopes[node] = _common([scopes[consumer] for consumer in consumers])
        else:
            scopes[node] = tuple(node.scope.split(".")) if isinstance(node, Node) and node.scope else ()
    return scopes


def _common(scopes: Sequence[Scope]) -> Scope:
    first, last = min(scopes), max(scopes)
    length = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    return first[:length]


def _position(edge: tuple[Any, Any, Mapping[str, Any]]) -> int:
    position: int = edge[2].get("sink_input_index", 0)
    return position


def _arrow_words(graph: MultiDiGraph, source: Any, sink: Any, data: Mapping[str, Any]) -> tuple[str, str]:
    """The labels of an arrow's ends: the result's index if there are several, the operand's if the order matters."""
    several = len(graph.nodes[source].get("shapes", ())) > 1 and "source_output_index" in data
    ordered = graph.in_degree(sink) > 1 and has_ordered_operands(graph.nodes[sink].get("operation"))
    return (
        str(data["source_output_index"]) if several else "",
        str(data["sink_input_index"]) if ordered and "sink_input_index" in data else "",
    )


def _sinks(graph: MultiDiGraph, order: Iterable[Any]) -> list[Output]:
    return [
        (node, index)
        for node in order
        if graph.out_degree(node) == 0 and graph.nodes[node].get("operation") is not None
        for index in range(max(1, len(_shown(graph.nodes[node], "shapes"))))
    ]


def _add_outputs(
    graph: MultiDiGraph,
    outputs: Sequence[Output],
    place_of: Mapping[Any, int],
    boxes: list[Box],
    arrows: list[Arrow],
) -> None:
    for number, (node, index) in enumerate(outputs):
        several = len(graph.nodes[node].get("shapes", ())) > 1
        arrows.append(Arrow(place_of[node], len(boxes), str(index) if several else ""))
        boxes.append(Box(Kind.OUTPUT, f"output {number}" if len(outputs) > 1 else "output"))
