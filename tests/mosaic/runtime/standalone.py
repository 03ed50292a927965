"""A `main` around generated C, for programs that run without Python: under sanitizers, debuggers, on other machines.

The program takes paths: first the constants, then one file for each input, then one for each output, all raw bytes in
C order. Memory has exactly the planned sizes, so that a sanitizer sees the first byte beyond.
"""

from textwrap import dedent
from typing import Final

import numpy as np

from mosaic.runtime.abi import RUN_SYMBOL
from mosaic.runtime.arguments import ArrayType, Signature

_SUPPORT: Final = dedent("""
    #include <stdio.h>
    #include <stdlib.h>
    #include <time.h>

    /* The runtime of a program with one thread. */
    static void run_serially(const struct mosaic_runtime *runtime,
                             void (*body)(void *context, long task, long thread), void *context, long num_tasks) {
        (void)runtime;
        for (long task = 0; task < num_tasks; task++) body(context, task, 0);
    }

    static long long clock_ns(void) {
        struct timespec now;
        timespec_get(&now, TIME_UTC);
        return (long long)now.tv_sec * 1000000000 + now.tv_nsec;
    }

    static void stop(const char *problem, const char *path) {
        fprintf(stderr, "%s: %s\\n", problem, path);
        exit(1);
    }

    static void *allocate(size_t num_bytes) {
        void *memory = NULL;
        if (posix_memalign(&memory, 64, num_bytes ? num_bytes : 1) != 0) stop("no memory", "");
        return memory;
    }

    static void *read_file(const char *path, size_t num_bytes) {
        void *memory = allocate(num_bytes);
        FILE *file = fopen(path, "rb");
        if (file == NULL || fread(memory, 1, num_bytes, file) != num_bytes || fgetc(file) != EOF)
            stop("cannot be read, or has another length than the program was compiled for", path);
        fclose(file);
        return memory;
    }

    static void write_file(const char *path, const void *memory, size_t num_bytes) {
        FILE *file = fopen(path, "wb");
        if (file == NULL || fwrite(memory, 1, num_bytes, file) != num_bytes || fclose(file) != 0)
            stop("cannot be written", path);
    }
""")

_MAIN: Final = dedent("""
    int main(int num_arguments, char **arguments) {{
        static const size_t input_bytes[] = {{{input_bytes}}}, output_bytes[] = {{{output_bytes}}};
        enum {{ NUM_INPUTS = {num_inputs}, NUM_OUTPUTS = {num_outputs} }};
        void *inputs[NUM_INPUTS + 1], *outputs[NUM_OUTPUTS + 1];
        if (num_arguments != 2 + NUM_INPUTS + NUM_OUTPUTS)
            stop("usage: CONSTANTS, then {num_inputs} inputs, then {num_outputs} outputs", arguments[0]);
        char **paths = arguments + 1;
        unsigned char *constants = read_file(*paths++, {constant_bytes});
        for (int i = 0; i < NUM_INPUTS; i++) inputs[i] = read_file(*paths++, input_bytes[i]);
        for (int i = 0; i < NUM_OUTPUTS; i++) outputs[i] = allocate(output_bytes[i]);
        unsigned char *arena = allocate({arena_bytes});
        const struct mosaic_runtime runtime = {{run_serially, clock_ns, NULL, 1, NULL, 0}};
        {symbol}(inputs, outputs, constants, arena, &runtime);
        for (int i = 0; i < NUM_OUTPUTS; i++) write_file(*paths++, outputs[i], output_bytes[i]);
        free(arena);
        free(constants);
        for (int i = 0; i < NUM_INPUTS; i++) free(inputs[i]);
        for (int i = 0; i < NUM_OUTPUTS; i++) free(outputs[i]);
        return 0;
    }}
""")


def standalone_main(source: str, signature: Signature, num_constant_bytes: int = 0, symbol: str = RUN_SYMBOL) -> str:
    """The C text of a whole program: the generated code, a serial runtime and a `main`."""
    main = _MAIN.format(
        input_bytes=_byte_counts(signature.inputs),
        output_bytes=_byte_counts(signature.outputs),
        num_inputs=len(signature.inputs),
        num_outputs=len(signature.outputs),
        constant_bytes=num_constant_bytes,
        arena_bytes=signature.arena_bytes,
        symbol=symbol,
    )
    return f"{source}{_SUPPORT}{main}"


def _byte_counts(types: tuple[ArrayType, ...]) -> str:
    """The sizes as an initialiser, which C does not allow to be empty."""
    return ", ".join(str(int(np.prod(one.shape, dtype=np.int64)) * one.dtype.itemsize) for one in types) or "0"
