"""Elements in order, searched, and as sets."""
