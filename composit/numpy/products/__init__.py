"""Products of matrices and vectors, and sums of products by subscripts."""
