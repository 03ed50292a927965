"""matmul, dot, tensordot (matrix_products.py), einsum, trace (einsums.py), cross and kron (vector_products.py)."""
