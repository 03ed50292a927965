"""flip, roll, tile, diag, tril (flips_and_repeats.py), insert, delete, block (editing.py), pad, and packed bits."""
