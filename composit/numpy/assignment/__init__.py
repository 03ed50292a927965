"""`x[i] = v`, and functions that change their first argument."""
