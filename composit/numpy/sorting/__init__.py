"""sort, argsort, partition, searchsorted (sort_and_search.py); unique, isin, union1d and other sets (sets.py)."""
