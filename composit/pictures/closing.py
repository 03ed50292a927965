"""Makes a sketch smaller: draws each scope as one box, and cuts off the boxes farthest from the outputs."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from composit.operation import OperationKind
from composit.pictures.sketch import Arrow, Box, Kind, Repeat, Scope, Sketch, mapped

MOST_TYPES = 2  # lines on a closed block


def closed(sketch: Sketch, depth: int) -> Sketch:
    """The sketch with each scope of `depth` names drawn as one box.

    Before:      [encoder: [layer.0: matmul -> tanh] -> [layer.1: matmul -> tanh]]
    After:       closed at 1: [encoder: 4 operations]; at 2: [encoder: layer.0 -> layer.1]
    """
    scopes = [box.scope[:depth] if len(box.scope) >= depth and not box.stays_visible else None for box in sketch.boxes]
    counts = Counter(scope for scope in scopes if scope is not None)
    places: dict[Scope, int] = {}
    boxes: list[Box] = []
    new_place: dict[int, int] = {}
    for place, (box, scope) in enumerate(zip(sketch.boxes, scopes, strict=True)):
        if scope is None or counts[scope] == 1:
            new_place[place] = len(boxes)
            boxes.append(replace(box, scope=box.scope[: depth - 1]) if box.stays_visible else box)
            continue
        if scope not in places:
            places[scope] = len(boxes)
            boxes.append(_block_box(sketch, scope))
        new_place[place] = places[scope]
    repeats = {scope: repeat for scope, repeat in sketch.repeats.items() if len(scope) < depth}
    return mapped(sketch, boxes, new_place, repeats)


def fitted(sketch: Sketch, max_boxes: int) -> Sketch:
    """The sketch closed at the deepest level at which at most `max_boxes` remain, then cut off if none fits."""
    if len(sketch.boxes) <= max_boxes:
        return sketch
    deepest = max(len(box.scope) for box in sketch.boxes)
    for depth in range(deepest, 0, -1):
        smaller = closed(sketch, depth)
        if len(smaller.boxes) <= max_boxes:
            return smaller
    return _cut_off(closed(sketch, 1), max_boxes)


def _block_box(sketch: Sketch, scope: Scope) -> Box:
    inside = [box for box in sketch.boxes if box.scope[: len(scope)] == scope and not box.stays_visible]
    operations = sum(box.count for box in inside if box.kind not in (OperationKind.INPUT, OperationKind.SCALAR))
    inputs = sum(box.kind is OperationKind.INPUT for box in inside)
    words = [_counted(operations, "operation"), *([_counted(inputs, "input")] if inputs else [])]
    below = (", ".join(words), *_types_that_leave(sketch, scope)[:MOST_TYPES])
    title = scope_title(scope, sketch.repeats.get(scope))
    return Box(Kind.BLOCK, title, parameters=below[0], types=below[1:], scope=scope[:-1], count=operations)


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"


def scope_title(scope: Scope, repeat: Repeat | None) -> str:
    """The name of a scope, for a repeat with its count: `layer.0 … 11  ×12`. A number follows its parent's name."""
    name = ".".join(scope[-2:]) if scope[-1].isdigit() else scope[-1]
    return name if repeat is None else f"{name} … {repeat.last}  ×{repeat.count}"


def _types_that_leave(sketch: Sketch, scope: Scope) -> list[str]:
    """The types of the values that leave a scope, each once."""
    length = len(scope)
    types: dict[str, None] = {}
    for arrow in sketch.arrows:
        source = sketch.boxes[arrow.source]
        if source.scope[:length] == scope and sketch.boxes[arrow.sink].scope[:length] != scope and source.types:
            types[source.types[int(arrow.source_output or 0)]] = None
    return list(types)


def _cut_off(sketch: Sketch, max_boxes: int) -> Sketch:
    """The boxes nearest to the outputs, and one box for all others."""
    kept = _nearest_to_outputs(sketch, max(1, max_boxes - 1))
    places = [place for place in range(len(sketch.boxes)) if place in kept]
    rest = sum(box.count for place, box in enumerate(sketch.boxes) if place not in kept)
    new_place = {place: 1 + new for new, place in enumerate(places)} | {
        place: 0 for place in range(len(sketch.boxes)) if place not in kept
    }
    rest_box = Box(Kind.REST, f"… {rest} more", parameters="raise max_nodes to see them", count=rest)
    return mapped(sketch, [rest_box, *(sketch.boxes[place] for place in places)], new_place, sketch.repeats)


def _nearest_to_outputs(sketch: Sketch, number: int) -> Mapping[int, None]:
    sources = _sources(sketch.arrows)
    has_consumer = {arrow.source for arrow in sketch.arrows}
    waiting = [place for place in range(len(sketch.boxes)) if place not in has_consumer]
    reached: dict[int, None] = dict.fromkeys(waiting[:number])
    for place in waiting:
        for source in sources.get(place, ()):
            if len(reached) >= number:
                return reached
            if source not in reached:
                reached[source] = None
                waiting.append(source)  # a queue: the loop continues with this place
    return reached


def _sources(arrows: Sequence[Arrow]) -> dict[int, list[int]]:
    sources: dict[int, list[int]] = {}
    for arrow in arrows:
        sources.setdefault(arrow.sink, []).append(arrow.source)
    return sources
