"""The header of a library, and the C file of each of its functions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import dedent, indent

import numpy as np

from composit.errors import UnsupportedOperationError
from mosaic.exporting.entries import Argument, Entry
from mosaic.exporting.standalone import RUN_FUNCTION, standalone_text
from mosaic.exporting.weights import ALIGNMENT_BYTES, MOST_BYTES_IN_C, Weights, places_of
from mosaic.ir.complex_parts import stored_count, stored_dtype
from mosaic.ir.views import View

_c_types = {
    np.dtype(text): word
    for text, word in (
        ("?", "uint8_t"),
        ("i1", "int8_t"),
        ("i2", "int16_t"),
        ("i4", "int32_t"),
        ("i8", "int64_t"),
        ("u1", "uint8_t"),
        ("u2", "uint16_t"),
        ("u4", "uint32_t"),
        ("u8", "uint64_t"),
        ("f4", "float"),
        ("f8", "double"),
    )
}


_FOR_CLANG = """\
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#pragma clang diagnostic ignored "-Wsign-conversion" /* -1 is the mask of all lanes */
#endif

"""


def c_type(argument: Argument) -> str:
    """Return the C type of an argument's elements."""
    return _c_types[stored_dtype(argument.type.dtype)]


def num_elements(argument: Argument) -> int:
    """Return how many elements of that type the array has."""
    return stored_count(argument.type.size, argument.type.dtype)


def header_text(name: str, entries: Sequence[Entry], weights: Weights) -> str:
    """Return the header: sizes as constants, and the declaration of each function with what it takes and gives."""
    upper, target = name.upper(), entries[0].target
    largest = max(entry.arena_bytes for entry in entries)
    in_c = f"""
        /* The weights, to pass to every function. `{name}_weights.c` holds them. */
        extern const uint64_t {name}_weights[];
        """
    text = f"""\
        /* {name}: functions made by mosaic, for {target.name}.
         *
         * They use the memory that they are given and nothing else: no heap, no threads, no files. Arrays are dense, in C order
         * unless said otherwise, in the byte order of a little-endian machine, aligned as their elements are; arrays that a
         * function writes overlap no other array. Every function returns 0, or the number of the check that failed.
         *
         * weights: {upper}_WEIGHTS_BYTES bytes, the content of {name}_weights.bin as it is; NULL if there are none
         * arena:   memory for intermediate results, whose content does not matter before and after a call; two calls at the
         *          same time need one each; NULL if it has 0 bytes
         * Both are aligned to {upper}_ALIGNMENT_BYTES bytes. */
        #ifndef {upper}_H
        #define {upper}_H

        #include <stdint.h>

        #ifdef __cplusplus
        extern "C" {{
        #endif

        #define {upper}_ALIGNMENT_BYTES {ALIGNMENT_BYTES}
        #define {upper}_WEIGHTS_BYTES {weights.block.size}
        /* For any of the functions. */
        #define {upper}_ARENA_BYTES {largest}
        """
    parts = [dedent(text)]
    if 0 < weights.block.size <= MOST_BYTES_IN_C:
        parts.append(dedent(in_c))
    for entry, start in zip(entries, weights.starts, strict=True):
        parts.append("\n" + "".join(_declared(name, entry, start)))
    parts.append("\n#ifdef __cplusplus\n}\n#endif\n\n#endif\n")
    return "".join(parts)


def _declared(name: str, entry: Entry, start: int) -> Iterator[str]:
    prefix = f"{name}_{entry.name}".upper()
    yield f"#define {prefix}_ARENA_BYTES {entry.arena_bytes}\n"
    places = list(places_of(entry, start))
    if places:
        yield "/* Where its constants lie: bytes from the start of the weights. */\n"
    for number, place in enumerate(places):
        words = f"{place.name}: {place.words}" if place.name else place.words
        yield f"#define {prefix}_WEIGHT_{number}_OFFSET {place.start} /* {_in_comment(words)} */\n"
    yield "\n/* " + f"{name}_{entry.name}: {_operations(entry)}\n *\n"
    for kind, arguments in (("in ", entry.inputs), ("out", entry.outputs)):
        for each in arguments:
            yield f" * {kind} {each.name}: {_described(each)}\n"
    checks = [entry.program.instructions[origin].operation.name for origin in entry.region.status_origins]
    for number, check in enumerate(checks):
        yield f" * Returns {number + 1} where an index of {_in_comment(check)} is out of bounds; the outputs then hold no results.\n"
    yield f" */\n{prototype(name, entry)};\n"


