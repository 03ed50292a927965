"""Averages, quantiles, covariances, histograms, and the same without NaN."""
