"""Questions about arrays that return Python values: shapes, dtypes, equality, shared memory."""
