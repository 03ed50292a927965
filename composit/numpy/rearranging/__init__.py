"""Elements in another order, repeated, put in and taken out: flips, tiles, padding, insertion, matrices of diagonals."""
