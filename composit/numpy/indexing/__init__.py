"""Elements chosen by position: `x[i]` read, `take`, `choose`, diagonals, windows, arrays of indices, iterators."""
