"""The interface between generated C and the runtime: one header text, one exported signature, one version number.

Emitted C includes `RUNTIME_HEADER` verbatim; the thread pool is compiled against it and cffi parses the same text, so
the three cannot drift apart. `ABI_VERSION` is part of every cache key and changes with the header or the signature.
"""

from pathlib import Path
from typing import Final

ABI_VERSION: Final = 3

_DIRECTORY: Final = Path(__file__).parent

RUNTIME_HEADER: Final = (_DIRECTORY / "abi.h").read_text(encoding="utf-8")
"""What emitted C includes: `struct mosaic_runtime`."""

CALL_HEADER: Final = (_DIRECTORY / "invoke.h").read_text(encoding="utf-8")
"""What only the process that runs the code needs: `struct mosaic_call` and `struct mosaic_watch`."""

# The headers are without includes, because cffi reads them too.
_INCLUDES: Final = "#define _GNU_SOURCE\n#include <stdint.h>"

RUNTIME_SOURCE: Final = "\n".join(
    [
        _INCLUDES,
        *(
            (_DIRECTORY / name).read_text(encoding="utf-8")
            for name in ("abi.h", "invoke.h", "pool.c", "invoke.c", "builtin.c")
        ),
    ]
)
"""The C text of the runtime library."""

RUN_SYMBOL: Final = "mosaic_run"

RUN_PARAMETERS: Final = (
    "void *const *inputs, void *const *outputs, const unsigned char *constants, unsigned char *arena, "
    "const struct mosaic_runtime *runtime"
)


def run_declaration() -> str:
    """The C declaration, without semicolon, of the exported function of this interface."""
    return f"void {RUN_SYMBOL}({RUN_PARAMETERS})"


ABI_SYMBOL: Final = "mosaic_abi"

ABI_MARK: Final = f"\nconst int {ABI_SYMBOL} = {ABI_VERSION};\n"
"""What every compiled text ends with, so that a library says which interface it was made for."""
