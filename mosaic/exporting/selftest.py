"""The self-test of a library: runs every function on recorded inputs, and compares with recorded outputs.

It is the only file that prints, and reads files where the data are too large for C. Its memory is static.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from textwrap import dedent, indent
from typing import Final

import numpy as np

from composit.operation import Array
from mosaic.exporting.entries import Argument, Entry
from mosaic.exporting.sources import c_type, num_elements
from mosaic.exporting.weights import MOST_BYTES_IN_C, Weights, array_text
from mosaic.ir.complex_parts import as_stored

MOST_ULP: Final = 256
"""How far an output may be from what was recorded, in units of the last place of its largest element.

Sums of another order and processors without fused products differ in some of these; a wrong kernel differs in millions."""

_SUPPORT: Final = dedent("""
    static int failures;

    /* Reads a file into memory of its size. */
    static void read_file(const char *folder, const char *name, void *memory, size_t num_bytes) {
        char path[1024];
        FILE *file;
        int length = snprintf(path, sizeof path, "%s/%s", folder, name);
        if (length < 0 || (size_t)length >= sizeof path || !(file = fopen(path, "rb"))) {
            printf("%s/%s cannot be opened; pass the folder that holds it\\n", folder, name);
            exit(2);
        }
        if (fread(memory, 1, num_bytes, file) != num_bytes || fgetc(file) != EOF) {
            printf("%s does not have the %lu bytes expected; export the library again\\n", path, (unsigned long)num_bytes);
            exit(2);
        }
        fclose(file);
    }
""")
_FLOATS: Final = dedent("""
    /* Compares numbers. `digits` are those of the mantissa, with the first one. */
    static void compare_@type@(const char *what, const @type@ *got, const @type@ *expected, size_t count) {
        double largest = 0, difference = 0, nearest = 0;
        size_t wrong = 0;
        for (size_t i = 0; i < count; ++i) {
            double size = fabs((double)expected[i]);
            if (size <= @max@ && size > largest) {
                largest = size;
            }
        }
        for (size_t i = 0; i < count; ++i) {
            double a = (double)got[i], b = (double)expected[i], apart = fabs(a - b);
            if (a == b || (a != a && b != b)) {
                continue;
            }
            if (!(apart <= @max@)) {
                ++wrong;
                continue;
            }
            if (apart > difference) {
                difference = apart;
            }
            if (apart / unit_of(fabs(b), @digits@) > nearest) {
                nearest = apart / unit_of(fabs(b), @digits@);
            }
        }
        difference /= unit_of(largest, @digits@);
        printf("%s: largest error %.0f ulp, %.1f ulp of the largest element\\n", what, nearest, difference);
        if (wrong || difference > (double)MOST_ULP) {
            printf("FAILED: %s differs; %lu elements are no numbers or infinite\\n", what, (unsigned long)wrong);
            ++failures;
        }
    }
""")
_UNIT: Final = dedent("""
    /* The distance of a number from the next larger one. */
    static double unit_of(double size, int digits) {
        int exponent = 0;
        frexp(size, &exponent);
        if (size == 0 || exponent < -100) {
            exponent = -100;
        }
        return ldexp(1.0, exponent - digits);
    }
""")
_EXACT: Final = dedent("""
    /* Compares integers and truth values. */
    static void compare_exactly(const char *what, const void *got, const void *expected, size_t num_bytes) {
        int is_equal = memcmp(got, expected, num_bytes) == 0;
        printf("%s: %s\\n", what, is_equal ? "equal" : "FAILED: differs");
        failures += !is_equal;
    }
