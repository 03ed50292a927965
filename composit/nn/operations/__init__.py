"""Operations of neural networks: functions of lazy tensors with derivatives of every order, and C."""

from composit.nn.operations.activations import *
from composit.nn.operations.convolution import convolution as convolution
from composit.nn.operations.convolution import transposed_convolution as transposed_convolution
from composit.nn.operations.exponentials import *
