"""Layers of neural networks, as functions of their inputs and parameters. softmax is here, too, where many look for it."""

from composit.nn.layers.attention import *
from composit.nn.layers.blocks import *
from composit.nn.layers.normalization import *
from composit.nn.layers.recurrent import *
from composit.nn.layers.recurrent_cells import *
from composit.nn.operations.exponentials import log_softmax as log_softmax
from composit.nn.operations.exponentials import softmax as softmax
