"""Reductions: sum, prod, max, all, argmax, cumsum (reduce.py), their where= and initial= (masked.py), derivatives."""
