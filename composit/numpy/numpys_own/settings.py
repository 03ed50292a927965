"""numpy's settings and facts about its installation: numpy's own functions, since there is one state of both.

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
