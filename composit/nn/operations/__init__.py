"""Operations of neural networks: functions of lazy tensors with derivatives of every order, and C."""

from composit.nn.operations.convolution import convolution, transposed_convolution

__all__ = ["convolution", "transposed_convolution"]
