"""Reductions by a universal function (sums, extrema), positions of extrema, running sums."""
