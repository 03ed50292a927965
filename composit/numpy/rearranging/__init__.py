"""flip, roll, tile (flips_and_repeats.py), diag, tril (building_matrices.py), insert, delete (editing.py), pad."""
