"""Names that are numpy's own: the same objects, and functions that numpy computes at the call."""
