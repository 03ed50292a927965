import subprocess
import sys

import numpy as np
import pytest

from composit.errors import IdentityError
from composit.keys import digest, encode, fresh_token

VALUES = [
    0,
    0.0,
    -0.0,
    False,
    None,
    "",
    b"",
    (),
    (0,),
    (0.0,),
    ((),),
    1,
    True,
    1.0,
    1 + 0j,
    np.float32(1),
    np.float64(1),
]
VALUES += [np.dtype("float32"), np.dtype("float64"), slice(0), slice(0, None, 1), ..., "1", float("nan"), int, float]


def test_values_of_different_type_or_bits_have_different_keys():
    encoded = [encode(value) for value in VALUES]
    assert len(set(encoded)) == len(VALUES)


def test_equal_values_have_equal_keys():
    assert encode((1, "a", (2.5, None))) == encode((1, "a", (2.5, None)))


def test_a_list_of_parts_is_not_confused_with_another_of_the_same_bytes():
    assert digest(b"ab", b"c") != digest(b"a", b"bc")


def test_tokens_are_fresh():
    assert len({fresh_token() for _ in range(1000)}) == 1000


def test_tokens_differ_after_a_fork():
    program = (
        "import os; from composit.keys import fresh_token\n"
        "r, w = os.pipe()\n"
        "if os.fork() == 0: os.write(w, fresh_token()); os._exit(0)\n"
        "os.wait(); assert os.read(r, 100) != fresh_token()"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_keys_of_values_are_equal_in_every_process():
    program = "from composit.keys import encode; print(encode((1, 'a', 2.5)).hex())"
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program], check=True, capture_output=True, text=True, env=env
        ).stdout.strip()
        for env in ({"PYTHONHASHSEED": "1"}, {"PYTHONHASHSEED": "2"})
    }
    assert outputs == {encode((1, "a", 2.5)).hex()}


@pytest.mark.parametrize("value", [lambda: 0, object(), {1, 2}, np.zeros(3)])
def test_a_value_without_identity_is_refused(value):
    with pytest.raises(IdentityError, match="expected None, a number, a string"):
        encode(value)
