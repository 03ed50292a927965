"""Tables looked up lane by lane, by one instruction or by loads."""

from pathlib import Path

import numpy as np
import pytest

from mosaic import c
from mosaic.c.helpers import Helper
from mosaic.targets import get_target
from mosaic.vector.lookup import lookup
from mosaic.vector.memory import load, store
from mosaic.vector.vector_types import VectorType, vector_type
from tests.mosaic.compiled_helpers import call, load_helpers

VALUES = tuple(float(number) for number in range(100, 116))


def looked_up(vector: VectorType) -> Helper:
    """A C function ``look_up(indices, y)`` for one vector."""
    function = lookup("hundreds", VALUES, vector)
    indices, y = c.Name("indices"), c.Name("y")
    body = (c.ExpressionStatement(store(vector)(y, function(load(vector.mask)(indices)))),)
    parameters = (
        c.Parameter(c.const_pointer(vector.mask.element.ctype), "indices"),
        c.Parameter(c.pointer(vector.element.ctype), "y"),
    )
    requires = (function, load(vector.mask), store(vector))
    return Helper("look_up", (c.Function("look_up", c.void, parameters, body),), requires)


@pytest.mark.parametrize("target_name", [None, "x86-64-v3", "x86-64-v2"])
@pytest.mark.parametrize("lanes", [4, 8, 16])
def test_the_low_four_bits_of_each_lane_choose_the_entry(target_name: str | None, lanes: int, tmp_path: Path) -> None:
    target = get_target(target_name)
    if lanes > target.lanes(4):
        lanes = target.lanes(4)
    library = load_helpers([looked_up(vector_type(np.dtype("float32"), lanes))], tmp_path, target)
    for start in range(0, 32, lanes):
        indices = np.arange(start - 7, start - 7 + lanes, dtype=np.int32)
        result = np.empty(lanes, np.float32)
        call(library, "look_up", indices, result)
        np.testing.assert_array_equal(result, np.array(VALUES, np.float32)[indices & 15])


def test_a_table_has_16_numbers_for_lanes_of_float32() -> None:
    with pytest.raises(ValueError, match=r"a table 'few' of 2 numbers.*lanes of f32.*expected 16 numbers"):
        lookup("few", (1.0, 2.0), vector_type(np.dtype("float32"), 8))
    with pytest.raises(ValueError, match="lanes of f64"):
        lookup("wide", VALUES, vector_type(np.dtype("float64"), 8))
