"""The C of a kernel as text, for people: its functions, those that it calls, and the helpers they need."""

from __future__ import annotations

import numpy as np

from composit.kernels.language import Unit
from mosaic import c
from mosaic.c.helpers import in_dependency_order
from mosaic.kernels.functions import facts_of, unit_helper
from mosaic.kernels.scalar_c import DOUBLE, FLOAT32


def kernel_text(unit: Unit, float_dtype: np.dtype) -> str:
    """Return the C functions of a unit."""
    floats = FLOAT32 if float_dtype == np.float32 else DOUBLE
    items = list(dict.fromkeys(in_dependency_order((unit_helper(facts_of(unit, floats)),))))
    includes = [c.declaration_item_text(item).strip("\n") for item in items if isinstance(item, c.Include)]
    others = [c.declaration_item_text(item).strip("\n") for item in items if not isinstance(item, c.Include)]
    return "\n\n".join(["\n".join(includes), *others]) + "\n"
