"""Makefile, CMakeLists.txt and README of a library."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import dedent

from mosaic.exporting.entries import Entry
from mosaic.exporting.sources import prototype
from mosaic.exporting.weights import MOST_BYTES_IN_C, Weights
from mosaic.targets import Target, arithmetic_flags

LANGUAGE_FLAGS = ("-fwrapv", "-fno-strict-aliasing")
"""Integers wrap as numpy's do; memory of the arena holds elements of several types in turn."""


def target_flags(target: Target) -> str:
    """Return the flags that name the processor."""
    return " ".join(each for each in target.flags if each not in arithmetic_flags)


def makefile_text(name: str, objects: Sequence[str], target: Target) -> str:
    """Return the Makefile: `make`, `make test`, `make clean`."""
    flags = " ".join((*arithmetic_flags, *LANGUAGE_FLAGS))
    text = f"""\
        # Builds lib{name}.a and its self-test, with any gcc or clang:
        #   make; make test
        #   make CC=aarch64-linux-gnu-gcc ARCH=-march=armv8-a
        CC ?= cc
        AR ?= ar
        # The processor. The code needs no more than these say.
        ARCH ?= {target_flags(target)}
        CFLAGS ?= -O3
        WARNINGS ?= -Wall -Wextra -Wconversion -pedantic
        # What the meaning of the code depends on; never -ffast-math.
        STANDARD = -std=c11 {flags}
        OBJECTS = {" ".join(f"{each}.o" for each in objects)}

        all: lib{name}.a {name}_selftest

        lib{name}.a: $(OBJECTS)
        \t$(AR) rcs $@ $(OBJECTS)

        {name}_selftest: {name}_selftest.o lib{name}.a
        \t$(CC) $(CFLAGS) $(ARCH) $(LDFLAGS) -o $@ {name}_selftest.o lib{name}.a -lm

        %.o: %.c {name}.h
        \t$(CC) $(CFLAGS) $(STANDARD) $(ARCH) $(WARNINGS) -c -o $@ $<

        test: {name}_selftest
        \t$(RUN) ./{name}_selftest .

        clean:
        \trm -f *.o lib{name}.a {name}_selftest

        .PHONY: all test clean
        """
    return dedent(text).replace(" \n", "\n")


def cmake_text(name: str, sources: Sequence[str], target: Target) -> str:
    """Return the CMakeLists.txt: a library, a self-test and a test of ctest."""
    flags = " ".join((*arithmetic_flags, *LANGUAGE_FLAGS))
    text = f"""\
        cmake_minimum_required(VERSION 3.10)
        project({name} C)

        set(MOSAIC_ARCH "{target_flags(target)}" CACHE STRING "flags that name the processor")
        separate_arguments(MOSAIC_ARCH_FLAGS UNIX_COMMAND "${{MOSAIC_ARCH}}")

        add_library({name} STATIC {" ".join(f"{each}.c" for each in sources)})
        target_include_directories({name} PUBLIC ${{CMAKE_CURRENT_SOURCE_DIR}})
        target_compile_options({name} PRIVATE -O3 {flags} ${{MOSAIC_ARCH_FLAGS}})
        target_link_libraries({name} PUBLIC m)
        set_target_properties({name} PROPERTIES C_STANDARD 11 C_EXTENSIONS OFF)

        add_executable({name}_selftest {name}_selftest.c)
        target_link_libraries({name}_selftest {name})
        set_target_properties({name}_selftest PROPERTIES C_STANDARD 11 C_EXTENSIONS OFF)
        enable_testing()
        add_test(NAME {name}_selftest COMMAND {name}_selftest ${{CMAKE_CURRENT_SOURCE_DIR}})
        """
    return dedent(text)


def readme_text(name: str, entries: Sequence[Entry], weights: Weights, files: Sequence[str]) -> str:
    """Return the page that says what is in the folder and how a program uses it."""
    target = entries[0].target
    functions = "\n".join(f"    {prototype(name, entry)};" for entry in entries)
    size, arena = weights.block.size, max(entry.arena_bytes for entry in entries)
    if size > MOST_BYTES_IN_C:
        how = f"Map or read the {size} bytes of `{name}_weights.bin` into memory and pass their address: there is nothing to parse."
    elif size:
        how = f"`{name}_weights.c` defines `{name}_weights`, {size} bytes; `{name}_weights.bin` has the same, to load instead."
    else:
        how = "There are no weights: pass NULL."
    return f"""# {name}

C11 with the vector extensions of gcc and clang, for {target.name}. No heap, no threads, no files: a call uses its
arguments, {arena} bytes of arena and some kilobytes of stack (it runs in 64 KB).

{functions}

`{name}.h` says what each takes and returns. {how}

    make            # lib{name}.a, without warnings
    make test       # runs the functions on recorded inputs and compares with recorded outputs
    cmake -B build && cmake --build build && ctest --test-dir build

For another processor of the same kind set `CC` and `ARCH`; for one with other vectors export again with its `target`, since the
weights lie in memory as the vectors want them. The machine must be little-endian.

The flags in the Makefile belong to the code: products and sums are not contracted, integers wrap, memory of the arena changes its
type. Do not use `-ffast-math`.

Files: {", ".join(files)}
"""
