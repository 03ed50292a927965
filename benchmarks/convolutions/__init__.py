"""Single convolutions, each named algorithm of ours beside those of other libraries."""
