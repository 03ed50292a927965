"""zeros, arange, eye (from_nothing.py), array, asarray (from_values.py) and window functions (windows.py)."""
