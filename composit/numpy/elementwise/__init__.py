"""Elementwise functions: the table of ufuncs and its derivatives, casting, where, and functions composed of these."""
