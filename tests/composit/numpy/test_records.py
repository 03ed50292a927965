"""Functions on arrays of records, and arrays of numpy's classes made of tensors: numpy's own, on real records."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.lib.recfunctions  # numpy itself does not bring it
import pytest

import composit as cnp
from composit.types import LazyTensor
from tests.composit.numpy.side_by_side import Program, assert_agree


def _rows(xp: Any) -> Any:
    return xp.array([("A", 1.0), ("B", 2.0)], dtype=[("name", "S3"), ("value", "f8")])


PROGRAMS: list[Program] = [
    lambda xp: xp.lib.recfunctions.merge_arrays(_rows(xp)),
    lambda xp: xp.lib.recfunctions.merge_arrays((_rows(xp), xp.arange(2)), flatten=True),
    lambda xp: xp.lib.recfunctions.structured_to_unstructured(_rows(xp)[["value"]]),
    lambda xp: xp.lib.recfunctions.unstructured_to_structured(xp.arange(6).reshape(3, 2)),
    lambda xp: xp.lib.recfunctions.rename_fields(_rows(xp), {"value": "number"}),
    lambda xp: xp.lib.recfunctions.drop_fields(_rows(xp), "name", usemask=False),
    lambda xp: xp.lib.recfunctions.append_fields(_rows(xp), "more", xp.arange(2), usemask=False),
    lambda xp: xp.lib.recfunctions.get_names(_rows(xp).dtype),
]


@pytest.mark.parametrize("program", PROGRAMS)
def test_functions_of_records_are_numpys(program: Program) -> None:
    assert_agree(program)


def test_functions_that_write_to_records_write_to_tensors() -> None:
    def assigned(xp: Any) -> Any:
        result = xp.zeros(2, [("value", "f4"), ("name", "S3")])
        xp.lib.recfunctions.assign_fields_by_name(result, _rows(xp))
        return result

    def filled(xp: Any) -> Any:
        result = xp.zeros(3, [("name", "S3"), ("value", "f8")])
        return xp.lib.recfunctions.recursive_fill_fields(_rows(xp), result), result

    assert_agree(assigned)
    assert_agree(filled)
    assert isinstance(assigned(cnp), LazyTensor)


@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
@pytest.mark.parametrize(
    "make",
    [
        lambda xp: xp.char.asarray(xp.array([b"abc", b"d"])),
        lambda xp: xp.asmatrix(xp.array([b"abc", b"d"]))[0],
    ],
)
def test_arrays_of_numpys_classes_can_be_written_to(make: Program) -> None:
    def written(xp: Any) -> Any:
        made = make(xp)
        made[..., 0] = b"x"
        return made.tolist(), type(made)

    assert written(cnp) == written(np)
    assert cnp.rec.array(_rows(cnp), copy=False).flags.writeable
