"""Makes a sketch smaller: scopes closed to one box each, and what is still too much cut off. May import sketch."""

from collections import Counter
from collections.abc import Mapping, Sequence

from composit.pictures.sketch import Arrow, Box, Kind, Repeat, Scope, Sketch, mapped


def closed(sketch: Sketch, depth: int) -> Sketch:
    """The sketch with each scope of `depth` names drawn as one box, whatever is inside.

    Before:      [encoder: [layer.0: matmul -> tanh] -> [layer.1: matmul -> tanh]]
    After:       closed at 1: [encoder: 4 operations]; at 2: [encoder: layer.0 -> layer.1]
    """
    scopes = [box.scope[:depth] if len(box.scope) >= depth else None for box in sketch.boxes]
    counts = Counter(scope for scope in scopes if scope is not None)
    places: dict[Scope, int] = {}
    boxes: list[Box] = []
    new_place: dict[int, int] = {}
    for place, (box, scope) in enumerate(zip(sketch.boxes, scopes, strict=True)):
        if scope is None or counts[scope] == 1:
            new_place[place] = len(boxes)
            boxes.append(box)
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
    inside = [box for box in sketch.boxes if box.scope[: len(scope)] == scope]
    operations = sum(box.count for box in inside if box.kind not in (Kind.INPUT, Kind.SCALAR))
    inputs = sum(box.kind is Kind.INPUT for box in inside)
    words = [f"{operations} operation{'s' * (operations != 1)}"]
    if inputs:
        words.append(f"{inputs} input{'s' * (inputs != 1)}")
    title = scope_title(scope[-1], sketch.repeats.get(scope))
    return Box(
        Kind.BLOCK, title, types=(", ".join(words),), scope=scope[:-1], tooltip=".".join(scope), count=operations
    )


def scope_title(name: str, repeat: Repeat | None) -> str:
    """The name of a scope, or of those that it stands for: `0 … 11  ×12`."""
    return name if repeat is None else f"{name} … {repeat.last}  ×{repeat.count}"


def _cut_off(sketch: Sketch, max_boxes: int) -> Sketch:
    """The boxes nearest to the outputs, and one box for all others."""
    kept = _nearest_to_outputs(sketch, max(1, max_boxes - 1))
    places = [place for place in range(len(sketch.boxes)) if place in kept]
    rest = sum(box.count for place, box in enumerate(sketch.boxes) if place not in kept)
    new_place = {place: 1 + new for new, place in enumerate(places)} | {
        place: 0 for place in range(len(sketch.boxes)) if place not in kept
    }
    rest_box = Box(Kind.REST, f"… {rest} more", types=("raise max_nodes to see them",), count=rest)
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
                waiting.append(source)  # a queue: the loop goes on with what was reached
    return reached


def _sources(arrows: Sequence[Arrow]) -> dict[int, list[int]]:
    sources: dict[int, list[int]] = {}
    for arrow in arrows:
        sources.setdefault(arrow.sink, []).append(arrow.source)
    return sources
