"""Decides which helpers are inlined and which are called, so that compile time stays linear in the nodes.

Before:  static void kernel_0(...) { ...; v1 = sin_f32x16(v0); ...; v64 = sin_f32x16(v63); }
After:   static f32x16 sin_f32x16_called(f32x16 x) { return sin_f32x16(x); }
         static void kernel_0(...) { ...; v1 = sin_f32x16_called(v0); ... }

A copy of a helper costs compile time by its size; a call costs some 2 ns for each vector. So a function inlines its helpers
while all copies together are small, else it calls the largest. The vectors go in registers: both sides are compiled in
one file with the same flags. The results have the same bits either way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from mosaic import c
from mosaic.c.walk import Change, Part, changed_body
from mosaic.codegen.code_size import calls, function_size, num_turns

largest_inlined = 500
"""The most operations of an inlined helper; the call of a larger one hardly costs time (see `benchmarks/compile_time.py`)."""

most_inlined = 800
"""The most operations of all copies in one function, such as five exp in a loop and again for the rest of the row."""

most_repeated = 400
"""The most operations of copies beyond the first two of each helper, of which one is for the rest of a row. A function that
uses a large helper once has it inlined; one with six copies of sin would keep the compiler busy for the work of six exp each."""

most_inlined_per_file = 4000
"""The same in all functions of a file. Functions with more tasks come first: they have more elements to work on."""

smallest_called = 5
"""Smaller helpers are always inlined: a comparison and a select."""


smallest_kept_in_loop = 16
"""A short loop with copies of this size stays a loop: gcc would unroll it, and registers would spill."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """A function that is not inlined anywhere, and how many tasks it has."""

    function: c.Function
    num_tasks: int


def inline_or_call(
    helpers: Sequence[c.TopLevel], kernels: Sequence[Kernel]
) -> tuple[tuple[c.TopLevel, ...], tuple[c.Function, ...]]:
    """Return helpers and kernels with calls in place of copies where copies would be large or many.

    Pre:  helpers stand after the helpers that they call
    Post: no function contains more than `most_inlined` operations of helpers that are worth a call
    """
    settled, sizes = _settle_helpers(helpers)
    roots = [*_roots(settled), *kernels]
    changes = _changes(roots, sizes)
    called = {name for change in changes.values() for name in change} | _called_by_helpers(settled)
    functions = {root.function.name: _changed(root.function, changes[root.function.name], sizes) for root in roots}
    return (
        tuple(_with_called(settled, functions, called)),
        tuple(functions[kernel.function.name] for kernel in kernels),
    )


def _called_name(name: str) -> str:
    return f"{name}_called"


def _is_inlined(function: c.Function) -> bool:
    return "always_inline" in function.attributes


def _settle_helpers(helpers: Sequence[c.TopLevel]) -> tuple[list[c.TopLevel], dict[str, int]]:
    """Return the helpers with calls of those that are too large to be inlined anywhere, and the size of each.

    A helper with several definitions, of which the compiler takes one, has the size of the one for the best compiler.
    """
    sizes: dict[str, int] = {}
    settled = []
    for item in helpers:
        settled.append(_settled(item, sizes))
        for function in _inlined_functions(settled[-1]):
            sizes.setdefault(function.name, function_size(function, sizes))
    return settled, sizes


def _settled(item: c.TopLevel, sizes: Mapping[str, int]) -> c.TopLevel:
    if isinstance(item, c.CompiledIf):
        then, otherwise = (tuple(_settled(each, sizes) for each in part) for part in (item.then, item.otherwise))
        return replace(item, then=then, otherwise=otherwise)
    if isinstance(item, c.Function) and _is_inlined(item):
        large = {name for name in calls(item.body or ()) if sizes.get(name, 0) > largest_inlined}
        return replace(item, body=changed_body(item.body or (), _calling(large))) if large else item
    return item


def _inlined_functions(item: c.TopLevel) -> Iterator[c.Function]:
    """Yield the definitions of inlined functions in an item, of one function the one for the best compiler first."""
    if isinstance(item, c.Function) and _is_inlined(item):
        yield item
    if isinstance(item, c.CompiledIf):
        for each in (*item.then, *item.otherwise):
            yield from _inlined_functions(each)


def _roots(settled: Sequence[c.TopLevel]) -> Iterator[Kernel]:
    """Yield the helpers that are functions of their own, such as a product: they do most of the work of their kernel."""
    for item in settled:
        if isinstance(item, c.Function) and item.body is not None and not _is_inlined(item):
            yield Kernel(item, 1 << 30)


def _copies(body: c.Body, sizes: Mapping[str, int]) -> dict[str, int]:
    """Return the operations of all copies of each helper that is worth a call."""
    found = calls(body).items()
    return {name: count * sizes[name] for name, count in found if sizes.get(name, 0) >= smallest_called}


def _size_of_copies(body: c.Body, sizes: Mapping[str, int]) -> int:
    return sum(_copies(body, sizes).values())


def _changes(roots: Sequence[Kernel], sizes: Mapping[str, int]) -> dict[str, set[str]]:
    """Return which helpers each function calls."""
    changes: dict[str, set[str]] = {}
    left = most_inlined_per_file
    for root in sorted(roots, key=lambda each: -each.num_tasks):
        copies = _copies(root.function.body or (), sizes)
        repeated = {name: size - 2 * sizes[name] for name, size in copies.items() if size > 2 * sizes[name]}
        called = _largest(copies, sizes, min(left, most_inlined)) | _largest(repeated, sizes, most_repeated)
        changes[root.function.name] = called
        left -= sum(size for name, size in copies.items() if name not in called)
    return changes


def _largest(copies: Mapping[str, int], sizes: Mapping[str, int], budget: int) -> set[str]:
    """Return the helpers to call, the largest, so that the copies of the others stay within the budget."""
    called: set[str] = set()
    total = sum(copies.values())
    for name in sorted(copies, key=lambda each: (-sizes[each], each)):
        if total <= budget and sizes[name] <= largest_inlined:
            break
        called.add(name)
        total -= copies[name]
    return called


def _called_by_helpers(settled: Sequence[c.TopLevel]) -> set[str]:
    found: Counter[str] = Counter()
    for item in settled:
        for function in _inlined_functions(item):
            found += calls(function.body or ())
    suffix = _called_name("")
    return {name.removesuffix(suffix) for name in found if name.endswith(suffix)}


def _with_called(
    settled: Sequence[c.TopLevel], functions: Mapping[str, c.Function], called: set[str]
) -> Iterator[c.TopLevel]:
    """Yield the helpers, and after each that is called one function for its calls, whatever definition is compiled."""
    for item in settled:
        yield functions.get(item.name, item) if isinstance(item, c.Function) else item
        definitions = {each.name: each for each in _inlined_functions(item) if each.name in called}
        yield from map(_called, definitions.values())


def _called(helper: c.Function) -> c.Function:
    """Return a function that has the helper inlined and is itself never inlined."""
    arguments = tuple(c.Name(parameter.name) for parameter in helper.parameters)
    body = (c.Return(c.Name(helper.name)(*arguments)),)
    name = _called_name(helper.name)
    return c.Function(name, helper.result, helper.parameters, body, is_static=True, attributes=("noinline",))


def _calling(called: set[str]) -> Change:
    """Return the change that puts calls in place of copies."""

    def change(part: Part) -> Part:
        if isinstance(part, c.Call) and part.function in called:
            return c.Call(_called_name(part.function), part.arguments)
        return part

    return change


def _changed(function: c.Function, called: set[str], sizes: Mapping[str, int]) -> c.Function:
    """Return the function with its calls, and with short loops around large copies kept as loops."""
    replace_call = _calling(called)

    def change(part: Part) -> Part:
        if (
            isinstance(part, c.For)
            and num_turns(part) > 1
            and _size_of_copies(part.body, sizes) >= smallest_kept_in_loop
        ):
            others = [pragma for pragma in part.pragmas if not pragma.startswith("GCC unroll")]
            return replace(part, pragmas=(*others, "GCC unroll 1"))
        return replace_call(part)

    return replace(function, body=changed_body(function.body or (), change))
