"""Strings: numpy's functions on tensors of strings, computed at the call."""

import numpy as np
import pytest

import composit as cnp
from tests.composit.numpy.comparison import assert_same, assert_same_error

WORDS = np.array(["ab c", " d ", "EF"])

CALLS = {
    "upper": lambda xp: xp.strings.upper(xp.asarray(WORDS)),
    "find": lambda xp: xp.strings.find(xp.asarray(WORDS), "c"),
    "isupper": lambda xp: xp.strings.isupper(xp.asarray(WORDS)),
    "str_len": lambda xp: xp.strings.str_len(xp.asarray(WORDS)),
    "add": lambda xp: xp.strings.add(xp.asarray(WORDS), "x"),
    "equal": lambda xp: xp.strings.equal(xp.asarray(WORDS), "EF"),
    "partition": lambda xp: xp.strings.partition(xp.asarray(WORDS), " "),
    "encode": lambda xp: xp.strings.encode(xp.asarray(WORDS)),
    "multiply": lambda xp: xp.char.multiply(xp.asarray(WORDS), 2),
    "equal but for white space": lambda xp: xp.char.equal(xp.asarray(WORDS), "EF  "),
    "split": lambda xp: xp.char.split(xp.asarray(WORDS)),
    "join": lambda xp: xp.char.join("-", xp.asarray(WORDS)),
}


@pytest.mark.parametrize("name", CALLS)
def test_functions_of_strings_give_what_numpys_do(name):
    assert_same(CALLS[name])


def test_errors_are_numpys():
    assert_same_error(lambda xp: xp.strings.index(xp.asarray(WORDS), "z"))
    assert_same_error(lambda xp: xp.strings.upper(xp.asarray([1, 2])))


def test_arrays_of_class_chararray_are_numpys():
    assert type(cnp.char.asarray(cnp.asarray(WORDS))) is np.char.chararray
    assert cnp.char.chararray is np.char.chararray
