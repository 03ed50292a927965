"""Memory shared as in numpy: views and their bases, memory layout, and writes that views see."""
