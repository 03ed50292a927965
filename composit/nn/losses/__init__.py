"""Losses of neural networks: functions of predictions and targets, with `reduction` "mean", "sum" or "none"."""

from composit.nn.losses.binary import *
from composit.nn.losses.classification import *
from composit.nn.losses.embedding import *
from composit.nn.losses.regression import *
from composit.nn.losses.temporal_classification import *
