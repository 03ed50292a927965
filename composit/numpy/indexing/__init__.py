"""Elements by position: reading `x[i]`, `take`, `choose`, index arrays, grids, windows and strides, iterators."""
