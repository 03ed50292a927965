"""numpy's settings (seterr, ...) and facts about its installation: numpy's own functions, so that there is one state.

May import numpy only.
"""

from numpy import (
    get_include,
    getbufsize,
    geterr,
    geterrcall,
    info,
    setbufsize,
    seterr,
    seterrcall,
    show_config,
    show_runtime,
)

__all__ = [
    "get_include",
    "getbufsize",
    "geterr",
    "geterrcall",
    "info",
    "setbufsize",
    "seterr",
    "seterrcall",
    "show_config",
    "show_runtime",
]
