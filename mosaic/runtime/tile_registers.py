"""The system's leave to use tile registers (AMX), which a Linux process must ask for once."""

from __future__ import annotations

import ctypes
import errno
import os
from functools import lru_cache

from composit.errors import CompileError

_ARCH_PRCTL = 158  # x86-64's number of the call
_REQUEST, _TILE_DATA = 0x1023, 18  # ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA (Documentation/arch/x86/xstate.rst)


@lru_cache(maxsize=1)
def allow_tile_registers() -> None:
    """Ask for this process and its future threads and children; the answer holds as long as it lives.

    Raises:  CompileError: the system refuses
    """
    call = ctypes.CDLL(None, use_errno=True).syscall
    call.restype = ctypes.c_long
    if call(ctypes.c_long(_ARCH_PRCTL), ctypes.c_long(_REQUEST), ctypes.c_long(_TILE_DATA)):
        code = ctypes.get_errno()
        name = errno.errorcode.get(code, str(code))
        raise CompileError(
            f"the system refuses the tile registers that precision='bfloat16' uses here (arch_prctl: {name}, {os.strerror(code)});"
            " expected Linux 5.16 or newer with AMX enabled; compile with target='x86-64-v4+avx512-bf16', or in float32"
        )
