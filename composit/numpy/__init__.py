"""Lazy numpy: numpy's names, arguments, dtypes and errors on tensors."""
