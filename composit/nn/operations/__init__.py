"""Operations of neural networks: functions of lazy tensors with derivatives of every order, and C."""

from typing import TYPE_CHECKING

from composit.nn.operations import activations as _activations
from composit.nn.operations import adaptive_pooling as _adaptive_pooling
from composit.nn.operations import choosing as _choosing
from composit.nn.operations import convolution as _convolution
from composit.nn.operations import cumulative as _cumulative
from composit.nn.operations import embeddings as _embeddings
from composit.nn.operations import exponentials as _exponentials
from composit.nn.operations import grid_sampling as _grid_sampling
from composit.nn.operations import half_precision as _half_precision
from composit.nn.operations import interpolation as _interpolation
from composit.nn.operations import pooling as _pooling
from composit.nn.operations import products as _products
from composit.nn.operations import random_choices as _random_choices
from composit.nn.operations import scanning as _scanning
from composit.nn.operations import similarity as _similarity
from composit.nn.operations import unfolding as _unfolding
from composit.nn.operations.activations import *
from composit.nn.operations.adaptive_pooling import *
from composit.nn.operations.choosing import *
from composit.nn.operations.convolution import *
from composit.nn.operations.cumulative import *
from composit.nn.operations.embeddings import *
from composit.nn.operations.exponentials import *
from composit.nn.operations.grid_sampling import *
from composit.nn.operations.half_precision import *
from composit.nn.operations.interpolation import *
from composit.nn.operations.pooling import *
from composit.nn.operations.products import *
from composit.nn.operations.random_choices import *
from composit.nn.operations.scanning import *
from composit.nn.operations.similarity import *
from composit.nn.operations.unfolding import *

# A star import gives functions, not the modules that they are in. mypy reads only literal lists, and needs none here.
if not TYPE_CHECKING:
    __all__ = []
    __all__ += _activations.__all__
    __all__ += _adaptive_pooling.__all__
    __all__ += _choosing.__all__
    __all__ += _convolution.__all__
    __all__ += _cumulative.__all__
    __all__ += _embeddings.__all__
    __all__ += _exponentials.__all__
    __all__ += _grid_sampling.__all__
    __all__ += _half_precision.__all__
    __all__ += _interpolation.__all__
    __all__ += _pooling.__all__
    __all__ += _products.__all__
    __all__ += _random_choices.__all__
    __all__ += _scanning.__all__
    __all__ += _similarity.__all__
    __all__ += _unfolding.__all__
