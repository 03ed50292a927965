"""Layouts of arrays in memory as levels of tiles, and panels, the layout of the right operand of a product."""
