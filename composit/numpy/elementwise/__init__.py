"""Elementwise functions: the table and its derivatives, dtypes, conditions, what is built of them."""
