"""Shapes and axes: tensors transposed, reshaped, broadcast, joined and split, and read as another dtype."""
