"""The torch backend, `evaluate(..., backend="torch")`: composit graphs run by torch.

torch_backend    runs a program, instruction by instruction
torch_functions  the table: class of composit -> function of torch
elementwise      the same table for numpy's elementwise functions
"""

from flashlight.backend.torch_backend import TorchBackend

__all__ = ["TorchBackend"]