def _operations(entry: Entry) -> str:
    names = dict.fromkeys(entry.program.instructions[at].operation.name for at in sorted(entry.compiled.lowered))
    listed = _in_comment(", ".join(names))
    return listed if len(listed) <= 90 else f"{listed[:87].rpartition(',')[0]}, ..."


def _described(argument: Argument) -> str:
    size = num_elements(argument) * stored_dtype(argument.type.dtype).itemsize
    order = "" if argument.order == tuple(range(argument.type.ndim)) else f", axes in memory {list(argument.order)}"
    parts = ", each number its real and its imaginary part" if argument.type.dtype.kind == "c" else ""
    return f"{argument.type}, {size} bytes{order}{parts}"


def _in_comment(text: str) -> str:
    return text.replace("*/", "* /").replace("/*", "/ *").replace("\n", " ")


def prototype(name: str, entry: Entry) -> str:
    """Return the declaration of a function without its semicolon."""
    inputs = [f"const {c_type(each)} *{each.name}" for each in entry.inputs]
    outputs = [f"{c_type(each)} *{each.name}" for each in entry.outputs]
    return f"int {name}_{entry.name}({', '.join([*inputs, *outputs, 'const void *weights', 'void *arena'])})"


def source_text(name: str, entry: Entry, start: int) -> str:
    """Return the C file of a function: its kernels, and the function."""
    about = f"/* {name}_{entry.name} for {entry.target.name}: kernels first, then the functions that run them in order. */\n"
    includes = f'#include "{name}.h"\n\n#include <stddef.h>\n\n{_FOR_CLANG}'
    return f"{about}{includes}{standalone_text(entry.compiled.source)}\n{_function(name, entry, start)}"


def _function(name: str, entry: Entry, start: int) -> str:
    num_status = entry.region.num_status
    inputs, outputs = _tables(entry)
    if num_status:
        outputs.append("status")
    body = [
        *([f"int64_t status[{num_status}];"] if num_status else []),
        f"void *const inputs[{len(inputs) or 1}] = {{{', '.join(inputs) or 'NULL'}}};",
        f"void *const outputs[{len(outputs)}] = {{{', '.join(outputs)}}};",
        f"{RUN_FUNCTION}(inputs, outputs, {_constants(entry, start)}, (unsigned char *)arena);",
    ]
    if num_status:
        body += [f"for (int check = 0; check < {num_status}; ++check) {{", "    if (status[check]) {"]
        body += ["        return check + 1;", "    }", "}"]
    unused = [each.name for each in entry.inputs if not any(f"){each.name}" in text for text in inputs)]
    body = [*(f"(void){each};" for each in unused), *body, "return 0;"]
    return f"{prototype(name, entry)} {{\n{indent(chr(10).join(body), '    ')}\n}}\n"


def _constants(entry: Entry, start: int) -> str:
    if not start:
        return "(const unsigned char *)weights"
    return f"(const unsigned char *)weights + {start}"


def _tables(entry: Entry) -> tuple[list[str], list[str]]:
    """Return the pointers of the region's inputs and outputs, in its order."""
    compiled = entry.compiled
    inputs = dict(zip(compiled.inputs, entry.inputs, strict=True))
    outputs = {
        view.buffer: each for view, each in zip(compiled.outputs, entry.outputs, strict=True) if isinstance(view, View)
    }
    missing = [
        buffer for buffer in (*entry.region.inputs, *entry.region.outputs) if buffer not in {**inputs, **outputs}
    ]
    if missing or len(outputs) != len(entry.outputs):
        raise UnsupportedOperationError(
            f"export: an output of {entry.name} is no value of its own, but an input, a constant or another output; expected outputs that"
            " are computed from the inputs; leave it away"
        )
    return (
        [f"(void *)(uintptr_t){inputs[buffer].name}" for buffer in entry.region.inputs],
        [outputs[buffer].name for buffer in entry.region.outputs],
    )
