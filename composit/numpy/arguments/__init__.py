"""Numpy's arguments in normal form: axes, shapes, signatures, integer positions, Python integers. The lowest folder."""
