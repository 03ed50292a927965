"""mean, var, average, median, quantile, cov, convolve, histogram, and functions that leave out NaN (nanmean, ...)."""
