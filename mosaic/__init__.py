"""Graphs of composit compiled to C."""
