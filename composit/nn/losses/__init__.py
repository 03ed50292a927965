"""Losses of neural networks: functions of predictions and targets, with `reduction` "mean", "sum" or "none"."""

from typing import TYPE_CHECKING

from composit.nn.losses import binary as _binary
from composit.nn.losses import classification as _classification
from composit.nn.losses import embedding as _embedding
from composit.nn.losses import regression as _regression
from composit.nn.losses import temporal_classification as _temporal_classification
from composit.nn.losses.binary import *
from composit.nn.losses.classification import *
from composit.nn.losses.embedding import *
from composit.nn.losses.regression import *
from composit.nn.losses.temporal_classification import *

# A star import gives functions, not the modules that they are in. mypy reads only literal lists, and needs none here.
if not TYPE_CHECKING:
    __all__ = []
    __all__ += _binary.__all__
    __all__ += _classification.__all__
    __all__ += _embedding.__all__
    __all__ += _regression.__all__
    __all__ += _temporal_classification.__all__
