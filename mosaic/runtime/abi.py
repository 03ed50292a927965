"""The interface between generated C and the runtime: one header text, one exported signature, one version number.

Emitted C includes `RUNTIME_HEADER` verbatim; the thread pool is compiled against it and cffi parses the same text, so
the three cannot drift apart. `ABI_VERSION` is part of every cache key and changes with the header or the signature.
"""

from pathlib import Path
from typing import Final

ABI_VERSION: Final = 1

RUNTIME_HEADER: Final = (Path(__file__).parent / "abi.h").read_text(encoding="utf-8")

RUN_SYMBOL: Final = "mosaic_run"

RUN_PARAMETERS: Final = (
    "void *const *inputs, void *const *outputs, const unsigned char *constants, unsigned char *arena, "
    "const struct mosaic_runtime *runtime"
)


def run_declaration(symbol: str = RUN_SYMBOL) -> str:
    """The C declaration, without semicolon, of an exported function of this interface."""
    return f"void {symbol}({RUN_PARAMETERS})"
