"""Questions about arrays that Python gets an answer to: shapes, dtypes, equality, shared memory."""
