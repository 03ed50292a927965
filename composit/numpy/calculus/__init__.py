"""Differences, integrals and interpolation (differences.py); np.poly1d and the functions around it (polynomials.py)."""
