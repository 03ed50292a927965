"""Differences, integrals, interpolation, and polynomials by coefficients."""
