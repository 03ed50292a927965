"""Stacks in C: what a loop needs on its way back, in memory that grows and that all elements of a task use one after the other."""

from __future__ import annotations

from mosaic import c
from mosaic.c.helpers import Helper

MOST_ENTRIES = 1 << 27
"""A stack takes 1 GiB at most; an element that needs more fails, and the call raises."""

TOO_DEEP = -1
"""The status of a stack that is full, or for which there is no memory."""

_TAPE_TEXT = """\
/* A number on a stack, and a stack. */
union kernel_entry {
    double real;
    int64_t whole;
};

typedef struct {
    union kernel_entry *entries;
    int64_t size, capacity;
} kernel_tape;
"""

_PUSH_TEXT = f"""\
/* Returns the place of a new entry. Where there is no memory for it, the status says so, and the last entry is used again. */
static inline union kernel_entry *kernel_push(kernel_tape *tape, int64_t *status)
{{
    if (tape->size == tape->capacity) {{
        int64_t capacity = tape->capacity ? 2 * tape->capacity : 256;
        union kernel_entry *entries = 0;
        if (capacity <= {MOST_ENTRIES}) {{
            entries = realloc(tape->entries, (size_t)capacity * sizeof *entries);
        }}
        if (!entries) {{
            static union kernel_entry nothing;
            *status = {TOO_DEEP};
            if (!tape->size) {{
                return &nothing;
            }}
            --tape->size;
        }} else {{
            tape->entries = entries;
            tape->capacity = capacity;
        }}
    }}
    return tape->entries + tape->size++;
}}
"""

_POP_TEXT = """\
/* Returns the last entry, which is no longer on the stack. An empty one, after a failure, gives its first again. */
static inline union kernel_entry *kernel_pop(kernel_tape *tape)
{
    static union kernel_entry nothing;
    if (!tape->size) {
        return &nothing;
    }
    return tape->entries + --tape->size;
}
"""

TAPE = Helper("kernel_tape", (c.Include("stdint.h"), c.Include("stdlib.h"), c.Verbatim(_TAPE_TEXT)))
PUSH = Helper("kernel_push", (c.Verbatim(_PUSH_TEXT),), (TAPE,))
POP = Helper("kernel_pop", (c.Verbatim(_POP_TEXT),), (TAPE,))
