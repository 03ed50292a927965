"""How arrays are stored: layouts, tiles, and packing into them."""
