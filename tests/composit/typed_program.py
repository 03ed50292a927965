"""What type checkers see of both spellings; mypy reads this file with the sources, and a test runs it."""

from __future__ import annotations

from typing import Any, assert_type

import numpy as np

import composit
import composit.numpy as cnp
from composit import asarray, chain_rule, nn
from composit.numpy import *  # noqa: F403
from composit.numpy import LazyTensor, linalg
from composit.numpy.elementwise.functions import ElementwiseFunction

# Names that a checker has lost are `Any`, which is no LazyTensor to `assert_type`.
assert_type(composit.zeros((2, 3)), LazyTensor)
assert_type(cnp.zeros((2, 3)), LazyTensor)
assert_type(cos, ElementwiseFunction)  # noqa: F405
assert_type(composit.exp, ElementwiseFunction)
assert_type(cnp.exp, ElementwiseFunction)
assert_type(asarray([1.0]), LazyTensor)
assert_type(linalg.inv(cnp.eye(2)), LazyTensor)
assert_type(composit.linalg.inv(composit.eye(2)), LazyTensor)
assert_type(composit.fft.fft(composit.ones(2)), LazyTensor)
assert_type(composit.pi, float)
assert_type(cnp.float32, type[np.float32])

x = cnp.asarray([1.0, 2.0])
assert_type(chain_rule({x: x}, [x]), list[Any])
assert_type(nn.chain_rule({x: x}, [x]), list[Any])
assert_type(cnp.nn.chain_rule({x: x}, [x]), list[Any])
