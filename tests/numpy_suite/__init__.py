"""numpy's own test-suite, run with composit.numpy in numpy's place.

The tests are the ones that numpy's wheel ships; none is copied. `python -m tests.numpy_suite` runs all that
`excluded.py` does not name and prints a table per file. Names are looked up in composit.numpy and do not fall through
to numpy; comparisons evaluate first and count how many of the values were lazy.
"""
