"""Layers of neural networks, as functions of their inputs and parameters. softmax is here, too, where many look for it."""

from typing import TYPE_CHECKING

from composit.nn.layers import attention as _attention
from composit.nn.layers import blocks as _blocks
from composit.nn.layers import normalization as _normalization
from composit.nn.layers import recurrent as _recurrent
from composit.nn.layers import recurrent_cells as _recurrent_cells
from composit.nn.layers.attention import *
from composit.nn.layers.blocks import *
from composit.nn.layers.normalization import *
from composit.nn.layers.recurrent import *
from composit.nn.layers.recurrent_cells import *
from composit.nn.operations.exponentials import log_softmax as log_softmax
from composit.nn.operations.exponentials import softmax as softmax

# A star import gives functions, not the modules that they are in. mypy reads only literal lists, and needs none here.
if not TYPE_CHECKING:
    __all__ = ["log_softmax", "softmax"]
    __all__ += _attention.__all__
    __all__ += _blocks.__all__
    __all__ += _normalization.__all__
    __all__ += _recurrent.__all__
    __all__ += _recurrent_cells.__all__