""")


@dataclass(frozen=True, slots=True, eq=False)
class Recorded:
    """Arrays as bytes in memory order, behind each other and aligned to 8, and where each starts: inputs, then outputs."""

    content: bytes
    starts: tuple[tuple[int, ...], ...]

    @property
    def is_in_c(self) -> bool:
        """Whether the self-test holds them as C."""
        return len(self.content) <= MOST_BYTES_IN_C


def record(entries: Sequence[Entry]) -> Recorded:
    """Return the inputs of all entries and what they should give."""
    content, starts = bytearray(), list[tuple[int, ...]]()
    for entry in entries:
        own = []
        for argument, array in _arrays(entry):
            own.append(len(content))
            # An array in the axes' order in memory.
            content += as_stored(np.ascontiguousarray(array.transpose(argument.order))).tobytes()
            content += bytes(-len(content) % 8)
        starts.append(tuple(own))
    return Recorded(bytes(content), tuple(starts))


def _arrays(entry: Entry) -> Iterator[tuple[Argument, Array]]:
    yield from zip(entry.inputs, entry.given, strict=True)
    expected = entry.expected(entry.given)
    for argument, array in zip(entry.outputs, expected, strict=True):
        yield argument, np.asarray(array, argument.type.dtype).reshape(argument.type.shape)


def selftest_text(name: str, entries: Sequence[Entry], weights: Weights, recorded: Recorded) -> str:
    """Return the program."""
    kinds = {c_type(each) for entry in entries for each in entry.outputs}
    reads = _reads(name, weights, recorded)
    parts = [
        f"/* Runs the functions of {name} on recorded inputs: `make test`. The first argument is the folder of the .bin files. */\n",
        f'#include "{name}.h"\n\n#include <math.h>\n#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n\n',
        "#if defined(__GNUC__)\n#define ALIGNED __attribute__((aligned(64)))\n#else\n#define ALIGNED\n#endif\n\n",
        f"enum {{ MOST_ULP = {MOST_ULP} }};\n",
        f"static ALIGNED unsigned char arena[{name.upper()}_ARENA_BYTES + 1];\n",
        *_data(name, weights, recorded),
        _SUPPORT if reads else "\nstatic int failures;\n",
        _UNIT if kinds & {"float", "double"} else "",
        *(_of_type(kind) for kind in ("float", "double") if kind in kinds),
        _EXACT if kinds - {"float", "double"} else "",
        *(_test(name, entry, starts) for entry, starts in zip(entries, recorded.starts, strict=True)),
        "\nint main(int num_arguments, char **arguments) {\n",
        "" if not reads else '    const char *folder = num_arguments > 1 ? arguments[1] : ".";\n',
        *(reads or ["    (void)num_arguments;\n    (void)arguments;\n"]),
        *(f"    test_{entry.name}();\n" for entry in entries),
        '    printf("%s\\n", failures ? "FAILED" : "all outputs are as recorded");\n    return failures != 0;\n}\n',
    ]
    return "".join(parts)


def _of_type(kind: str) -> str:
    digits, most = ("24", "3.4028234663852886e38") if kind == "float" else ("53", "1.7976931348623157e308")
    return _FLOATS.replace("@type@", kind).replace("@digits@", digits).replace("@max@", most)


def _data(name: str, weights: Weights, recorded: Recorded) -> Iterator[str]:
    if recorded.is_in_c:
        yield "static " + array_text("recorded", recorded.content)
    else:
        yield f"static uint64_t recorded[{-(-len(recorded.content) // 8)}];\n"
    if weights.block.size > MOST_BYTES_IN_C:
        yield f"static ALIGNED unsigned char {name}_weights[{name.upper()}_WEIGHTS_BYTES];\n"


def _reads(name: str, weights: Weights, recorded: Recorded) -> list[str]:
    found = []
    if weights.block.size > MOST_BYTES_IN_C:
        found.append(f'    read_file(folder, "{name}_weights.bin", {name}_weights, sizeof {name}_weights);\n')
    if not recorded.is_in_c:
        found.append(f'    read_file(folder, "{name}_recorded.bin", recorded, {len(recorded.content)});\n')
    return found


def _test(name: str, entry: Entry, starts: Sequence[int]) -> str:
    """Return the function that tests one entry."""
    num_inputs = len(entry.inputs)
    arguments = [
        f"({_pointer(each)})({start} + (const char *)recorded)"
        for each, start in zip(entry.inputs, starts, strict=False)
    ]
    outputs = [f"output_{number}" for number in range(len(entry.outputs))]
    weights = f"{name}_weights" if entry_has_weights(entry) else "NULL"
    declared = [
        f"static {c_type(each)} {own}[{num_elements(each)}];" for own, each in zip(outputs, entry.outputs, strict=True)
    ]
    call = f"{name}_{entry.name}({', '.join([*arguments, *outputs, weights, 'arena'])})"
    said = f'    printf("FAILED: {entry.name} returned %d\\n", status);'
    body = [*declared, f"int status = {call};", "if (status) {", said, "    ++failures;", "}"]
    for own, each, start in zip(outputs, entry.outputs, starts[num_inputs:], strict=True):
        what = f'"{entry.name}: {each.name}"'
        expected = f"({_pointer(each)})({start} + (const char *)recorded)"
        if c_type(each) in ("float", "double"):
            body.append(f"compare_{c_type(each)}({what}, {own}, {expected}, {num_elements(each)});")
        else:
            body.append(f"compare_exactly({what}, {own}, {expected}, sizeof {own});")
    return f"\nstatic void test_{entry.name}(void) {{\n{indent(chr(10).join(body), '    ')}\n}}\n"


def entry_has_weights(entry: Entry) -> bool:
    """Return whether the function reads constants."""
    return any(place.start is not None for place in entry.compiled.constants.values())


def _pointer(argument: Argument) -> str:
    return f"const {c_type(argument)} *"
