"""Shapes and axes: transpose and reshape (reshaping.py), broadcast_to, concatenate and split (joining.py), views."""
