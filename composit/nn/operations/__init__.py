"""Operations of neural networks: functions of lazy tensors with derivatives of every order, and C."""

from composit.nn.operations.activations import *
from composit.nn.operations.adaptive_pooling import *
from composit.nn.operations.convolution import *
from composit.nn.operations.exponentials import *
from composit.nn.operations.pooling import *
from composit.nn.operations.similarity import *
