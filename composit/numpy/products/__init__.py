"""matmul, dot, tensordot (matrix_products.py), einsum (einsums.py), cross and kron (vector_products.py)."""
