"""Arrays made from nothing, from values, and as window functions."""
