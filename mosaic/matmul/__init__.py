"""Matrix products as C: block sizes, the loops over tiles, and the tile of sums in registers."""
