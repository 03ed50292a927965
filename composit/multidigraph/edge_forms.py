"""Parses nodes and edges in networkx's forms, such as (u, v), (u, v, key) and (u, v, attributes)."""

from typing import Any, TypeAlias

from composit.multidigraph.draft import AttributeInput, Draft
from composit.multidigraph.frozen import FrozenDict
from composit.multidigraph.records import EdgeKey, Node

EdgeParts: TypeAlias = tuple[Node, Node, EdgeKey | None, AttributeInput]


def node_of_form(form: Any) -> tuple[Node, AttributeInput]:
    """The node and attributes of `node` or `(node, attributes)`; a pair that can be hashed is itself a node."""
    try:
        hash(form)
    except TypeError:
        node, attributes = form
        return node, attributes
    return form, FrozenDict()


def parts_of_edge(form: Any) -> EdgeParts:
    """Source, sink, key or None, and attributes of an edge in one of networkx's four forms.

    Raises:      GraphError: a tuple of another length
                 TypeError: not a sequence
    """
    length = len(form)
    if length == 2:
        return form[0], form[1], None, FrozenDict()
    if length == 3:
        return _parts_of_triple(*form)
    if length == 4:
        source, sink, key, attributes = form
        return source, sink, key, dict(attributes)
    raise _form_error(form)


def removed_edge(draft: Draft, form: Any) -> tuple[Node, Node, EdgeKey] | None:
    """The edge that (u, v), (u, v, key) or (u, v, key, attributes) names, by default the last; None if missing."""
    source, sink, *rest = form
    edges = draft.keys_between(source, sink)
    if edges and (not rest or rest[0] is None):
        return source, sink, list(edges)[-1]
    return (source, sink, rest[0]) if edges and rest[0] in edges else None


def _parts_of_triple(source: Node, sink: Node, third: Any) -> EdgeParts:
    # As in networkx, a third part that dict() accepts is the attributes, anything else the key.
    try:
        return source, sink, None, dict(third)
    except (TypeError, ValueError):
        return source, sink, third, FrozenDict()


def _form_error(form: Any) -> Exception:
    from composit.multidigraph.failures import GraphError

    return GraphError(
        f"edge {form!r} has {len(form)} parts; an edge is (u, v), (u, v, attributes), (u, v, key) "
        "or (u, v, key, attributes)"
    )
